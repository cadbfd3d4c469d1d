"""Doing what an .ics file asks of the rota: all of it, or nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    Override,
    OverrideKind,
)
from callback_service.domain.spans import joined, without
from callback_service.domain.wall_time import ONE_DAY, Span
from callback_service.errors import BadInput, CallbackServiceError
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services.permission import allowed
from callback_service.services.rota_changes import cancel_change, record_changes
from callback_service.services.rota_edits import edits
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_again import asked_for
from callback_service.services.rota_import_items import Item, uid_key
from callback_service.services.shift_patterns import add_pattern, end_pattern

#: A change and the UID of the event it comes from.
Named = tuple[Change, str]


@edits("rota.imported")
@allowed(Action.EDIT_ROTA)
def import_calendar(
    session: Session,
    content: bytes,
    *,
    host: str,
    first: date | None = None,
    last: date | None = None,
    actor_id: int | None,
    now: datetime,
    tz: ZoneInfo,
) -> list[Item]:
    """Read the file into the rota, and say what became of each thing in it.

    Every account is held meanwhile, so that nobody's rota is other than what was looked at.
    """
    session.scalars(select(Staff.id).order_by(Staff.id).with_for_update()).all()
    items = plan_import(session, content, host=host, first=first, last=last, now=now, tz=tz)
    apply_import(session, items, host=host, actor_id=actor_id, now=now, tz=tz)
    return items


@allowed(Action.EDIT_ROTA)
def apply_import(
    session: Session,
    items: Iterable[Item],
    *,
    host: str,
    actor_id: int | None,
    now: datetime,
    tz: ZoneInfo,
) -> None:
    """Do what the plan says: all of it, or nothing and the refusal that says why."""
    items = list(items)
    for item in items:
        with _named(item):
            _end(session, item, actor_id=actor_id, now=now, tz=tz)
    for item in items:
        with _named(item):
            _add_line(session, item, host=host, actor_id=actor_id, now=now, tz=tz)
    kept = as_kept([(change, item.uid) for item in items for change in item.changes])
    named = [(change, _kept_uid(uid, host)) for change, uid in kept]
    changes = _not_there(session, named, now=now)
    try:
        record_changes(session, changes, actor_id=actor_id, now=now, tz=tz)
    except CallbackServiceError as refusal:
        raise BadInput(f"{refusal.message} Nothing was taken.") from refusal


@contextmanager
def _named(item: Item) -> Iterator[None]:
    """Say of which thing in the file a refusal is."""
    try:
        yield
    except CallbackServiceError as refusal:
        raise BadInput(f"{item.words}: {refusal.message} Nothing was taken.") from refusal


def _kept_uid(uid: str, host: str) -> str | None:
    """The UID as it is kept; None for a name that an export gave, which says whose it is."""
    return None if uid.endswith(f"@{host}") else uid_key(uid)


def _not_there(
    session: Session, changes: Sequence[tuple[Change, str | None]], *, now: datetime
) -> list[tuple[Change, str | None]]:
    """Those of ``changes`` that no earlier reading made."""
    rows = session.scalars(
        select(RotaChange).where(RotaChange.cancelled_at.is_(None), RotaChange.starts_at > now)
    )
    there = Counter(asked_for(row) for row in rows)
    new = []
    for change, uid in changes:
        there[change] -= 1
        if there[change] < 0:
            new.append((change, uid))
    return new


def as_kept(changes: Sequence[Named]) -> list[Named]:
    """``changes`` so that no two of one person overlap, each with the UID it comes from.

    Whoever is taken off both duties at once is away for that time, which is one change.
    """
    off: dict[Duty, defaultdict[int, list[Span]]] = {duty: defaultdict(list) for duty in Duty}
    uids: defaultdict[int, list[tuple[Span, str]]] = defaultdict(list)
    kept: list[Named] = []
    for change, uid in changes:
        if isinstance(change, Override) and change.kind is OverrideKind.REMOVE:
            span = change.start, change.end
            off[change.duty][change.staff_id].append(span)
            uids[change.staff_id].append((span, uid))
        else:
            kept.append((change, uid))
    for staff_id, own in sorted(uids.items()):
        spans = {duty: joined(some[staff_id]) for duty, some in off.items()}
        parts = _off_duty(staff_id, spans)
        kept += [(part, _uid_of(part, own)) for part in parts]
    return kept


def _uid_of(part: Change, said: Sequence[tuple[Span, str]]) -> str:
    """Where time off comes from; of several events the first."""
    return next(uid for (start, end), uid in said if start < part.end and part.start < end)


def _off_duty(staff_id: int, spans: Mapping[Duty, Sequence[Span]]) -> list[Change]:
    """One person's time off each duty, and off both where they overlap."""
    one, other = (spans[duty] for duty in Duty)
    both = [part for span in one for part in _common(span, other)]
    away: list[Change] = [Leave(staff_id, *part, LeaveReason.OTHER) for part in both]
    return away + [
        Override(OverrideKind.REMOVE, staff_id, *part, duty)
        for duty, own in spans.items()
        for span in own
        for part in without(span, both)
    ]


def _common(span: Span, others: Sequence[Span]) -> list[Span]:
    """The parts of ``span`` that one of ``others`` holds too."""
    return without(span, without(span, others))


def _end(
    session: Session, item: Item, *, actor_id: int | None, now: datetime, tz: ZoneInfo
) -> None:
    """End what an item takes the place of: a line from today on at the earliest, and changes."""
    old = session.get(ShiftPattern, item.replaces_id) if item.replaces_id is not None else None
    ends_on = _begins(item, now=now, tz=tz) - ONE_DAY
    if old is not None and (old.until_on is None or old.until_on > ends_on):
        end_pattern(session, old.id, last_on=ends_on, actor_id=actor_id, now=now, tz=tz)
    for change_id in item.cancels:
        cancel_change(session, change_id, actor_id=actor_id, now=now)


def _begins(item: Item, *, now: datetime, tz: ZoneInfo) -> date:
    """The day from which a line holds that takes the place of another: the past is done."""
    today = now.astimezone(tz).date()
    return max(today, item.pattern.from_on) if item.pattern is not None else today


def _add_line(
    session: Session, item: Item, *, host: str, actor_id: int | None, now: datetime, tz: ZoneInfo
) -> None:
    line = item.pattern
    if line is not None and item.replaces_id is not None:
        line = replace(line, from_on=_begins(item, now=now, tz=tz))
    if line is None or (line.until_on is not None and line.until_on < line.from_on):
        return
    row = add_pattern(session, line, actor_id=actor_id, now=now, is_record=True)
    row.imported_uid = _kept_uid(item.uid, host)
    session.flush()
