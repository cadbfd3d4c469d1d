"""What may be promised: windows the rota has room for, and a time for "as soon as you can"."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import promises as rules
from callback_service.domain import quotes
from callback_service.domain.contact import Window, window_grid
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.quotes import Forecast
from callback_service.domain.rota import Duty
from callback_service.domain.skills import has
from callback_service.domain.wishes import NO_WISHES, Wishes, WishKind, in_words, skill_wished
from callback_service.errors import WindowGone
from callback_service.models.callback import CallbackRequest, ContactWindow
from callback_service.models.plan import PlanEntry
from callback_service.services.learning import learned_z
from callback_service.services.planning import forecast_newcomer
from callback_service.services.rota import Proposal, shifts_between
from callback_service.services.staff_skills import skills_of_staff

#: Callers who wish alike for one window come one at a time; any number, plus the window's second.
WISHES_LOCK = 7_702_026 << 40


@dataclass(frozen=True, slots=True)
class Quote:
    """The time to promise, and what the plan foresaw; None if it holds nobody to keep it."""

    due_at: datetime
    forecast: Forecast | None

    @property
    def is_staffed(self) -> bool:
        """Whether the plan holds somebody to keep it."""
        return self.forecast is not None


def windows_with_room(
    session: Session, *, wished: Wishes = NO_WISHES, now: datetime, tz: tzinfo
) -> list[Window]:
    """The windows that can still be promised, soonest first; where those wished for have room."""
    start, end = now + rules.NOTICE, now + rules.HORIZON
    grid = list(window_grid(start=start, end=end, tz=tz))
    capacity = _capacity(session, grid, tz=tz)
    sold = Counter(
        dict(
            session.execute(
                select(ContactWindow.starts_at, func.count())
                .where(ContactWindow.place.is_not(None), ContactWindow.starts_at >= start)
                .group_by(ContactWindow.starts_at)
            ).all()
        )
    )
    roomy = [window for window, places in capacity.items() if places > sold[window.start]]
    return room_for_wishes(session, roomy, wished, tz=tz)


@dataclass(frozen=True, slots=True)
class Oversold:
    """A window that is promised more often than a changed rota has room for."""

    window: Window
    promised: int
    places: int


def oversold_by(
    session: Session, proposed: Collection[Proposal], start: datetime, end: datetime, *, tz: tzinfo
) -> list[Oversold]:
    """The promised windows in ``[start, end)`` that the proposal would leave too little room."""
    rows = session.execute(
        select(ContactWindow.starts_at, ContactWindow.due_at, func.count())
        .where(
            ContactWindow.place.is_not(None),
            ContactWindow.starts_at < end,
            ContactWindow.due_at > start,
        )
        .group_by(ContactWindow.starts_at, ContactWindow.due_at)
        .order_by(ContactWindow.starts_at)
    ).all()
    windows = [Window(start, end) for start, end, _ in rows]
    before = _capacity(session, windows, tz=tz)
    after = _capacity(session, windows, tz=tz, proposed=proposed)
    return [
        Oversold(window, promised, after[window])
        for window, (*_, promised) in zip(windows, rows, strict=True)
        if after[window] < min(promised, before[window])
    ]


def _capacity(
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
    touching: defaultdict[Window, list[tuple[datetime, datetime]]] = defaultdict(list)
    shifts = shifts_between(
        session,
        windows[0].start,
        windows[-1].end,
        tz=tz,
        duty=Duty.COUNSELLING,
        proposed=proposed,
    )
    staffed = sorted(
        (shift.start, shift.end)
        for shift in shifts
        if shift.person is not None and (able is None or shift.person.id in able)
    )
    first = 0
    for start, end in staffed:
        while first < len(windows) and windows[first].end <= start:
            first += 1
        for window in windows[first:]:
            if window.start >= end:
                break
            touching[window].append((start, end))
    reserved = _reserved(session, windows, asking)
    return {
        window: rules.places(window, touching[window], reserved=reserved[window.start])
        for window in windows
    }


def _reserved(session: Session, windows: list[Window], asking: int | None) -> Counter[datetime]:
    """How many other open requests are to be rung in each window, by its start, without a place.

    When the plan has them rung: who waits for "as soon as you can" in a long queue is ahead of
    whoever chooses a window in it now.
    """
    place = select(ContactWindow.id).where(
        ContactWindow.request_id == CallbackRequest.id, ContactWindow.place.is_not(None)
    )
    rung_at = func.coalesce(PlanEntry.starts_at, CallbackRequest.ring_from)
    rings = session.scalars(
        select(rung_at)
        .select_from(CallbackRequest)
        .outerjoin(PlanEntry, PlanEntry.request_id == CallbackRequest.id)
        .where(
            CallbackRequest.state != RequestState.CLOSED,
            rung_at >= windows[0].start,
            rung_at < windows[-1].end,
            CallbackRequest.id != (asking or 0),
            ~place.exists(),
        )
    )
    starts = [window.start for window in windows]
    within = ((windows[bisect_right(starts, at) - 1], at) for at in rings)
    return Counter(window.start for window, at in within if at < window.end)


def check_window(window: Window, *, now: datetime, tz: tzinfo) -> None:
    """Raise WindowGone unless ``window`` is one of those we offer, and still to come."""
    earliest = now + rules.NOTICE / 2  # half: the page was read meanwhile
    if window not in set(window_grid(start=earliest, end=now + rules.HORIZON, tz=tz)):
        raise WindowGone(
            "That time has just gone. Choose another", {"when": "That time has just gone"}
        )


def hold_place(
    session: Session,
    window: Window,
    *,
    request_id: int,
    submission_id: int,
    wished: Wishes = NO_WISHES,
    tz: tzinfo,
) -> ContactWindow:
    """Promise ``window`` to a submission; WindowGone if it, or whoever is wished for, has no room.

    The unique index decides between two callers who reach for the same place. A request that
    holds a place of this window already needs no second one.
    """
    capacity = _capacity(session, [window], tz=tz, asking=request_id)[window]
    taken = dict(
        session.execute(
            select(ContactWindow.place, ContactWindow.request_id).where(
                ContactWindow.starts_at == window.start, ContactWindow.place.is_not(None)
            )
        ).all()
    )
    if request_id not in taken.values():
        _check_room_for_wishes(session, window, wished, tz=tz)
    free: list[int | None] = [place for place in range(1, capacity + 1) if place not in taken]
    del free[max(capacity - len(taken), 0) :]  # what shrank may hold more than it has room for
    for place in [None] if request_id in taken.values() else free:
        held = ContactWindow(
            request_id=request_id,
            submission_id=submission_id,
            is_window=True,
            starts_at=window.start,
            due_at=window.end,
            place=place,
        )
        try:
            with session.begin_nested():
                session.add(held)
        except IntegrityError:
            continue
        return held
    raise WindowGone(
        "That time has just been taken. Choose another", {"when": "That time has just been taken"}
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
    capacity = _capacity(session, windows, tz=tz, wished=wished)
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


def _check_room_for_wishes(session: Session, window: Window, wished: Wishes, *, tz: tzinfo) -> None:
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


def quote_as_soon_as_possible(
    session: Session, *, wished: Wishes = NO_WISHES, now: datetime, tz: tzinfo
) -> Quote:
    """What to promise for "as soon as you can": never ahead of an older promise.

    Of the wishes only the language counts here: the others are widened in time to keep any promise.
    """
    latest = _latest_open_promise(session, wished)
    forecast = forecast_newcomer(
        session,
        latest_open_promise=latest,
        wished=Wishes(wished.language),
        now=now,
        tz=tz,
    )
    due = quotes.promise(forecast, z=learned_z(session), latest_open_promise=latest, now=now)
    return Quote(due, forecast)


def _latest_open_promise(session: Session, wished: Wishes) -> datetime | None:
    """The latest promise a newcomer is held back by (``wishes.is_held_back_by``, as a query)."""
    language = CallbackRequest.wish_language
    alike = [language.is_(None), *([language == wished.language] if wished.language else [])]
    return session.scalar(
        select(func.max(ContactWindow.due_at))
        .join(CallbackRequest, CallbackRequest.id == ContactWindow.request_id)
        .where(
            ContactWindow.is_window.is_(False),
            ContactWindow.ended_at.is_(None),
            CallbackRequest.state == RequestState.WAITING,
            CallbackRequest.first_attempt_at.is_(None),
            or_(*alike),
        )
    )
