"""Whether somebody else changed what a page is about, between showing it and saving it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, tzinfo
from typing import ClassVar, Final

from sqlalchemy.orm import Session

from callback_service.domain.rota import Pattern
from callback_service.domain.rota_changes import Change, OpenShift, person_spans
from callback_service.domain.rotations import Rotation
from callback_service.domain.wall_time import day_in_words, in_a_row
from callback_service.errors import Refused
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.services.rota_edits import latest_revision, revisions_since, wait_for_turn
from callback_service.services.rota_history import RevisionLine, lines_of
from callback_service.services.rota_snapshots import (
    OPEN_SHIFT,
    about_person,
    about_row,
    stored,
    subjects_of,
)

#: Who states how many are needed has to have seen every requirement.
CONCERNS_OF_REQUIREMENTS: Final = frozenset({CoverRequirement.__tablename__})
UNKNOWN_SEEN: Final = (
    "The page you sent does not say which state of the rota it showed, so what others changed "
    "since could not be looked for."
)


class ChangedMeanwhile(Refused):
    """Somebody else changed what the page is about, or may have; ``lines`` say what is known.

    ``latest`` is the newest revision by then.
    """

    title: ClassVar[str] = "The rota was changed meanwhile"

    def __init__(self, message: str, latest: int, lines: list[RevisionLine]) -> None:
        super().__init__(message)
        self.latest = latest
        self.lines = lines


def refuse_if_changed(
    session: Session,
    seen: int | None,
    concerns: Collection[str],
    *,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Raise ChangedMeanwhile if another person changed what an edit ``concerns`` since ``seen``.

    So it does where what was seen is not known: None, or an edit that is not there. Comes first in
    the transaction that saves; until it ends nobody else edits the rota.
    """
    wait_for_turn(session)
    latest = latest_revision(session)
    if seen is None or seen > latest:
        raise ChangedMeanwhile(UNKNOWN_SEEN, latest, [])
    rows = revisions_since(session, seen, concerns, actor_id=actor_id)
    if not rows:
        return
    lines = lines_of(session, rows, now=now, tz=tz)
    who = in_a_row(sorted({line.made_by for line in lines}))
    at = rows[-1].made_at.astimezone(tz)
    is_today = at.date() == now.astimezone(tz).date()
    when = f"at {at:%H:%M}" if is_today else f"on {day_in_words(at.date())} at {at:%H:%M}"
    raise ChangedMeanwhile(
        f"{who} changed the rota {when} while you had this page open.",
        latest,
        lines,
    )


def concerns_of(edit: Change | Pattern | Rotation) -> set[str]:
    """What somebody has to have seen who saves a new line or a new change."""
    match edit:
        case OpenShift():
            return {OPEN_SHIFT}
        case Rotation():
            people = {staff_id for turn in edit.turns for staff_id in turn.staff_ids}
        case Pattern():
            people = {edit.staff_id} if edit.staff_id is not None else set()
        case _:
            people = {staff_id for staff_id, *_ in person_spans(edit)}
    return {about_person(staff_id) for staff_id in people}


def concerns_of_line(session: Session, pattern_id: int) -> set[str]:
    """What somebody has to have seen who ends a line: itself, and its people."""
    return _concerns_of_row(session, ShiftPattern.__tablename__, pattern_id)


def concerns_of_change(session: Session, change_id: int) -> set[str]:
    """What somebody has to have seen who cancels a change: itself, and its people."""
    return _concerns_of_row(session, RotaChange.__tablename__, change_id) - {OPEN_SHIFT}


def _concerns_of_row(session: Session, table_name: str, row_id: int) -> set[str]:
    columns = stored(session, table_name, [row_id]).get(row_id)
    return subjects_of(table_name, row_id, columns)


def concerns_of_requirement(requirement_id: int) -> set[str]:
    """What somebody has to have seen who removes a requirement."""
    return {about_row(CoverRequirement.__tablename__, requirement_id)}
