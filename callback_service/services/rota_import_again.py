"""What an earlier reading of a calendar made of its events, which a new reading takes the place of.

A line or change that was read keeps the UID of its event. When the same event is read again, what
it made before does not count: the rota is worked out without it, and what the event says now is
compared with it afterwards. What it no longer says is taken off, from now on only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from callback_service.domain.recurrence import first_day
from callback_service.domain.rota_changes import Change, Leave, OpenShift, Override, OverrideKind
from callback_service.domain.wall_time import Span, weekly_in_words
from callback_service.gateways.ical_reader import Found
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.services.rota_change_rows import change_of, in_words
from callback_service.services.rota_import_dates import Wish
from callback_service.services.rota_import_items import (
    Item,
    Rota,
    Verdict,
    end_before,
    span_in_words,
    uid_key,
)


@dataclass(frozen=True, slots=True)
class Made:
    """A change that an earlier reading of the event ``uid`` made, and that has not begun."""

    uid: str
    row: RotaChange

    @property
    def span(self) -> Span:
        """When it holds."""
        return self.row.starts_at, self.row.ends_at


def asked_for(row: RotaChange) -> Change:
    """What a change was made for; who took an open shift or had it by a swap does not count."""
    if row.kind is ChangeKind.OPEN and row.duty is not None:
        return OpenShift(row.starts_at, row.ends_at, row.duty)
    if row.handed_on_from is not None:
        return replace(change_of(row.handed_on_from), start=row.starts_at, end=row.ends_at)
    return change_of(row)


def made_before(
    session: Session,
    found: Sequence[Found],
    rota: Rota,
    *,
    first: date | None,
    last: date | None,
) -> list[Made]:
    """The changes to come that earlier readings of these events made, from ``first`` to ``last``.

    An exported change is known by the name it was given. Where an event goes on after what was
    looked at, what it made there stays.
    """
    events = {uid_key(one.uid): one for one in found if _is_read(one)}
    rows = session.scalars(
        select(RotaChange)
        .where(RotaChange.cancelled_at.is_(None), RotaChange.starts_at > rota.now)
        .options(selectinload(RotaChange.staff), selectinload(RotaChange.by))
        .order_by(RotaChange.id)
    )
    made = []
    for row in rows:
        event = events.get(row.imported_uid or _exported_as(row, rota.host))
        day = row.starts_at.astimezone(rota.tz).date()
        if event is not None and (first or day) <= day <= min(last or day, _end_of(event) or day):
            made.append(Made(event.uid, row))
    return made


def _is_read(found: Found) -> bool:
    """Whether it is known what the event says: it was understood, or it is called off."""
    return found.fault is None or found.is_cancelled


def _exported_as(row: RotaChange, host: str) -> str:
    made = row.handed_on_from or row
    if made.kind is not ChangeKind.ADD:
        return ""
    starts = row.starts_at.astimezone(UTC)
    return f"override-{made.duty}-s{made.staff_id}-{starts:%Y%m%dT%H%M%SZ}@{host}"


def _end_of(event: Found) -> date | None:
    return event.looked_at[1] if event.goes_on and event.looked_at else None


def lines_gone(found: Iterable[Found], rota: Rota) -> list[Item]:
    """The end of each line that an earlier reading of these events made, and they say no more."""
    uids = {uid_key(one.uid): one.uid for one in found if _is_read(one)}
    names = {staff.id: staff.name for staff in rota.people.values()}
    items = []
    for lines in rota.lines.values():
        for line in list(lines):
            uid = uids.get(rota.imported.get(line.id or 0, ""))
            if uid is None or line.id in rota.claimed or first_day(line, rota.today) is None:
                continue
            end_before(line, rota.today, lines)
            words = f"{names.get(line.staff_id or 0, 'somebody')}, {weekly_in_words(line)}"
            items.append(Item(Verdict.GONE, uid, words, replaces_id=line.id))
    return items


def compared_with(
    made: Sequence[Made], wishes: Sequence[Wish], items: Sequence[Item], rota: Rota
) -> tuple[list[Item], list[Item]]:
    """What becomes of each wish beside what was ``made`` before, and what of that is taken off.

    What is there already is unchanged. A date with another time is changed. What another change
    is in the way of now stays as it was made.
    """
    pairs = list(zip(wishes, items, strict=True))
    in_the_way = [wish for wish, item in pairs if item.verdict is Verdict.OVERLAP]
    left = [
        one
        for one in made
        if not any(_meet(one, wish) for wish in in_the_way)
        and not any(_holds(one, item, change) for item in items for change in item.changes)
    ]
    result = [_beside(wish, item, made, left, rota) for wish, item in pairs]
    gone = [
        Item(Verdict.DATE_GONE, one.uid, in_words(one.row, tz=rota.tz), cancels=(one.row.id,))
        for one in left
    ]
    return result, gone


def _beside(wish: Wish, item: Item, made: Sequence[Made], left: list[Made], rota: Rota) -> Item:
    """An item beside what was made before; takes out of ``left`` what it gives another time."""
    kept = [one for one in made if one not in left]
    is_covered = item.verdict is Verdict.DATE_REMOVED and not item.changes  # by another time
    if is_covered and any(_meet(one, wish) for one in kept):
        return replace(item, verdict=Verdict.UNCHANGED)
    if not item.changes:
        return item
    if all(any(_holds(one, item, change) for one in made) for change in item.changes):
        return replace(item, verdict=Verdict.UNCHANGED)
    old = next((one for one in left if _is_other_time(one, item, rota)), None)
    if old is None:
        return item
    left.remove(old)
    words = f"{item.words}; it was {span_in_words(old.span, rota.tz)}"
    return replace(item, verdict=Verdict.DATE_CHANGED, words=words, cancels=(old.row.id,))


def _meet(made: Made, wish: Wish) -> bool:
    """Whether both are of the same event and of the same time."""
    (start, end), (first, last) = made.span, wish.span
    return made.uid == wish.uid and start < last and first < end


def _holds(made: Made, item: Item, change: Change) -> bool:
    """Whether what was made says what is asked for: the same, or as a part of more time off."""
    one = asked_for(made.row)
    if made.uid != item.uid or isinstance(one, OpenShift) or isinstance(change, OpenShift):
        return made.uid == item.uid and one == change
    is_off = isinstance(one, Leave) or one.kind is OverrideKind.REMOVE
    wants_off = isinstance(change, Override) and change.kind is OverrideKind.REMOVE
    is_part = one.start <= change.start and change.end <= one.end
    return one == change or (is_off and wants_off and is_part and one.staff_id == change.staff_id)


def _is_other_time(made: Made, item: Item, rota: Rota) -> bool:
    """Whether an item gives one person another time on the day of what was made."""
    if item.uid != made.uid or item.verdict is not Verdict.DATE_ADDED:
        return False
    one, [change] = asked_for(made.row), item.changes
    if not (isinstance(one, Override) and isinstance(change, Override)):
        return False
    who = (one.kind, one.staff_id, one.duty) == (change.kind, change.staff_id, change.duty)
    days = {at.astimezone(rota.tz).date() for at in (one.start, change.start)}
    return who and len(days) == 1
