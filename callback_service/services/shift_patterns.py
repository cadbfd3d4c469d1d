"""Changing the patterns of the rota, and lists of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

from callback_service.domain.policy import Action
from callback_service.domain.rota import MAY_HOLD, Duty, Pattern, first_clash
from callback_service.domain.rotation_words import Line, line_in_words, turn_in_words, whose_turn
from callback_service.domain.rotations import CountedIn, Rotation
from callback_service.domain.wall_time import (
    ONE_DAY,
    days_in_words,
    first_instant,
    full_date,
    in_a_row,
    mask_from_weekdays,
    weekly_in_words,
)
from callback_service.errors import BadInput, NotFound
from callback_service.models.rota import ShiftPattern, ShiftTurn
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import (
    Ending,
    Person,
    as_proposed,
    is_worked_by,
    lines_of,
    rotation_of,
)
from callback_service.services.rota_edits import edits

#: A date further from today than this is a slip of the finger, such as 2206 for 2026.
FURTHEST_DATE = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class PatternLine:
    """A line of the rota and who works it, for a list. ``words`` say when."""

    id: int
    duty: Duty
    names: tuple[str, ...]
    disabled: tuple[str, ...]  # those of the names whose accounts are
    words: str
    days: str  # the part of the words that says on which days
    turns: tuple[str, ...]  # of a rotation, each in words, in order
    whose: tuple[str, ...]  # of a rotation: whose turn it is and who is next, in words
    start: time
    end: time
    from_on: date
    until_on: date | None

    @property
    def name(self) -> str:
        """Who works it."""
        return in_a_row(self.names)


def list_patterns(
    session: Session, *, today: date, staff_id: int | None = None
) -> list[PatternLine]:
    """The lines that have not ended before ``today``, by duty, names and start; of one, or all."""
    statement = (
        select(ShiftPattern)
        .where(or_(ShiftPattern.until_on.is_(None), ShiftPattern.until_on >= today))
        .options(
            selectinload(ShiftPattern.staff),
            selectinload(ShiftPattern.turns).selectinload(ShiftTurn.staff),
        )
    )
    if staff_id is not None:
        statement = statement.where(is_worked_by([staff_id]))
    lines = [_listed(row, today=today) for row in session.scalars(statement)]
    return sorted(lines, key=lambda one: (one.duty, one.name, one.from_on, one.start, one.id))


def pattern_line(session: Session, pattern_id: int, *, today: date) -> PatternLine:
    """One line of the rota; raises NotFound."""
    return _listed(stored_line(session, pattern_id), today=today)


def stored_line(session: Session, pattern_id: int, *, is_locking: bool = False) -> ShiftPattern:
    """A line of the rota as it is kept; raises NotFound."""
    row = session.get(ShiftPattern, pattern_id, with_for_update=is_locking or None)
    if row is None:
        raise NotFound("That pattern is not on the rota.")
    return row


def line_of(row: ShiftPattern) -> Line:
    """The stored line as it was added."""
    return rotation_of(row) if row.staff_id is None else lines_of(row)[0]


def _listed(row: ShiftPattern, *, today: date) -> PatternLine:
    people = {one.id: one for one in [row.staff, *(turn.staff for turn in row.turns)] if one}
    line = line_of(row)
    turns = line.turns if isinstance(line, Rotation) else ()
    names = {staff_id: one.name for staff_id, one in people.items()}
    unit = row.counted_in or CountedIn.DAYS
    return PatternLine(
        id=row.id,
        duty=row.duty,
        names=tuple(sorted(names.values())),
        disabled=tuple(sorted(one.name for one in people.values() if not one.is_active)),
        words=line_in_words(line),
        days=days_in_words(line),
        turns=tuple(turn_in_words(turn, unit, names) for turn in turns),
        whose=whose_turn(line, names, today=today) if isinstance(line, Rotation) else (),
        start=row.starts,
        end=row.ends,
        from_on=row.from_on,
        until_on=row.until_on,
    )


def people_for_rota(session: Session) -> list[Person]:
    """Everybody who may be given a shift, by name."""
    may_hold = frozenset[object]().union(*MAY_HOLD.values())
    rows = session.scalars(
        select(Staff)
        .where(Staff.is_active, Staff.role.in_(may_hold))
        .order_by(Staff.name, Staff.id)
    )
    return [Person(row.id, row.name, row.email) for row in rows]


@edits("rota.pattern_added")
@allowed(Action.EDIT_ROTA)
def add_pattern(
    session: Session,
    line: Line,
    *,
    actor_id: int | None,
    now: datetime,
    is_record: bool = False,
) -> ShiftPattern:
    """Put a new line on the rota: one person's pattern, or a rotation.

    Refuses with the field's name: an account that is gone or may not hold the duty, dates that
    cannot be meant, and a line that overlaps another of the same person and duty. A record that is
    read from elsewhere, ``is_record``, may have dates of any time.
    """
    _check(session, line, ending=None, is_locking=True, is_record=is_record, now=now)
    row = _row(line, actor_id=actor_id, now=now)
    session.add(row)
    session.flush()
    _changed(session, "rota.pattern_added", row, actor_id=actor_id, now=now)
    return row


def check_line(
    session: Session, line: Line, *, instead_of: Ending | None = None, now: datetime
) -> None:
    """Refuse what ``add_pattern`` would refuse now, before anybody is asked to confirm it.

    ``instead_of`` is the end of another line that would be saved with it.
    """
    _check(session, line, ending=instead_of, is_locking=False, now=now)


def _check(
    session: Session, line: Line, *, ending: Ending | None, is_locking: bool, now: datetime,
    is_record: bool = False,
) -> None:  # fmt: skip
    if not is_record:
        check_dates(line.from_on, line.until_on, now=now)
    parts = parts_of(line)
    people = _holders(session, parts, is_locking=is_locking)
    held = as_proposed(held_lines(session, people, line.duty), [ending] if ending else [])
    for part in parts:
        own = [one for one in held if one.staff_id == part.staff_id and one.id != part.id]
        if clash := first_clash(part, own):
            raise _field_error("start", _clash_in_words(people, clash, is_one=len(parts) == 1))


def parts_of(line: Line) -> list[Pattern]:
    """A line as patterns: itself, or one for each person of a rotation."""
    return [line] if isinstance(line, Pattern) else line.lines()


def _clash_in_words(people: Mapping[int, Staff], clash: Pattern, *, is_one: bool) -> str:
    who = "they already have" if is_one else f"{people[clash.staff_id or 0].name} already has"
    return f"This overlaps a pattern {who}: {weekly_in_words(clash)}. End that one first."


def held_lines(session: Session, staff_ids: Collection[int], duty: Duty) -> list[Pattern]:
    """Every line of these people on a duty, past ones too, with what they have of rotations."""
    rows = session.scalars(
        select(ShiftPattern)
        .where(
            ShiftPattern.duty == duty,
            is_worked_by(staff_ids),
        )
        .order_by(ShiftPattern.id)
    )
    return [line for row in rows for line in lines_of(row) if line.staff_id in staff_ids]


def _holders(session: Session, parts: Iterable[Pattern], *, is_locking: bool) -> dict[int, Staff]:
    """The accounts the line is for; locked, so that no other line of theirs is added now."""
    people: dict[int, Staff] = {}
    for part in sorted(parts, key=lambda part: part.staff_id or 0):
        lock = True if is_locking else None
        staff = session.get(Staff, part.staff_id, with_for_update=lock) if part.staff_id else None
        if staff is None or not staff.is_active:
            raise _field_error("staff_id", "Choose somebody who has an active account.")
        if staff.role not in MAY_HOLD[part.duty]:
            raise _field_error(
                "staff_id",
                "Only a manager can be duty lead."
                if part.duty is Duty.DUTY_LEAD
                else "An administrator cannot be on shift as counsellor.",
            )
        people[staff.id] = staff
    return people


def _row(line: Line, *, actor_id: int | None, now: datetime) -> ShiftPattern:
    row = ShiftPattern(
        id=line.id,  # None but for one that is put back
        duty=line.duty,
        weekdays=mask_from_weekdays(line.weekdays),
        starts=line.start,
        ends=line.end,
        from_on=line.from_on,
        until_on=line.until_on,
        created_by_id=actor_id,
        created_at=now,
    )
    if isinstance(line, Rotation):
        row.counted_in, row.cycle_from_on = line.counted_in, line.anchor_on
        row.turns = [
            ShiftTurn(place=place, length=turn.length, staff_id=staff_id)
            for place, turn in enumerate(line.turns)
            for staff_id in (*sorted(turn.staff_ids),) or (None,)
        ]
        return row
    row.staff_id = line.staff_id
    if line.cycle is not None:
        row.cycle_from_on, row.cycle_days = line.cycle.anchor_on, line.cycle.length
        row.cycle_on_days = len(line.cycle.on)
        if line.cycle.on != frozenset(range(row.cycle_on_days)):
            raise ValueError("one person's cycle is on for the first of its days")
    return row


def check_dates(from_on: date, until_on: date | None, *, now: datetime) -> None:
    """Raise BadInput for dates out of order or too far from today to be meant."""
    today = now.date()
    for field, day in (("from_on", from_on), ("until_on", until_on)):
        if day is not None and abs(day - today) > FURTHEST_DATE:
            raise _field_error(field, "Enter a date within five years of today.")
    if until_on is not None and until_on < from_on:
        raise _field_error("until_on", "The last day must be on or after the first day.")


def _field_error(field: str, sentence: str) -> BadInput:
    return BadInput(sentence, {field: sentence})


@edits("rota.pattern_ended")
@allowed(Action.EDIT_ROTA)
def end_pattern(
    session: Session,
    pattern_id: int,
    *,
    last_on: date,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Let a pattern end: its last shift starts on ``last_on``, yesterday at the earliest.

    What was worked stays on record; a pattern that would end before it began is removed.
    """
    row = stored_line(session, pattern_id, is_locking=True)
    _check_end(row, last_on, today=now.astimezone(tz).date())
    if last_on < row.from_on:
        _changed(session, "rota.pattern_removed", row, actor_id=actor_id, now=now)
        session.delete(row)
    else:
        row.until_on = last_on
        _changed(session, "rota.pattern_ended", row, actor_id=actor_id, now=now)
    session.flush()


def check_end(session: Session, ending: Ending, *, now: datetime, tz: tzinfo) -> None:
    """Refuse what ``end_pattern`` would refuse now."""
    row = stored_line(session, ending.pattern_id)
    _check_end(row, ending.last_on, today=now.astimezone(tz).date())


def _check_end(row: ShiftPattern, last_on: date, *, today: date) -> None:
    if last_on < today - ONE_DAY:
        raise _field_error("last_on", "The last day can be yesterday at the earliest.")
    if row.until_on is not None and last_on >= row.until_on:
        raise _field_error("last_on", f"This pattern already ends on {full_date(row.until_on)}.")


@allowed(Action.EDIT_ROTA)
def end_from_now(
    session: Session, pattern_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a line have no shift that has not begun; nothing to do where it has none."""
    row = session.get(ShiftPattern, pattern_id, with_for_update=True)
    if row is None:
        return
    last_on = _last_begun_on(row, now=now, tz=tz)
    if row.until_on is None or row.until_on > last_on:
        end_pattern(session, pattern_id, last_on=last_on, actor_id=actor_id, now=now, tz=tz)


@allowed(Action.EDIT_ROTA)
def put_back(
    session: Session, before: ShiftPattern, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a line that was ended or removed be as it was ``before``, from its next shift on.

    Refuses what adding it would refuse. Nothing to do where it had no shift to come.
    """
    first_on = max(before.from_on, _last_begun_on(before, now=now, tz=tz) + ONE_DAY)
    if before.until_on is not None and before.until_on < first_on:
        return
    row, line = session.get(ShiftPattern, before.id), line_of(before)
    if row is None or row.until_on != first_on - ONE_DAY or not _same_but_end(row, before):
        new_id = before.id if row is None else None
        line = replace(line, id=new_id, from_on=first_on)
        again = add_pattern(session, line, actor_id=actor_id, now=now)
        again.imported_uid = before.imported_uid
        if row is None:
            again.created_by_id, again.created_at = before.created_by_id, before.created_at
        return
    _check(session, line, ending=None, is_locking=True, is_record=True, now=now)
    row.until_on = before.until_on
    session.flush()
    _changed(session, "rota.pattern_put_back", row, actor_id=actor_id, now=now)


def _last_begun_on(row: ShiftPattern, *, now: datetime, tz: tzinfo) -> date:
    """Today if a shift of the line that starts today has begun by now, else yesterday."""
    today = now.astimezone(tz).date()
    return today if first_instant(today, row.starts, tz=tz) <= now else today - ONE_DAY


def _same_but_end(row: ShiftPattern, other: ShiftPattern) -> bool:
    """Whether both are one line, but for its last day."""
    return replace(line_of(row), until_on=None) == replace(line_of(other), until_on=None)


def _changed(
    session: Session, action: str, row: ShiftPattern, *, actor_id: int | None, now: datetime
) -> None:
    audit.record(
        session,
        action,
        subject=ShiftPattern.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        staff_id=row.staff_id,
        pattern=f"{row.duty}: {line_in_words(line_of(row))}",
    )
    ask_for_plan(session, reason="rota", now=now)
