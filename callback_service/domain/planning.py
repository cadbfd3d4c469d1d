"""Who rings whom and when: room in the rota, what may be promised, and the plan for all at once."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.contact import Window

#: One call with its notes, until lengths are measured (source: docs/design.md, "Defaults").
CALL_LENGTH: Final = timedelta(minutes=30)
#: No call starts this close to the end of a shift (source: docs/planning.md, "Shift ends").
HANDOVER_MARGIN: Final = timedelta(minutes=20)
#: A missed request ranks as if it were due this much later, so that it cannot drag others with it.
MISSED_CAP: Final = timedelta(minutes=60)
#: Share of counsellor minutes sold as windows; the rest serves "as soon as you can".
#: Source: docs/planning.md, "Windows".
SOLD_SHARE: Final = 0.7
#: Minutes one request costs on average, retries included, where p = 25% do not answer:
#: (1 + p + p^2) ((1 - p) 30 + 2 p).
MINUTES_PER_REQUEST: Final = 30.2
#: Minutes of a shift's last stretch that cannot be sold.
LOST_AT_SHIFT_END: Final = timedelta(minutes=10)
NOTICE: Final = timedelta(minutes=30)
HORIZON: Final = timedelta(days=14)
#: An offer is put to a counsellor this long before the planned time.
OFFER_LEAD: Final = timedelta(minutes=2)
OFFER_LEASE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Task:
    """One open request: not before ``release``, first attempt planned by ``target``.

    ``avoid`` holds counsellors who have let it go by.
    """

    request_id: int
    release: datetime
    target: datetime
    avoid: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Availability:
    """One counsellor: duty ``spans`` (start, end) in order, and the instant they are next free."""

    counsellor_id: int
    free_at: datetime
    spans: tuple[tuple[datetime, datetime], ...]
    calls_taken: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """The forecast for one request."""

    request_id: int
    counsellor_id: int
    start: datetime


def make_plan(
    tasks: Iterable[Task], counsellors: Iterable[Availability], *, now: datetime
) -> list[Planned]:
    """A counsellor and a time for every task the rota can serve. The same facts, the same plan.

    Modified due date rule (source: docs/planning.md, "Order"): who comes free takes the
    released task of the earliest key; the key is its target while that can be kept, and target +
    MISSED_CAP once it is missed. Tasks nobody can serve within the given spans are left out.
    Cost O((N + M) log N) for N tasks and M counsellors, while few tasks are avoided.
    """
    return _Plan(tasks, counsellors, now).run()


class _Plan:
    """One run of the rule: heaps of tasks by state, and of counsellors by when they are free."""

    def __init__(
        self, tasks: Iterable[Task], counsellors: Iterable[Availability], now: datetime
    ) -> None:
        self._now = now
        self._unreleased = [(task.release, task.request_id, task) for task in tasks]
        heapq.heapify(self._unreleased)
        self._on_time: list[tuple[datetime, int, Task]] = []
        self._missed: list[tuple[datetime, int, Task]] = []
        self._free = [
            (c.free_at, c.calls_taken, c.counsellor_id, c.spans) for c in counsellors if c.spans
        ]
        heapq.heapify(self._free)

    def run(self) -> list[Planned]:
        planned: list[Planned] = []
        while self._free and (self._unreleased or self._on_time or self._missed):
            free_at, calls, counsellor_id, spans = heapq.heappop(self._free)
            at = max(free_at, spans[0][0], self._now)
            if at > spans[0][1] - HANDOVER_MARGIN:
                self._put_back(at, calls, counsellor_id, spans[1:])
                continue
            if at > free_at:  # others may be free before this one's shift starts
                self._put_back(at, calls, counsellor_id, spans)
                continue
            self._release(at)
            task = self._take(counsellor_id)
            if task is not None:
                planned.append(Planned(task.request_id, counsellor_id, at))
                self._put_back(at + CALL_LENGTH, calls + 1, counsellor_id, spans)
            elif self._unreleased:
                self._put_back(self._unreleased[0][0], calls, counsellor_id, spans)
        return planned

    def _put_back(
        self,
        at: datetime,
        calls: int,
        counsellor_id: int,
        spans: tuple[tuple[datetime, datetime], ...],
    ) -> None:
        if spans:
            heapq.heappush(self._free, (at, calls, counsellor_id, spans))

    def _release(self, at: datetime) -> None:
        while self._unreleased and self._unreleased[0][0] <= at:
            _, request_id, task = heapq.heappop(self._unreleased)
            heapq.heappush(self._on_time, (task.target, request_id, task))
        while self._on_time and self._on_time[0][0] < at:
            target, request_id, task = heapq.heappop(self._on_time)
            heapq.heappush(self._missed, (target + MISSED_CAP, request_id, task))

    def _take(self, counsellor_id: int) -> Task | None:
        """The task of the least key that this counsellor has not let go by."""
        passed_over: list[tuple[list[tuple[datetime, int, Task]], tuple[datetime, int, Task]]] = []
        taken: Task | None = None
        while taken is None and (self._on_time or self._missed):
            source = min(
                (heap for heap in (self._on_time, self._missed) if heap),
                key=lambda heap: heap[0][:2],
            )
            entry = heapq.heappop(source)
            if counsellor_id in entry[2].avoid:
                passed_over.append((source, entry))
            else:
                taken = entry[2]
        for source, entry in passed_over:
            heapq.heappush(source, entry)
        return taken


def target_of(release: datetime, due_at: datetime, *, is_window: bool) -> datetime:
    """The instant the plan aims at: the middle of a window, the due time of anything else.

    Aiming at the middle kept more windows than aiming at the end (docs/planning.md, "Windows").
    """
    return release + (due_at - release) / 2 if is_window else due_at


def quote(expected: datetime, *, latest_open_promise: datetime | None, now: datetime) -> datetime:
    """The time to promise for "as soon as you can", from the time the plan ``expected``.

    Half as long again plus 15 minutes, up to a full five minutes; never earlier than the latest
    promise still open, so that nobody is overtaken (source: docs/planning.md, "Quotes").
    """
    padded = now + 1.5 * (expected - now) + timedelta(minutes=15)
    return round_up(max(padded, latest_open_promise or padded), timedelta(minutes=5))


def round_up(at: datetime, step: timedelta) -> datetime:
    """``at`` rounded up to a whole ``step`` of the clock."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(math.ceil(at.timestamp() / seconds) * seconds, tz=at.tzinfo)


def places(window: Window, shifts: Sequence[tuple[datetime, datetime]]) -> int:
    """How many requests may be promised in ``window``, given the (start, end) of duty shifts."""
    minutes = sum(_sellable(window, start, end).total_seconds() / 60 for start, end in shifts)
    return math.floor(SOLD_SHARE * minutes / MINUTES_PER_REQUEST)


def _sellable(window: Window, start: datetime, end: datetime) -> timedelta:
    usable_end = min(window.end, end - LOST_AT_SHIFT_END)
    return max(usable_end - max(window.start, start), timedelta())
