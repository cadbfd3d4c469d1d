"""Doing what an .ics file asks of the rota: all of it, or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Pattern
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
from callback_service.models.staff import Staff
from callback_service.services.rota_changes import record_changes
from callback_service.services.rota_edits import edits
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_items import Item
from callback_service.services.shift_patterns import add_pattern, end_pattern


@edits("rota.imported")
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
    apply_import(session, items, actor_id=actor_id, now=now, tz=tz)
    return items


def apply_import(
    session: Session, items: Iterable[Item], *, actor_id: int | None, now: datetime, tz: ZoneInfo
) -> None:
    """Do what the plan says: all of it, or nothing and the refusal that says why."""
    items = list(items)
    for item in items:
        try:
            if item.pattern is not None and item.replaces_id is not None:
                _replace(session, item.pattern, item.replaces_id, actor_id, now=now, tz=tz)
            elif item.pattern is not None:
                add_pattern(session, item.pattern, actor_id=actor_id, now=now, is_record=True)
        except CallbackServiceError as refusal:
            raise BadInput(f"{item.words}: {refusal.message} Nothing was taken.") from refusal
    changes = as_kept([change for item in items for change in item.changes])
    try:
        record_changes(session, changes, actor_id=actor_id, now=now, tz=tz)
    except CallbackServiceError as refusal:
        raise BadInput(f"{refusal.message} Nothing was taken.") from refusal


def as_kept(changes: Sequence[Change]) -> list[Change]:
    """``changes`` so that no two of one person overlap.

    Whoever is taken off both duties at once is away for that time, which is one change.
    """
    off: dict[Duty, defaultdict[int, list[Span]]] = {duty: defaultdict(list) for duty in Duty}
    kept: list[Change] = []
    for change in changes:
        if isinstance(change, Override) and change.kind is OverrideKind.REMOVE:
            off[change.duty][change.staff_id].append((change.start, change.end))
        else:
            kept.append(change)
    for staff_id in sorted({staff_id for own in off.values() for staff_id in own}):
        kept += _off_duty(staff_id, {duty: joined(own[staff_id]) for duty, own in off.items()})
    return kept


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


def _replace(
    session: Session,
    pattern: Pattern,
    replaces_id: int,
    actor_id: int | None,
    *,
    now: datetime,
    tz: ZoneInfo,
) -> None:
    """End the old line before the new one begins: today at the earliest, as the past is done."""
    from_on = max(now.astimezone(tz).date(), pattern.from_on)
    old = session.get(ShiftPattern, replaces_id)
    if old is not None and (old.until_on is None or old.until_on >= from_on):
        end_pattern(
            session, replaces_id, last_on=from_on - ONE_DAY, actor_id=actor_id, now=now, tz=tz
        )
    if pattern.until_on is None or pattern.until_on >= from_on:
        later = replace(pattern, from_on=from_on)
        add_pattern(session, later, actor_id=actor_id, now=now, is_record=True)
