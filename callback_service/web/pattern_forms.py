"""The forms that add, change and end patterns and rotations."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from wtforms import RadioField, StringField

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.rotations import CountedIn, Rotation
from callback_service.domain.wall_time import EVERY_DAY, Cycle, every_weeks
from callback_service.errors import BadInput
from callback_service.services.rota import Person
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.turns import UNITS, WEEKS, TurnsField, typed_turns, unit_of
from callback_service.web.weekly import Day, OneOf, Reason, WallTime, Weekdays, choice, given

WEEKLY, SOME_WEEKS, SOME_DAYS = "weekly", "weeks", "days"
RECURS = {
    WEEKLY: "Every week",
    SOME_WEEKS: "One week in several",
    SOME_DAYS: "Some days on, then some days off",
}
MOST_WEEKS, MOST_DAYS = 52, 99


class LineForm(FlaskForm):
    """What a pattern and a rotation have in common."""

    duty = OneOf(
        "Duty",
        sentence="Choose a duty.",
        choices=[choice(duty.value, DUTY_WORDS[duty]) for duty in Duty],
        coerce=Duty,
    )
    weekdays = Weekdays("Days the shift starts on", is_needed=False)
    start = WallTime("Starts at")
    end = WallTime("Ends at")
    from_on = Day("First day")
    until_on = Day("Last day (optional)", is_needed=False)

    people: dict[str, str]

    def offer(self, people: list[Person]) -> None:
        """Let ``people`` be chosen."""
        self.people = {str(person.id): person.name for person in people}

    def fill(self, line: Pattern | Rotation, *, from_on: date) -> None:
        """Show a stored line that is to change from a day on."""
        self.duty.data, self.weekdays.data = line.duty, sorted(line.weekdays)
        self.start.data, self.end.data = line.start, line.end
        self.from_on.data, self.until_on.data = from_on, line.until_on

    def validate(self, extra_validators: Any = None) -> bool:
        """Judge the whole form at once, so that nobody is sent back twice."""
        is_valid = super().validate(extra_validators)
        if not self.weekdays.errors and self._needs_weekdays() and not self.weekdays.data:
            self.weekdays.errors = ["Choose at least one day."]
        return is_valid and not self.weekdays.errors

    def _needs_weekdays(self) -> bool:
        return True

    def _days(self) -> frozenset[int]:
        return frozenset(self.weekdays.data or EVERY_DAY)


class PatternForm(LineForm):
    """One person's line of the rota."""

    recurs = RadioField(
        "How often",
        choices=[choice(value, words) for value, words in RECURS.items()],
        default=WEEKLY,
        validate_choice=False,
    )
    weeks = StringField("One week in how many")
    week_of = Day("Any day of a week that is worked", is_needed=False)
    days_on = StringField("Days on")
    days_off = StringField("Days off")
    cycle_from_on = Day("The first of the days on", is_needed=False)
    staff_id = OneOf("Who", sentence="Choose who works this shift.")

    def offer(self, people: list[Person]) -> None:
        """Let one of ``people`` be chosen."""
        super().offer(people)
        listed = [choice(key, name) for key, name in self.people.items()]
        self.staff_id.choices = [choice("", "Choose somebody"), *listed]

    def line(self) -> Pattern:
        """The line as it was typed, of a form that is valid; raises BadInput."""
        return Pattern(
            id=None,
            staff_id=int(self.staff_id.data),
            duty=self.duty.data,
            weekdays=self._days(),
            start=given(self.start.data),
            end=given(self.end.data),
            from_on=given(self.from_on.data),
            until_on=self.until_on.data,
            cycle=self._cycle(),
        )

    def fill(self, line: Pattern | Rotation, *, from_on: date) -> None:
        """Show a stored pattern that is to change from a day on."""
        super().fill(line, from_on=from_on)
        if not isinstance(line, Pattern):
            raise TypeError("a rotation has a form of its own")
        self.staff_id.data = str(line.staff_id)
        cycle = line.cycle
        if cycle is None:
            return
        weeks, odd_days = divmod(cycle.length, 7)
        if cycle.on == EVERY_DAY and not odd_days and cycle.anchor_on.weekday() == 0:
            self.recurs.data, self.weeks.data = SOME_WEEKS, str(weeks)
            self.week_of.data = cycle.anchor_on
            return
        self.recurs.data, self.cycle_from_on.data = SOME_DAYS, cycle.anchor_on
        self.days_on.data = str(len(cycle.on))
        self.days_off.data = str(cycle.length - len(cycle.on))

    def _needs_weekdays(self) -> bool:
        return bool(self.recurs.data != SOME_DAYS)

    def _cycle(self) -> Cycle | None:
        match self.recurs.data:
            case "weeks":
                weeks = _number(self.weeks, 2, MOST_WEEKS)
                return every_weeks(weeks, _needed(self.week_of))
            case "days":
                on, off = (_number(one, 1, MOST_DAYS) for one in (self.days_on, self.days_off))
                return Cycle(_needed(self.cycle_from_on), on + off, frozenset(range(on)))
            case _:
                return None


class RotationForm(LineForm):
    """A line of the rota that several people work in turn."""

    unit = RadioField(
        "How turns are counted",
        choices=[
            choice(WEEKS, "In weeks"),
            choice(CountedIn.DAYS.value, "In days"),
            choice(CountedIn.SHIFTS.value, "In shifts"),
        ],
        default=WEEKS,
        validate_choice=False,
    )
    anchor_on = Day("First day of the first turn (optional)", is_needed=False)
    turns = TurnsField("Turns")

    def validate(self, extra_validators: Any = None) -> bool:
        """Judge the whole form at once, with its turns."""
        is_valid = super().validate(extra_validators)
        return bool(self.turns.turns(self._unit(), self.people)) and is_valid

    def _unit(self) -> str:
        return str(self.unit.data) if self.unit.data in UNITS else WEEKS

    def line(self) -> Rotation:
        """The rotation as it was typed, of a form that is valid; raises BadInput."""
        unit = self._unit()
        from_on = given(self.from_on.data)
        try:
            return Rotation(
                id=None,
                duty=self.duty.data,
                weekdays=self._days(),
                start=given(self.start.data),
                end=given(self.end.data),
                from_on=from_on,
                until_on=self.until_on.data,
                anchor_on=self.anchor_on.data or from_on,
                counted_in=CountedIn.DAYS if unit == WEEKS else CountedIn(unit),
                turns=self.turns.turns(unit, self.people),
            )
        except ValueError as error:
            raise _field_error("turns", f"Make the turns shorter: {error}.") from error

    def fill(self, line: Pattern | Rotation, *, from_on: date) -> None:
        """Show a stored rotation that is to change from a day on, from the turn of that day."""
        super().fill(line, from_on=from_on)
        if not isinstance(line, Rotation):
            raise TypeError("a pattern has a form of its own")
        listed = line.listed_from(from_on)
        self.unit.data, self.anchor_on.data = unit_of(line), listed.anchor_on
        self.turns.data = typed_turns(listed, self.people)


class EndForm(FlaskForm):
    """When a line ends."""

    last_on = Day("Last day a shift starts on")


class FromForm(FlaskForm):
    """From which day a line changes; sent in the address."""

    day = Day("First day of the change")


class ReasonForm(FlaskForm):
    """Why a rule of rest may be broken."""

    rest_reason = Reason("Why this is allowed", is_needed=False)


def _number(field: StringField, lowest: int, highest: int) -> int:
    typed = (field.data or "").strip()
    is_number = typed.isascii() and typed.isdecimal() and len(typed) < 4
    if not is_number or not lowest <= int(typed) <= highest:
        raise _field_error(str(field.name), f"Enter a number from {lowest} to {highest}.")
    return int(typed)


def _needed(field: Day) -> date:
    day: date | None = field.data
    if day is None:
        raise _field_error(str(field.name), "Enter a date, like 22/11/2026.")
    return day


def _field_error(field: str, sentence: str) -> BadInput:
    return BadInput(sentence, {field: sentence})
