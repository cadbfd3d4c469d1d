"""The history of the rota in words: who changed what, from what to what. For managers.

Names are looked up when they are read: a revision keeps ids. It says why somebody is away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from callback_service.domain import policy
from callback_service.domain.cover_words import requirement_in_words
from callback_service.domain.policy import Action
from callback_service.domain.rest import RULE_WORDS
from callback_service.domain.rotation_words import line_in_words, turn_in_words
from callback_service.domain.wall_time import day_in_words
from callback_service.errors import NotFound
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.rota_revision import (
    RotaRevision,
    RotaRevisionRow,
    RotaRevisionSubject,
)
from callback_service.models.staff import Staff
from callback_service.services import rota_change_rows
from callback_service.services.cover_requirements import requirement_of
from callback_service.services.rota import Person, rotation_of
from callback_service.services.rota_snapshots import (
    Columns,
    about_person,
    people_of,
    rebuilt,
    stored,
)
from callback_service.services.shift_patterns import line_of

PAGE_LENGTH: Final = 25
#: What was done, for the list. Whatever is not here changed the rota.
DEEDS: Final = {
    "rota.pattern_added": "Added a pattern",
    "rota.pattern_ended": "Ended a pattern",
    "rota.pattern_replaced": "Changed a pattern from a day on",
    "rota.change_made": "Made a change for some dates",
    "rota.change_cancelled": "Cancelled a change for some dates",
    "rota.open_shift_taken": "Took an open shift",
    "rota.open_shift_given_back": "Gave an open shift back",
    "rota.swap_agreed": "Agreed a swap",
    "rota.swap_undone": "Undid a swap",
    "rota.leave_granted": "Granted leave",
    "cover.requirement_added": "Stated how many are needed",
    "cover.requirement_removed": "Removed a requirement",
    "rota.imported": "Read a calendar into the rota",
}
ANY_DEED: Final = "Changed the rota"


#: Edits of both sides of a swap, which the history alone cannot take back.
OF_SWAPS = frozenset({"rota.swap_agreed", "rota.swap_undone"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One line or change of the rota in words, as it was and as it is. None: not there."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One edit for a list: who, when and what."""

    id: int
    made_at: datetime
    made_by: str
    deed: str
    differences: tuple[Difference, ...]
    can_undo: bool
    is_undone: bool
    is_of_swap: bool  # a swap is undone as a whole, with the swaps


@dataclass(frozen=True, slots=True)
class History:
    """A part of the history, newest first. ``older_than`` asks for the next; None at its end."""

    lines: list[RevisionLine]
    older_than: int | None


def list_revisions(
    session: Session,
    *,
    staff_id: int | None = None,
    older_than: int | None = None,
    now: datetime,
    tz: tzinfo,
) -> History:
    """The newest edits, or the newest before revision ``older_than``; of one person's rota."""
    wanted = select(RotaRevision).order_by(RotaRevision.id.desc()).limit(PAGE_LENGTH + 1)
    if older_than is not None:
        wanted = wanted.where(RotaRevision.id < older_than)
    if staff_id is not None:
        about = select(RotaRevisionSubject.revision_id).where(
            RotaRevisionSubject.subject == about_person(staff_id)
        )
        wanted = wanted.where(RotaRevision.id.in_(about))
    rows = session.scalars(
        wanted.options(selectinload(RotaRevision.rows), selectinload(RotaRevision.actor))
    ).all()
    shown = rows[:PAGE_LENGTH]
    lines = lines_of(session, shown, now=now, tz=tz)
    return History(lines, shown[-1].id if len(rows) > len(shown) else None)


def people_of_history(session: Session) -> list[Person]:
    """Everybody whose rota may have been changed, also those who have left, by name."""
    rows = session.scalars(
        select(Staff)
        .where(Staff.role.in_(policy.roles_of(Action.WORK_OWN_SHIFTS)))
        .order_by(Staff.name, Staff.id)
    )
    return [Person(row.id, row.name, row.email) for row in rows]


def revision_line(session: Session, revision_id: int, *, now: datetime, tz: tzinfo) -> RevisionLine:
    """One edit; raises NotFound."""
    return lines_of(session, [get_revision(session, revision_id)], now=now, tz=tz)[0]


def get_revision(session: Session, revision_id: int) -> RotaRevision:
    """One revision; raises NotFound."""
    row = session.get(RotaRevision, revision_id)
    if row is None:
        raise NotFound("There is no such edit of the rota.")
    return row


def lines_of(
    session: Session, revisions: Sequence[RotaRevision], *, now: datetime, tz: tzinfo
) -> list[RevisionLine]:
    """Edits for a list, in the order given."""
    rows = [row for revision in revisions for row in revision.rows]
    people = _people(session, rows)
    untouched = {row.id for row in unchanged_rows(session, rows)}
    as_left = {one.id for one in revisions if all(row.id in untouched for row in one.rows)}
    undone = _undone(session, revisions) - as_left
    return [
        RevisionLine(
            id=one.id,
            made_at=one.made_at,
            made_by=actor_of(one),
            deed=_deed(session, one, tz=tz),
            differences=tuple(_differences(one.rows, people, tz=tz)),
            can_undo=one.id in as_left
            and one.action not in OF_SWAPS
            and any(_goes_on(row, now=now, tz=tz) for row in one.rows),
            is_undone=one.id in undone,
            is_of_swap=one.action in OF_SWAPS,
        )
        for one in revisions
    ]


def _undone(session: Session, revisions: Sequence[RotaRevision]) -> set[int | None]:
    """Ids of those that were undone, some time."""
    ids = [one.id for one in revisions]
    return set(
        session.scalars(select(RotaRevision.undoes_id).where(RotaRevision.undoes_id.in_(ids)))
    )


def actor_of(revision: RotaRevision) -> str:
    """Who made an edit."""
    return revision.actor.name if revision.actor else "A command"


def _deed(session: Session, revision: RotaRevision, *, tz: tzinfo) -> str:
    if revision.undoes_id is None:
        return DEEDS.get(revision.action, ANY_DEED)
    undone = get_revision(session, revision.undoes_id)
    at = undone.made_at.astimezone(tz)
    who = undone.actor.name if undone.actor else "a command"
    return f"Undid what {who} did on {day_in_words(at.date())} at {at:%H:%M}"


def unchanged_rows(session: Session, rows: Iterable[RotaRevisionRow]) -> list[RotaRevisionRow]:
    """Those of ``rows`` that are in the database as their revision left them."""
    rows = list(rows)
    names = {row.table_name for row in rows}
    now = {
        name: stored(session, name, {row.row_id for row in rows if row.table_name == name})
        for name in names
    }
    return [row for row in rows if _is_as(now[row.table_name].get(row.row_id), row.after)]


def _is_as(now: Columns | None, left: Columns | None) -> bool:
    """Whether the row is as it was left; a column that came later does not count."""
    if now is None or left is None:
        return now is left
    return all(now.get(name) == value for name, value in left.items())


def _goes_on(row: RotaRevisionRow, *, now: datetime, tz: tzinfo) -> bool:
    """Whether the row said, or says, anything of the time to come."""
    return any(
        columns is not None and not _is_over(columns, now=now, tz=tz)
        for columns in (row.before, row.after)
    )


def _is_over(columns: Columns, *, now: datetime, tz: tzinfo) -> bool:
    if "ends_at" in columns:
        ends_at = columns["ends_at"]  # None: what is allowed may go on and on
        is_over = ends_at is not None and datetime.fromisoformat(ends_at) <= now
        return is_over or columns["cancelled_at"] is not None
    until_on = columns["until_on"]
    return until_on is not None and date.fromisoformat(until_on) < now.astimezone(tz).date()


def _people(session: Session, rows: Iterable[RotaRevisionRow]) -> dict[int, Staff]:
    ids = {
        staff_id
        for row in rows
        for columns in (row.before, row.after)
        if columns is not None
        for staff_id in people_of(columns)
    }
    return {staff.id: staff for staff in session.scalars(select(Staff).where(Staff.id.in_(ids)))}


def differences_of(
    session: Session, rows: Sequence[RotaRevisionRow], *, tz: tzinfo
) -> list[Difference]:
    """What an edit changed, in words."""
    return _differences(rows, _people(session, rows), tz=tz)


def _differences(
    rows: Iterable[RotaRevisionRow], people: Mapping[int, Staff], *, tz: tzinfo
) -> list[Difference]:
    return [
        Difference(
            _in_words(row.table_name, row.before, people, tz=tz),
            _in_words(row.table_name, row.after, people, tz=tz),
        )
        for row in sorted(rows, key=_is_allowance)
    ]


def _is_allowance(row: RotaRevisionRow) -> bool:
    """Whether it says what is allowed, which is read after what it is allowed for."""
    return row.table_name == RestAllowance.__tablename__


def _in_words(
    table_name: str, columns: Columns | None, people: Mapping[int, Staff], *, tz: tzinfo
) -> str | None:
    """What a row says of the rota; None where it says nothing."""
    if columns is None:
        return None
    row = rebuilt(table_name, columns)
    if isinstance(row, ShiftPattern):
        return _pattern_in_words(row, people)
    if isinstance(row, CoverRequirement):
        return f"{row.needed} needed: {requirement_in_words(requirement_of(row))}"
    if not isinstance(row, RotaChange | RestAllowance) or row.cancelled_at is not None:
        return None
    if isinstance(row, RestAllowance):
        rule = RULE_WORDS[row.rule].lower()
        return f"{people[row.staff_id].name} may break a rule of rest ({rule}): {row.reason}"
    row.staff, row.by = people.get(row.staff_id or 0), people.get(row.by_id or 0)
    return rota_change_rows.in_words(row, tz=tz)


def _pattern_in_words(row: ShiftPattern, people: Mapping[int, Staff]) -> str:
    duty = rota_change_rows.AS_WORDS[row.duty]
    names = {staff_id: staff.name for staff_id, staff in people.items()}
    if row.staff_id is not None:
        return f"{names[row.staff_id]} works {duty}: {line_in_words(line_of(row))}"
    rotation = rotation_of(row)
    turns = "; ".join(turn_in_words(turn, rotation.counted_in, names) for turn in rotation.turns)
    return f"{line_in_words(line_of(row))}, {duty}: {turns}"
