"""Reading an .ics file into the rota: what that would change.

What becomes a line of the rota is an event that recurs as a line can, however its rule is spelled:
its times are worked out and compared with those of the line. Whatever else the file says becomes
changes for dates. What is not taken is named with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from callback_service.domain.rota import MARGIN, Duty, Pattern, Shift, resolve_shifts
from callback_service.domain.rota_changes import ChangeSet
from callback_service.gateways.ical_reader import read_ical
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services.rota import lines_of
from callback_service.services.rota_change_rows import change_of, people_in
from callback_service.services.rota_import_again import (
    Made,
    compared_with,
    lines_gone,
    made_before,
)
from callback_service.services.rota_import_dates import Dates, Wish, wishes_of
from callback_service.services.rota_import_items import Item, Rota
from callback_service.services.rota_import_lines import judge_rules


def plan_import(
    session: Session,
    content: bytes,
    *,
    host: str,
    first: date | None = None,
    last: date | None = None,
    now: datetime,
    tz: ZoneInfo,
) -> list[Item]:
    """What reading the file would do, in the file's order; changes nothing. BadInput for no file.

    Single dates and exceptions are looked for from ``first`` to ``last``, or wherever the file has
    some. What no event of the file speaks of stays as it is. What an earlier reading made of one of
    them and it says no more ends.
    """
    today = now.astimezone(tz).date()
    found = read_ical(content, first=first, last=last, today=today, tz=tz)
    rota = _load(session, host=host, now=now, tz=tz)
    judged = [judge_rules(one, rota) for one in found]
    ended = lines_gone(found, rota)
    wishes = [wishes_of(one, own, rota) for one, own in zip(found, judged, strict=True)]
    made = made_before(session, found, rota, first=first, last=last)
    dates, gone = _judge_dates(session, list(chain.from_iterable(wishes)), made, rota)
    items = iter(dates)
    said = [
        item
        for own, some in zip(judged, wishes, strict=True)
        for item in (*own.items, *(next(items) for _ in some))
    ]
    return [*said, *ended, *gone]


def _load(session: Session, *, host: str, now: datetime, tz: ZoneInfo) -> Rota:
    rows = session.scalars(
        select(ShiftPattern).options(selectinload(ShiftPattern.turns)).order_by(ShiftPattern.id)
    ).all()
    lines: defaultdict[tuple[int | None, Duty], list[Pattern]] = defaultdict(list)
    for line in chain.from_iterable(map(lines_of, rows)):
        lines[line.staff_id, line.duty].append(line)
    return Rota(
        people={one.email: one for one in session.scalars(select(Staff).where(Staff.is_active))},
        lines=lines,
        taken=defaultdict(list),
        rotations=frozenset(row.id for row in rows if row.staff_id is None),
        imported={row.id: row.imported_uid for row in rows if row.imported_uid is not None},
        claimed=set(),
        host=host,
        now=now,
        tz=tz,
    )


def _judge_dates(
    session: Session, wishes: Sequence[Wish], made: Sequence[Made], rota: Rota
) -> tuple[list[Item], list[Item]]:
    """What becomes of each wish, in their order, and what ends of what was ``made`` before.

    Shifts are given before any are taken off.
    """
    if not wishes:
        return compared_with(made, [], [], rota)
    shifts, rows = _rota_to_be(session, wishes, made, rota)
    dates = Dates(shifts, rows, wishes, rota.tz)
    order = sorted(range(len(wishes)), key=lambda place: wishes[place].is_left_out)
    items = {place: dates.judge(wishes[place]) for place in order}
    return compared_with(made, wishes, [items[place] for place in range(len(wishes))], rota)


def _rota_to_be(
    session: Session, wishes: Sequence[Wish], made: Sequence[Made], rota: Rota
) -> tuple[list[Shift], Sequence[RotaChange]]:
    """The shifts there will be where the wishes are, with the lines of the file, and the changes.

    Without those that were ``made`` by an earlier reading. Only of the people concerned, and of
    those whose shifts they work by some change.
    """
    start = min(wish.span[0] for wish in wishes) - MARGIN
    end = max(wish.span[1] for wish in wishes) + MARGIN
    before = {one.row.id for one in made}
    found = session.scalars(
        select(RotaChange)
        .where(
            RotaChange.cancelled_at.is_(None),
            RotaChange.starts_at < end + MARGIN,
            RotaChange.ends_at > start - MARGIN,
        )
        .options(
            selectinload(RotaChange.spans),
            selectinload(RotaChange.staff),
            selectinload(RotaChange.by),
        )
        .order_by(RotaChange.id)
    )
    rows = [row for row in found if row.id not in before]
    changes = [change_of(row) for row in rows]
    concerned = {wish.post[0] for wish in wishes} | people_in(changes)
    lines = [
        line
        for held in (rota.lines, rota.taken)
        for (staff_id, _), own in held.items()
        if staff_id in concerned
        for line in own
    ]
    return resolve_shifts(lines, start, end, tz=rota.tz, changes=ChangeSet(changes)), rows
