"""Windows that may be promised: the rota has room for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from callback_service.domain import promises as rules
from callback_service.domain.contact import Window, window_grid
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.errors import WindowGone
from callback_service.models.callback import ContactWindow
from callback_service.services import plain_rows
from callback_service.services.rota import Proposal
from callback_service.services.window_room import (
    capacity_of,
    check_room_for_wishes,
    room_for_wishes,
)


def windows_with_room(
    session: Session, *, wished: Wishes = NO_WISHES, now: datetime, tz: tzinfo
) -> list[Window]:
    """The windows that can still be promised, soonest first; where those wished for have room."""
    start, end = now + rules.NOTICE, now + rules.HORIZON
    grid = list(window_grid(start=start, end=end, tz=tz))
    capacity = capacity_of(session, grid, tz=tz)
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
    before = capacity_of(session, windows, tz=tz)
    after = capacity_of(session, windows, tz=tz, proposed=proposed)
    return [
        Oversold(window, promised, after[window])
        for window, (*_, promised) in zip(windows, rows, strict=True)
        if after[window] < min(promised, before[window])
    ]


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
) -> None:
    """Promise ``window`` to a submission; WindowGone if it, or whoever is wished for, has no room.

    The unique index decides between two callers who reach for the same place. A request that
    holds a place of this window already needs no second one.
    """
    for place in _free_places(session, window, request_id, wished, tz=tz):
        held = {
            "request_id": request_id,
            "submission_id": submission_id,
            "is_window": True,
            "starts_at": window.start,
            "due_at": window.end,
            "place": place,
        }
        if plain_rows.put_if_new(session, ContactWindow, held):
            return
    raise WindowGone(
        "That time has just been taken. Choose another", {"when": "That time has just been taken"}
    )


def _free_places(
    session: Session, window: Window, request_id: int, wished: Wishes, *, tz: tzinfo
) -> list[int | None]:
    """The places of a window that a request may reach for; None stands for needing none."""
    taken = dict(plain_rows.rows(session, _places_taken(), {"starts_at": window.start}).all())
    if request_id in taken.values():
        return [None]
    capacity = capacity_of(session, [window], tz=tz, asking=request_id)[window]
    check_room_for_wishes(session, window, wished, tz=tz)
    free: list[int | None] = [place for place in range(1, capacity + 1) if place not in taken]
    # A window that shrank may hold more than it has room for.
    return free[: max(capacity - len(taken), 0)]


@cache
def _places_taken() -> Select[int | None, int]:
    return select(ContactWindow.place, ContactWindow.request_id).where(
        ContactWindow.starts_at == bindparam("starts_at"), ContactWindow.place.is_not(None)
    )
