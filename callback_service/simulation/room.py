"""The windows that can still be promised while a rota is simulated."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain import promises
from callback_service.domain.contact import Window, window_grid
from callback_service.domain.skills import has
from callback_service.domain.wall_time import Span
from callback_service.domain.wishes import Wishes, WishKind, skill_wished
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.scenario import Scenario

#: Windows are chosen up to this far ahead.
CHOOSE_WITHIN: Final = timedelta(hours=48)


class Room:
    """Places in windows, by the rule of the service."""

    def __init__(
        self,
        scenario: Scenario,
        counsellors: Mapping[int, Counsellor],
        open_requests: Mapping[int, Request],
    ) -> None:
        self._scenario, self._counsellors, self._open = scenario, counsellors, open_requests
        self._shifts: dict[datetime, list[tuple[Counsellor, Span]]] = {}

    def rota_changed(self) -> None:
        """What was known of who works then is not so any more."""
        self._shifts.clear()

    def windows(self, now: datetime, wished: Wishes) -> list[Window]:
        """The windows of the next two days with room, for whoever is wished for too."""
        start, tz = now + promises.NOTICE, self._scenario.tz
        grid = list(window_grid(start=start, end=now + CHOOSE_WITHIN, tz=tz))
        sold = Counter(one.promised.start for one in self._open.values() if one.holds_place)
        reserved = self._reserved(grid)
        roomy = [
            one
            for one in grid
            if promises.places(one, self._spans(one), reserved=reserved[one.start])
            > sold[one.start]
        ]
        return [one for one in roomy if self._has_room_for(one, wished, reserved[one.start])]

    def _reserved(self, grid: Collection[Window]) -> Counter[datetime]:
        """Open requests that are planned for a window, by its start, and hold no place."""
        starts = [window.start for window in grid]
        rings = (
            at
            for one in self._open.values()
            if not one.holds_place
            and starts
            and (at := one.planned.start if one.planned else one.ring_from) >= starts[0]
        )
        return Counter(starts[bisect_right(starts, at) - 1] for at in rings)

    def _has_room_for(self, window: Window, wished: Wishes, reserved: int) -> bool:
        """Whether those who are wished for have room beside others who wish alike."""
        kinds = [kind for kind in wished.kinds() if kind is not WishKind.COUNSELLOR]
        if not kinds:
            return True
        alike = sum(
            one.holds_place
            and one.promised.start == window.start
            and any(
                kind in one.wishes.kinds() and one.wishes.need_of(kind) == wished.need_of(kind)
                for kind in kinds
            )
            for one in self._open.values()
        )
        able = self._spans(window, wished, kinds)
        return promises.places(window, able, reserved=reserved) > alike

    def _spans(
        self, window: Window, wished: Wishes | None = None, kinds: Collection[WishKind] = ()
    ) -> list[Span]:
        """The shifts that touch a window, of those who meet what is wished."""
        if window.start not in self._shifts:
            self._shifts[window.start] = [
                (one, (shift.start, shift.end))
                for one in self._counsellors.values()
                for shift in one.shifts
                if shift.start < window.end and shift.end > window.start
            ]
        return [
            span
            for one, span in self._shifts[window.start]
            if wished is None or all(has(one.skills, skill_wished(wished, kind)) for kind in kinds)
        ]
