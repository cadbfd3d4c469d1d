"""The plan: who rings whom and when, for all open requests at once.

The rule is modified due date (docs/planning.md, "Order"): a request ranks by its target while it
can still be kept, and by target + cap once it is missed, so that one that is late cannot drag the
next ones late with it. Urgent requests come before all others. Whoever comes free takes the
released request of the lowest rank that they are able to take; of several who are free the one with
the fewest other skills; and where that leaves only people who cannot take the next one, requests
placed at the same instant change hands. So at each instant the requests of the lowest ranks are
served that can be served together at all.
"""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from callback_service.domain.plan_facts import NOBODY, PLACES, Facts, People, Tasks
from callback_service.domain.plan_prices import Prices
from callback_service.domain.plan_run import URGENT, Run

#: One call with its notes, until lengths are measured (source: docs/design.md, "Defaults").
CALL_LENGTH: Final = timedelta(minutes=30)
#: No call starts this close to the end of a shift (source: docs/planning.md, "Shift ends").
HANDOVER_MARGIN: Final = timedelta(minutes=20)
#: A missed request ranks as if it were due this much later, so that it cannot drag others with it.
MISSED_CAP: Final = timedelta(minutes=60)
#: How much later than the least possible the latest may be, so that more are kept.
CAP_ROOM: Final = 2.5
#: How often a plan that is to be least late in all is made again with what the last one foretells.
ROUNDS: Final = 9
#: An offer is put to a counsellor this long before the planned time.
OFFER_LEAD: Final = timedelta(minutes=2)
OFFER_LEASE: Final = timedelta(minutes=5)

_SECOND: Final = timedelta(seconds=1)


class Task(NamedTuple):  # made of every request that waits, while somebody waits for a quote
    """One open request: not before ``release``, first attempt planned by ``target``.

    It is kept until ``due``, which is ``target`` unless given. ``needs`` are skills that its
    counsellor must have; ``avoid`` holds counsellors who have let it go by; ``planned_for`` is the
    counsellor of the last plan; ``length`` is how long its call takes, notes included.
    """

    request_id: int
    release: datetime
    target: datetime
    avoid: frozenset[int] = frozenset()
    due: datetime | None = None
    needs: frozenset[str] = frozenset()
    is_urgent: bool = False
    planned_for: int | None = None
    length: timedelta = CALL_LENGTH


@dataclass(frozen=True, slots=True)
class Availability:
    """One counsellor: duty ``spans`` (start, end) in order, and the instant they are next free.

    ``has_had_break`` says so of the first of the spans, if it has begun. ``signed_off_until`` is
    set for who is on shift by the rota, and not here.
    """

    counsellor_id: int
    free_at: datetime
    spans: tuple[tuple[datetime, datetime], ...]
    calls_taken: int = 0
    skills: frozenset[str] = frozenset()
    has_had_break: bool = False
    signed_off_until: datetime | None = None


def whom_to_avoid(let_go_by: Set[int], never: Set[int], here: Set[int]) -> frozenset[int]:
    """Whom a request is not for. Once all who are here have let it go by, it is for all again.

    All are ids of counsellors: who let it go by in this round, who knows the caller, who works now.
    """
    again = here <= let_go_by | never
    return frozenset(never if again else let_go_by | never)


class Planned(NamedTuple):
    """The forecast for one request."""

    request_id: int
    counsellor_id: int
    start: datetime


def make_plan(
    tasks: Iterable[Task],
    counsellors: Iterable[Availability],
    *,
    now: datetime,
    cap: timedelta | None = None,
    margin: timedelta = HANDOVER_MARGIN,
) -> list[Planned]:
    """A counsellor and a time for every task the rota can serve. The same facts, the same plan.

    Tasks nobody can serve within the given spans are left out. ``cap`` is how late the latest may
    be, about; none is by due date, which is least late in all and keeps fewest. Unless given it is
    ``MISSED_CAP``, doubled while less than CAP_ROOM times what cannot be helped. ``margin`` is how
    long before the end of a shift calls stop to begin. Times are taken to the second. Cost
    O((N + M) log N) for N tasks and M counsellors, while the kinds of needs asked for are few.
    """
    with _collector_at_rest():  # what is of no more use is gone before it wakes
        return _made(_Reading(tasks, counsellors, now, margin), cap)


def _made(reading: _Reading, cap: timedelta | None) -> list[Planned]:
    if cap is None:
        return reading.as_plan(_most_kept(reading.facts))
    seconds = cap // _SECOND
    run = Run(reading.facts, cap=seconds).run() if seconds else _least_late(reading.facts)
    return reading.as_plan(run)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """No garbage is collected meanwhile: a plan is many small objects, and none in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _most_kept(facts: Facts) -> Run:
    """By modified due date, with a cap that has room for what cannot be helped."""
    strict = Run(facts, cap=0).run()
    worst = max(strict.lateness(), default=0)
    if not worst:
        return strict  # nobody is late, so there is nothing to weigh
    cap = MISSED_CAP // _SECOND
    while cap < CAP_ROOM * worst:
        cap *= 2
    return Run(facts, cap=cap).run()


def _least_late(facts: Facts) -> Run:
    """By due date, with the prices of what is scarce; of all rounds the least late in all.

    The latest is later than by due date alone by no more than one call, so that few do not pay for
    many.
    """
    best = last = Run(facts, cap=0).run()
    least, prices = sum(best.lateness()), Prices(facts)
    worst = max(best.lateness(), default=0) + max(facts.tasks.lengths, default=0)
    for _ in range(ROUNDS if least else 0):
        prices.learn(last)
        last = Run(facts, cap=0, prices=prices).run()
        late = sum(last.lateness())
        if late < least and max(last.lateness(), default=0) <= worst:
            best, least = last, late
    return best


#: People whom no task tells apart: their skills that are asked for, and their id if it is named.
_Class = tuple[frozenset[str], int | None]
_Value = TypeVar("_Value", bound=Hashable)


class _Reading:
    """Facts as numbers, and numbers as a plan."""

    def __init__(
        self,
        tasks: Iterable[Task],
        counsellors: Iterable[Availability],
        now: datetime,
        margin: timedelta,
    ) -> None:
        self._now, self._margin = now, margin
        self._tasks = sorted(tasks, key=attrgetter("request_id"))
        self._people = sorted(counsellors, key=attrgetter("counsellor_id"))
        self._kinds = kinds = dict[tuple[frozenset[str], frozenset[int]], int]()
        self._kind_of = [
            kinds.setdefault((one.needs, one.avoid), len(kinds)) for one in self._tasks
        ]
        self._class_of = self._find_classes()
        self._classes = _numbered(self._class_of)
        able = [self._able(*kind) for kind in self._kinds]
        takes = [
            [kind for kind, of in enumerate(able) if one in of] for one in range(len(self._classes))
        ]
        needs = _numbered(needs for needs, _ in self._kinds)
        self.facts = Facts(
            self._read_tasks(),
            self._read_people(),
            able,
            [frozenset(kinds) for kinds in takes],
            [needs[of] for of, _ in self._kinds],
        )

    def _find_classes(self) -> list[_Class]:
        asked = frozenset[str]().union(*{needs for needs, _ in self._kinds})
        named = frozenset[int]().union(*{avoid for _, avoid in self._kinds})
        return [
            (one.skills & asked, one.counsellor_id if one.counsellor_id in named else None)
            for one in self._people
        ]

    def _able(self, needs: frozenset[str], avoid: frozenset[int]) -> list[int]:
        """The classes that may take a kind, those of fewest skills first."""
        able = [
            (len(skills), number)
            for (skills, own_id), number in self._classes.items()
            if needs <= skills and own_id not in avoid
        ]
        return [number for _, number in sorted(able)]

    def _down(self, times: Iterable[datetime]) -> list[int]:
        """Whole seconds from now; what is over a second is left out."""
        now = self._now
        return [after.days * 86_400 + after.seconds for after in [at - now for at in times]]

    def _up(self, times: Iterable[datetime]) -> list[int]:
        """Whole seconds from now, none before it; what is over a second counts as one."""
        now = self._now
        return [0 if at <= now else -((now - at) // _SECOND) for at in times]

    def _read_tasks(self) -> Tasks:
        tasks = self._tasks
        ranks = dues = self._down([task.target for task in tasks])
        if any(task.is_urgent for task in tasks):
            ranks = [rank + URGENT * tasks[place].is_urgent for place, rank in enumerate(ranks)]
        if any(task.due for task in tasks):
            dues = self._down([task.due or task.target for task in tasks])
        places: dict[int | None, int] = {
            one.counsellor_id: place for place, one in enumerate(self._people)
        }
        return Tasks(
            keys=[rank << PLACES | place for place, rank in enumerate(ranks)],
            kinds=self._kind_of,
            releases=self._up([task.release for task in tasks]),
            dues=dues,
            lengths=_whole_seconds([task.length for task in tasks]),
            planned_for=[places.get(task.planned_for, NOBODY) for task in tasks],
        )

    def _read_people(self) -> People:
        return People(
            classes=[self._classes[of] for of in self._class_of],
            calls=[one.calls_taken for one in self._people],
            free_at=self._up([one.free_at for one in self._people]),
            spans=[self._read_spans(one) for one in self._people],
        )

    def _read_spans(self, one: Availability) -> list[tuple[int, int]]:
        starts = self._up([start for start, _ in one.spans])
        ends = self._down([end - self._margin for _, end in one.spans])
        return [span for span in zip(starts[::-1], ends[::-1], strict=True) if span[0] <= span[1]]

    def as_plan(self, run: Run) -> list[Planned]:
        """What was planned, with the ids and times that were given."""
        starts = {at: self._now + at * _SECOND for at in set(run.starts)}
        ids = [task.request_id for task in self._tasks]
        people = [one.counsellor_id for one in self._people]
        rows = zip(
            map(ids.__getitem__, run.places),
            map(people.__getitem__, run.persons),
            map(starts.__getitem__, run.starts),
            strict=True,
        )
        # As ``Planned._make`` does it, less the calls in between.
        return list(map(partial(tuple.__new__, Planned), rows))


def _whole_seconds(lengths: list[timedelta]) -> list[int]:
    seconds = {length: length // _SECOND for length in set(lengths)}  # few, and often one
    return [seconds[length] for length in lengths]


def _numbered(values: Iterable[_Value]) -> dict[_Value, int]:
    """A number for each value, in the order they come."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}
