"""How many more can be promised a window: by the rota, and by those whom callers wish for."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, tzinfo
from functools import cache

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain import promises as rules
from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.rota import Duty
from callback_service.domain.skills import has
from callback_service.domain.spans import joined
from callback_service.domain.wall_time import Span
from callback_service.domain.wishes import Wishes, WishKind, in_words, skill_wished
from callback_service.errors import WindowGone
from callback_service.models.callback import CallbackRequest, ContactWindow
from callback_service.models.plan import PlanEntry
from callback_service.services import plain_rows
from callback_service.services.rota import Proposal, RotaShift, shifts_between
from callback_service.services.staff_skills import skills_of_staff

#: Callers who wish alike for one window come one at a time; any number, plus the window's second.
WISHES_LOCK = 7_702_026 << 40


def capacity_of(
    session: Session,
    windows: list[Window],
    *,
    tz: tzinfo,
    proposed: Collection[Proposal] = (),
    wished: Wishes | None = None,
    asking: int | None = None,
) -> dict[Window, int]:
    """How many requests each window can be promised to, by whoever meets what is wished.

    ``windows`` in order of time. ``asking`` is the id of a request that asks for a place itself.
    """
    if not windows:
        return {}
    able = None if wished is None else able_staff(session, wished)
    shifts = shifts_between(
        session,
        windows[0].start,
        windows[-1].end,
        tz=tz,
        duty=Duty.COUNSELLING,
        proposed=proposed,
    )
    touching = _touching(windows, _staffed(shifts, able))
    reserved = _reserved(session, windows, asking)
    return {
        window: rules.places(window, touching[window], reserved=reserved[window.start])
        for window in windows
    }


def _staffed(shifts: Iterable[RotaShift], able: frozenset[int] | None) -> list[Span]:
    """When each person who is able works, in order of time; shifts that touch are one."""
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for shift in shifts:
        if shift.person is not None and (able is None or shift.person.id in able):
            spans[shift.person.id].append((shift.start, shift.end))
    return sorted(span for own in spans.values() for span in joined(own))


def _touching(windows: list[Window], staffed: list[Span]) -> defaultdict[Window, list[Span]]:
    """The shifts that reach into each window; both in order of time."""
    touching: defaultdict[Window, list[Span]] = defaultdict(list)
    first = 0
    for start, end in staffed:
        while first < len(windows) and windows[first].end <= start:
            first += 1
        for window in windows[first:]:
            if window.start >= end:
                break
            touching[window].append((start, end))
    return touching


def _reserved(session: Session, windows: list[Window], asking: int | None) -> Counter[datetime]:
    """How many other open requests are to be rung in each window, by its start, without a place.

    When the plan has them rung: who waits for "as soon as you can" in a long queue is ahead of
    whoever chooses a window in it now.
    """
    given = {"start": windows[0].start, "end": windows[-1].end, "asking": asking or 0}
    starts = [window.start for window in windows]
    rings = plain_rows.rows(session, _rung(), given)
    within = ((windows[bisect_right(starts, at) - 1], at) for (at,) in rings)
    return Counter(window.start for window, at in within if at < window.end)


@cache
def _rung() -> Select[datetime]:
    """When every request without a place is to be rung between two instants, but for one."""
    place = select(ContactWindow.id).where(
        ContactWindow.request_id == CallbackRequest.id, ContactWindow.place.is_not(None)
    )
    rung_at = func.coalesce(PlanEntry.starts_at, CallbackRequest.ring_from)
    return (
        select(rung_at)
        .select_from(CallbackRequest)
        .outerjoin(PlanEntry, PlanEntry.request_id == CallbackRequest.id)
        .where(
            CallbackRequest.state != RequestState.CLOSED,
            rung_at >= bindparam("start"),
            rung_at < bindparam("end"),
            CallbackRequest.id != bindparam("asking"),
            ~place.exists(),
        )
    )


def able_staff(session: Session, wished: Wishes) -> frozenset[int]:
    """The ids of those who speak the language and are the gender that is wished for."""
    skills = skills_of_staff(session)
    wanted = [skill_wished(wished, kind) for kind in _by_skill(wished)]
    return frozenset(
        staff_id for staff_id, own in skills.items() if all(has(own, one) for one in wanted)
    )


def _by_skill(wished: Wishes) -> list[WishKind]:
    """The wishes that some of the staff can meet at any time, not one person."""
    return [kind for kind in wished.kinds() if kind is not WishKind.COUNSELLOR]


def room_for_wishes(
    session: Session, windows: list[Window], wished: Wishes, *, tz: tzinfo
) -> list[Window]:
    """Those of ``windows`` in which whoever is wished for has room beside others who wish alike."""
    if not windows or not _by_skill(wished):
        return windows
    capacity = capacity_of(session, windows, tz=tz, wished=wished)
    alike = [
        column == value
        for column, value in (
            (CallbackRequest.wish_language, wished.language),
            (CallbackRequest.wish_gender, wished.gender),
        )
        if value is not None
    ]
    sold = dict(
        session.execute(
            select(ContactWindow.starts_at, func.count())
            .join(CallbackRequest, CallbackRequest.id == ContactWindow.request_id)
            .where(
                ContactWindow.place.is_not(None),
                ContactWindow.starts_at >= windows[0].start,
                or_(*alike),
            )
            .group_by(ContactWindow.starts_at)
        ).all()
    )
    return [window for window in windows if capacity[window] > sold.get(window.start, 0)]


def check_room_for_wishes(session: Session, window: Window, wished: Wishes, *, tz: tzinfo) -> None:
    """Raise WindowGone where those wished for have no room; of two who wish alike one is first."""
    kinds = _by_skill(wished)
    if not kinds:
        return
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        lock = WISHES_LOCK + int(window.start.timestamp())
        session.execute(select(func.pg_advisory_xact_lock(lock)))
    if not room_for_wishes(session, [window], wished, tz=tz):
        whom = " and ".join(in_words(wished, kind) for kind in kinds)
        sentence = f"At that time we cannot promise {whom}. Choose another"
        raise WindowGone(sentence, {"when": sentence})
