"""The form that states how many are needed, and what is needed in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField
from wtforms.validators import NumberRange, ValidationError

from callback_service.domain.cover import AppliesOn, Requirement
from callback_service.domain.cover_words import who_in_words
from callback_service.domain.skills import Skill, in_words, parse_skill
from callback_service.domain.wall_time import weekdays_in_words
from callback_service.services import cover_requirements
from callback_service.web.weekly import Day, WallTime, Weekdays, choice, given

APPLIES_WORDS = {
    AppliesOn.WEEKDAYS: "The weekdays ticked below",
    AppliesOn.BANK_HOLIDAYS: "Bank holidays",
    AppliesOn.DATES: "Every day from the first to the last day given",
}


class NeededPeople(IntegerField):
    """A number of people."""

    SENTENCE = f"Enter a number from 1 to {cover_requirements.MOST_NEEDED}."

    def __init__(self, label: str, **more: Any) -> None:
        in_range = NumberRange(1, cover_requirements.MOST_NEEDED, message=self.SENTENCE)
        super().__init__(label, validators=[in_range], **more)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The typed number; says what a number looks like when it is none."""
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(self.SENTENCE) from error


class RequirementForm(FlaskForm):
    """How many people are needed, when."""

    applies_on = SelectField(
        "Which days",
        choices=[choice(kind.value, words) for kind, words in APPLIES_WORDS.items()],
        default=AppliesOn.WEEKDAYS,
        coerce=AppliesOn,
    )
    weekdays = Weekdays("Days", is_needed=False)
    start = WallTime("From")
    end = WallTime("To")
    needed = NeededPeople("People needed")
    skill = SelectField("Who counts", choices=[], default="")
    from_on = Day("First day")
    until_on = Day("Last day (optional)", is_needed=False)

    def validate_weekdays(self, field: Weekdays) -> None:
        """A weekly requirement needs its days."""
        if self.applies_on.data is AppliesOn.WEEKDAYS and not field.data:
            raise ValidationError("Choose at least one day.")

    def offer(self, known: Iterable[Skill]) -> None:
        """Let ``known`` skills be chosen, or none."""
        listed = [choice(str(one), f"Who {in_words(one)}") for one in known]
        self.skill.choices = [choice("", "Anybody"), *listed]

    def requirement(self) -> Requirement:
        """The requirement as it was typed; only of a form that is valid."""
        return Requirement(
            id=None,
            weekdays=frozenset(self.weekdays.data or []),
            start=given(self.start.data),
            end=given(self.end.data),
            needed=given(self.needed.data),
            from_on=given(self.from_on.data),
            until_on=self.until_on.data,
            applies_on=self.applies_on.data,
            skill=parse_skill(self.skill.data) if self.skill.data else None,
        )


def needed_in_words(need: Requirement) -> str:
    """How many a requirement is for, and of whom: "3", "1 who speaks Welsh"."""
    return f"{need.needed} {who_in_words(need.skill)}" if need.skill else str(need.needed)


def days_in_words(need: Requirement) -> str:
    """The days a requirement is for."""
    return {
        AppliesOn.WEEKDAYS: weekdays_in_words(need.weekdays),
        AppliesOn.BANK_HOLIDAYS: "bank holidays",
        AppliesOn.DATES: "every day between the dates",
    }[need.applies_on]
