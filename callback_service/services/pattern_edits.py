"""Edits of the patterns from the pages: looked at before they are saved, then saved as one.

An edit adds a line, ends one, or puts a new one in the place of another from a day on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rest import Breach
from callback_service.domain.rota import Duty, Shift, Source, resolve_shifts
from callback_service.domain.rotation_words import Line
from callback_service.domain.wall_time import ONE_DAY, WEEK, monday_of, start_of_day
from callback_service.services import rest_checks, shift_patterns
from callback_service.services.availability import conflicts_of_line
from callback_service.services.permission import allowed
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota import Ending, Person, Proposal, resolve
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_edits import rota_edit
from callback_service.services.rota_preview import Breakage, what_proposal_breaks
from callback_service.services.shift_patterns import parts_of

#: How far ahead a manager looks before saving.
SHOWN = 6 * WEEK


@dataclass(frozen=True, slots=True)
class PatternEdit:
    """A line to add, the end of a stored one, or both: the one instead of the other."""

    added: Line | None = None
    ended: Ending | None = None

    @property
    def proposed(self) -> list[Proposal]:
        """The edit as the resolver takes it."""
        parts = parts_of(self.added) if self.added else []
        return [*parts, *([self.ended] if self.ended else [])]

    @property
    def action(self) -> str:
        """What the history calls it."""
        if self.added is None:
            return "rota.pattern_ended"
        return "rota.pattern_replaced" if self.ended else "rota.pattern_added"


def instead(line: Line, pattern_id: int) -> PatternEdit:
    """The edit that puts ``line`` in the place of a stored one, from its first day on."""
    return PatternEdit(line, Ending(pattern_id, line.from_on - ONE_DAY))


@dataclass(frozen=True, slots=True)
class PreviewWeek:
    """One week of the new line: who starts a shift on which day, by name. No shift, no day."""

    monday: date
    by_day: dict[date, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Preview:
    """What an edit does to the rota. ``breaches`` are of rest, each with whose it is."""

    weeks: list[PreviewWeek]
    breakage: Breakage
    conflicts: list[str]
    breaches: list[tuple[str, Breach]]


def check(session: Session, edit: PatternEdit, *, now: datetime, tz: tzinfo) -> None:
    """Refuse what ``save`` would refuse now for another reason than rest; nothing is written."""
    if edit.ended:
        shift_patterns.check_end(session, edit.ended, now=now, tz=tz)
    if edit.added:
        shift_patterns.check_line(session, edit.added, instead_of=edit.ended, now=now)


@allowed(Action.EDIT_ROTA)
def save(
    session: Session,
    edit: PatternEdit,
    *,
    reason: str | None,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Make the edit. Raises RestBroken where the new line breaks rest and no reason is given."""
    with rota_edit(session, edit.action, actor_id=actor_id, now=now):
        check(session, edit, now=now, tz=tz)
        breaches = _breaches(session, edit, now=now, tz=tz)
        if breaches and reason is None:
            raise RestBroken(breaches)
        if edit.ended:
            shift_patterns.end_pattern(
                session,
                edit.ended.pattern_id,
                last_on=edit.ended.last_on,
                actor_id=actor_id,
                now=now,
                tz=tz,
            )
        if edit.added:
            shift_patterns.add_pattern(session, edit.added, actor_id=actor_id, now=now)
            rest_checks.allow_line(
                session, breaches, edit.added, reason=reason, actor_id=actor_id, now=now, tz=tz
            )


def _breaches(session: Session, edit: PatternEdit, *, now: datetime, tz: tzinfo) -> list[Breach]:
    line = edit.added
    if line is None or line.duty is not Duty.COUNSELLING:
        return []
    people = {part.staff_id for part in parts_of(line) if part.staff_id is not None}
    return rest_checks.breaches_of(
        session, edit.proposed, people, since=line.from_on, now=now, tz=tz
    )


def preview(session: Session, edit: PatternEdit, *, now: datetime, tz: tzinfo) -> Preview:
    """The next six weeks with the edit, for one that ``check`` lets pass; nothing is written.

    They begin with the week in which the edit begins, the present one at the earliest. Everything
    else on the rota is as it is stored.
    """
    first, duty = _begins(session, edit)
    start = max(now, start_of_day(first, tz=tz))
    breakage = what_proposal_breaks(
        session, edit.proposed, start, start + SHOWN, duties=[duty], now=now, tz=tz
    )
    if edit.added is None:
        return Preview([], breakage, [], [])
    monday = monday_of(max(first, now.astimezone(tz).date()))
    span = start_of_day(monday, tz=tz), start_of_day(monday + SHOWN, tz=tz)
    planned = resolve_shifts(parts_of(edit.added), *span, tz=tz)
    shifts, people = resolve(session, *span, tz=tz, proposed=edit.proposed)
    breaches = _breaches(session, edit, now=now, tz=tz)
    return Preview(
        weeks=_weeks(planned, people, monday, tz),
        breakage=breakage,
        conflicts=[
            *(one.words for one in conflicts_of_line(session, edit.added, now=now, tz=tz)),
            *_conflicts((one for one in planned if one.end > now), shifts, people, tz),
        ],
        breaches=[(people[breach.staff_id].name, breach) for breach in breaches],
    )


def _begins(session: Session, edit: PatternEdit) -> tuple[date, Duty]:
    """The first day on which the rota is another one, and whose cover may change."""
    if edit.added:
        return edit.added.from_on, edit.added.duty
    if edit.ended is None:
        raise ValueError("an edit adds a line, ends one, or both")
    row = shift_patterns.stored_line(session, edit.ended.pattern_id)
    return max(edit.ended.last_on + ONE_DAY, row.from_on), row.duty


def _weeks(
    planned: Iterable[Shift], people: Mapping[int, Person], monday: date, tz: tzinfo
) -> list[PreviewWeek]:
    names: dict[date, set[str]] = {}
    for shift in planned:
        if shift.staff_id is not None:
            day = shift.start.astimezone(tz).date()
            names.setdefault(day, set()).add(people[shift.staff_id].name)
    mondays = [monday + number * WEEK for number in range(SHOWN // WEEK)]
    days = [[first + timedelta(days=ahead) for ahead in range(7)] for first in mondays]
    return [
        PreviewWeek(week[0], {day: tuple(sorted(names[day])) for day in week if day in names})
        for week in days
    ]


def _conflicts(
    planned: Iterable[Shift], shifts: Iterable[Shift], people: Mapping[int, Person], tz: tzinfo
) -> Iterator[str]:
    """What else its people have in the shifts of a new line, in words, in order of time."""
    by_person: dict[int | None, list[Shift]] = {}
    for shift in shifts:
        by_person.setdefault(shift.staff_id, []).append(shift)
    for shift in planned:
        if shift.staff_id is None:
            continue
        held = [
            other
            for other in by_person.get(shift.staff_id, [])
            if other.start < shift.end and shift.start < other.end
        ]
        name = people[shift.staff_id].name
        when = span_in_words(shift.start, shift.end, tz=tz)
        if not any(_is_new(other) and other.duty is shift.duty for other in held):
            yield f"{name} does not work {when}: a change for that time comes first"
        elif any(other.duty is not shift.duty for other in held):
            yield f"{name} is on two duties at once, {when}"


def _is_new(shift: Shift) -> bool:
    return shift.source is Source.PATTERN and shift.pattern_id is None
