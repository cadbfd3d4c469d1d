"""Undoing an edit of the rota: what it changed is put back as it was, from now on.

What has been worked stays on record. An undo is an edit itself, so it can be undone. What it
breaks of the rules of rest needs a reason, as with every other edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rest import Breach
from callback_service.domain.rota import Duty
from callback_service.domain.wall_time import ONE_DAY, day_in_words, start_of_day
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.callback import CallbackRequest
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.rota_revision import RotaRevision, RotaRevisionRow
from callback_service.models.staff import Staff
from callback_service.services import (
    audit,
    cover,
    cover_requirements,
    rest_allowances,
    rest_checks,
    rota_changes,
    shift_patterns,
)
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.planning import current_plan
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_edits import Edit, rota_edit
from callback_service.services.rota_history import (
    Difference,
    actor_of,
    differences_of,
    get_revision,
    unchanged_rows,
)
from callback_service.services.rota_snapshots import people_of, rebuilt

#: Who ends and puts back the rows of a table, in the order in which rows are put back: a change
#: may need the shifts of a pattern.
ROOMS = {
    ShiftPattern.__tablename__: shift_patterns,
    CoverRequirement.__tablename__: cover_requirements,
    RotaChange.__tablename__: rota_changes,
    RestAllowance.__tablename__: rest_allowances,
}


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What undoing an edit would change, and in words what that costs.

    ``gaps`` would open, promises would be ``lost``, and rules of rest ``broken``.
    """

    differences: list[Difference]
    gaps: list[str]
    lost: list[str]
    broken: list[str]


@allowed(Action.EDIT_ROTA)
def undo(
    session: Session,
    revision_id: int,
    *,
    reason: str | None = None,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> RotaRevision:
    """Put back what an edit changed; the revision that does it.

    Refuses where a later edit changed the same lines, where what would come back does not fit any
    more, and where all of it is over. Raises RestBroken where it breaks a rule of rest that nobody
    has allowed and no reason is given; with one, that is allowed.
    """
    with rota_edit(
        session, "rota.undone", actor_id=actor_id, now=now, undoes_id=revision_id
    ) as edit:
        broken = _take_back(session, revision_id, actor_id=actor_id, now=now, tz=tz)
        begins, ends = _span_of(get_revision(session, revision_id).rows, now=now, tz=tz)
        rest_checks.allow_all(
            session, broken, begins, ends, reason=reason, actor_id=actor_id, now=now
        )
    made = _given(edit)
    audit.record(
        session,
        "rota.undone",
        subject=RotaRevision.__tablename__,
        subject_id=revision_id,
        actor_id=actor_id,
        now=now,
        by_revision=made.id,
    )
    ask_for_plan(session, reason="rota", now=now)
    return made


def _given(edit: Edit) -> RotaRevision:
    if edit.revision is None:
        raise Refused("This is over, and what has been worked stays on record.")
    return edit.revision


def _take_back(
    session: Session, revision_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> list[Breach]:
    """Put back what an edit changed; what that breaks of the rules of rest and nobody allowed."""
    rows = get_revision(session, revision_id).rows
    _refuse_changed_since(session, get_revision(session, revision_id), tz=tz)
    people = _lock_people(session, rows)
    since, _ = _span_of(rows, now=now, tz=tz)
    before = set(rest_checks.breaches_ahead(session, people, since=since, now=now, tz=tz))
    try:
        _put_back(session, rows, actor_id=actor_id, now=now, tz=tz)
    except (BadInput, Refused, NotFound) as refusal:
        raise Refused(f"This cannot be undone now. {refusal.message}") from refusal
    after = rest_checks.breaches_ahead(session, people, since=since, now=now, tz=tz)
    return rest_allowances.not_allowed(session, [one for one in after if one not in before])


def _span_of(
    rows: list[RotaRevisionRow], *, now: datetime, tz: tzinfo
) -> tuple[datetime, datetime | None]:
    """When what an edit changed has an effect, a day around it: from now on; None for without end.

    Lines of the rota have days and changes instants.
    """
    begins, ends = [], []
    for columns in filter(None, (side for row in rows for side in (row.before, row.after))):
        if "starts_at" in columns:
            begins.append(datetime.fromisoformat(columns["starts_at"]))
            ends.append(columns["ends_at"] and datetime.fromisoformat(columns["ends_at"]))
        else:
            begins.append(start_of_day(date.fromisoformat(columns["from_on"]), tz=tz))
            last = columns["until_on"] and date.fromisoformat(columns["until_on"])
            ends.append(last and start_of_day(last + ONE_DAY, tz=tz))
    known = [end for end in ends if end]
    until = max(known) + ONE_DAY if len(known) == len(ends) else None
    return max(min(begins), now) - ONE_DAY, until


@allowed(Action.EDIT_ROTA)
def preview_undo(
    session: Session, revision_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> UndoPreview:
    """What ``undo`` would do, by doing it and taking it back. Refuses what it would refuse."""
    trial = session.begin_nested()
    try:
        before = _cover_ahead(session, now=now, tz=tz)
        kept = _promises_kept(session, now=now, tz=tz)
        with rota_edit(session, "rota.undone", actor_id=actor_id, now=now) as edit:
            breaches = _take_back(session, revision_id, actor_id=actor_id, now=now, tz=tz)
        differences = differences_of(session, _given(edit).rows, tz=tz)
        after = _cover_ahead(session, now=now, tz=tz)
        still_kept = _promises_kept(session, now=now, tz=tz)
    finally:
        trial.rollback()
    gaps = [
        f"{'Duty lead: ' if duty is Duty.DUTY_LEAD else ''}{words}"
        for duty in Duty
        for words in cover.new_gaps_in_words(before[duty], after[duty], tz=tz)
    ]
    lost = [words for request_id, words in kept.items() if request_id not in still_kept]
    broken = rest_checks.in_words(session, breaches, tz=tz, with_names=True)
    return UndoPreview(differences, gaps, lost, broken)


def _cover_ahead(session: Session, *, now: datetime, tz: tzinfo) -> dict[Duty, cover.Cover]:
    end = now + cover.LOOK_AHEAD
    return {duty: cover.whole_cover(session, now, end, tz=tz, duty=duty) for duty in Duty}


def _promises_kept(session: Session, *, now: datetime, tz: tzinfo) -> dict[int, str]:
    """The waiting requests whose promise the plan keeps, each in words, soonest first."""
    starts = {one.request_id: one.start for one in current_plan(session, now=now, tz=tz)}
    rows = session.scalars(
        select(CallbackRequest)
        .where(CallbackRequest.id.in_(starts))
        .order_by(CallbackRequest.due_at, CallbackRequest.id)
    )
    return {
        row.id: f"{row.reference}: {span_in_words(row.ring_from, row.due_at, tz=tz)}"
        for row in rows
        if starts[row.id] <= row.due_at
    }


def _put_back(
    session: Session,
    rows: list[RotaRevisionRow],
    *,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """End all that the edit left before anything comes back: what comes back needs the room."""
    rows = sorted(rows, key=lambda row: (list(ROOMS).index(row.table_name), row.row_id))
    for row in reversed(rows):
        room = ROOMS[row.table_name]
        room.end_from_now(session, row.row_id, actor_id=actor_id, now=now, tz=tz)
    for row in rows:
        match rebuilt(row.table_name, row.before) if row.before else None:
            case ShiftPattern() as pattern:
                shift_patterns.put_back(session, pattern, actor_id=actor_id, now=now, tz=tz)
            case CoverRequirement() as requirement:
                cover_requirements.put_back(session, requirement, actor_id=actor_id, now=now, tz=tz)
            case RotaChange() as change:
                rota_changes.put_back(session, change, actor_id=actor_id, now=now, tz=tz)
            case RestAllowance() as allowance:
                rest_allowances.put_back(session, allowance, actor_id=actor_id, now=now, tz=tz)


def _refuse_changed_since(session: Session, revision: RotaRevision, *, tz: tzinfo) -> None:
    untouched = {row.id for row in unchanged_rows(session, revision.rows)}
    for row in revision.rows:
        if row.id in untouched:
            continue
        later = session.scalar(
            select(RotaRevision)
            .join(RotaRevision.rows)
            .where(
                RotaRevisionRow.table_name == row.table_name,
                RotaRevisionRow.row_id == row.row_id,
                RotaRevision.id > revision.id,
            )
            .order_by(RotaRevision.id.desc())
            .limit(1)
        )
        if later is None:
            raise Refused("This was changed again since, so it cannot be undone.")
        at = later.made_at.astimezone(tz)
        raise Refused(
            f"{actor_of(later)} changed this again on {day_in_words(at.date())} at {at:%H:%M}. "
            "Undo that first."
        )


def _lock_people(session: Session, rows: list[RotaRevisionRow]) -> set[int]:
    """Hold the accounts that the rows speak of; their ids."""
    ids = {
        staff_id
        for row in rows
        for columns in (row.before, row.after)
        if columns is not None
        for staff_id in people_of(columns)
    }
    session.scalars(
        select(Staff).where(Staff.id.in_(ids)).order_by(Staff.id).with_for_update(key_share=True)
    ).all()
    return ids
