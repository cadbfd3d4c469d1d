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

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final, NamedTuple

from callback_service.domain.plan_state import Kind, Person, Placed, Waiting

#: One call with its notes, until lengths are measured (source: docs/design.md, "Defaults").
CALL_LENGTH: Final = timedelta(minutes=30)
#: No call starts this close to the end of a shift (source: docs/planning.md, "Shift ends").
HANDOVER_MARGIN: Final = timedelta(minutes=20)
#: A missed request ranks as if it were due this much later, so that it cannot drag others with it.
MISSED_CAP: Final = timedelta(minutes=60)
#: How much later than the least possible the latest may be, so that more are kept.
CAP_ROOM: Final = 2.5
#: The counsellor planned last is kept while free this soon after the first who could take it.
KEEP_WITHIN: Final = timedelta(minutes=15)
#: An offer is put to a counsellor this long before the planned time.
OFFER_LEAD: Final = timedelta(minutes=2)
OFFER_LEASE: Final = timedelta(minutes=5)

#: Puts an urgent task before every other: seconds, more than any two ranks lie apart.
_URGENT: Final = -(10**12)
_CALL_SECONDS: Final = round(CALL_LENGTH.total_seconds())
_KEEP_FOR: Final = round(KEEP_WITHIN.total_seconds())


@dataclass(frozen=True, slots=True)
class Task:
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
    """One counsellor: duty ``spans`` (start, end) in order, and the instant they are next free."""

    counsellor_id: int
    free_at: datetime
    spans: tuple[tuple[datetime, datetime], ...]
    calls_taken: int = 0
    skills: frozenset[str] = frozenset()


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
    be, about; none is strict earliest due date, which is least late in all and keeps fewest. Unless
    given it is ``MISSED_CAP``, doubled while less than CAP_ROOM times what cannot be helped.
    ``margin`` is how long before the end of a shift calls stop to begin. Times are taken to the
    second. Cost O((N + M) log N) for N tasks and M counsellors, while the kinds of needs asked for
    are few.
    """
    known, people = list(tasks), list(counsellors)
    if cap is not None:
        return _Plan(known, people, now, cap, margin).run()
    strict = _Plan(known, people, now, timedelta(0), margin)
    planned = strict.run()
    if not strict.worst:
        return planned  # nobody is late, so there is nothing to weigh
    cap = MISSED_CAP
    while cap < CAP_ROOM * timedelta(seconds=strict.worst):
        cap *= 2
    return _Plan(known, people, now, cap, margin).run()


def _entry(head: Waiting, kind: Kind) -> tuple[int, int, Waiting, Kind]:
    """The head of a kind for a heap of such: the lowest rank first, then the older request."""
    return -head[0], -head[1], head, kind


class _Plan:
    """One run of the rule, from one instant to the next at which somebody or something is new."""

    def __init__(
        self,
        tasks: list[Task],
        counsellors: list[Availability],
        now: datetime,
        cap: timedelta,
        margin: timedelta,
    ) -> None:
        self._now, self._tasks = now, tasks
        self._cap = round(cap.total_seconds())
        self._planned: list[Planned] = []
        self._waiting = self._idle_count = 0
        self.worst = 0  # how late the latest is, in seconds
        self._add_people(tasks, counsellors, round(margin.total_seconds()))
        self._add_tasks(tasks)

    def _second(self, at: datetime) -> int:
        return round((at - self._now).total_seconds())

    def _add_people(self, tasks: list[Task], counsellors: list[Availability], margin: int) -> None:
        """Put people into classes: those whom no task tells apart are of one."""
        asked = frozenset[str]().union(*{task.needs for task in tasks})
        named = frozenset[int]().union(*{task.avoid for task in tasks})
        numbers: dict[tuple[frozenset[str], int | None], int] = {}
        self._people: dict[int, Person] = {}
        for one in sorted(counsellors, key=lambda one: one.counsellor_id):
            own_id = one.counsellor_id if one.counsellor_id in named else None
            class_of = numbers.setdefault((one.skills & asked, own_id), len(numbers))
            spans = [(self._second(start), self._second(end) - margin) for start, end in one.spans]
            spans = [span for span in reversed(spans) if span[0] <= span[1]]
            person = self._people[one.counsellor_id] = Person(
                one.counsellor_id, one.calls_taken, spans, class_of
            )
            person.free_at = max(self._second(one.free_at), 0)
        self._classes = list(numbers)
        self._idle: list[list[tuple[int, int, Person]]] = [[] for _ in numbers]
        self._busy = [(one.free_at, one.calls, one.id) for one in self._people.values()]
        heapify(self._busy)

    def _add_tasks(self, tasks: list[Task]) -> None:
        self._kinds: dict[tuple[frozenset[str], frozenset[int]], Kind] = {}
        self._kinds_of: list[list[Kind]] = [[] for _ in self._classes]
        self._coming: list[tuple[int, int, Kind]] = []
        for place, task in enumerate(tasks):
            kind = self._kinds.get((task.needs, task.avoid))
            if kind is None:
                kind = self._add_kind(task)
            if kind.able:
                self._coming.append((self._second(task.release), place, kind))
        self._coming.sort(key=lambda one: one[:2], reverse=True)

    def _add_kind(self, task: Task) -> Kind:
        able = [
            number
            for number, (skills, own_id) in enumerate(self._classes)
            if task.needs <= skills and own_id not in task.avoid
        ]
        able.sort(key=lambda number: (len(self._classes[number][0]), number))
        kind = self._kinds[task.needs, task.avoid] = Kind(able)
        for number in able:
            self._kinds_of[number].append(kind)
        return kind

    def run(self) -> list[Planned]:
        """Plan all there is to plan."""
        while (at := self._next()) is not None:
            kinds = self._come_free(at) | self._release(at)
            for kind in kinds:
                kind.first = 0
            self._serve(at, kinds)
        return self._planned

    def _next(self) -> int | None:
        """The next instant at which a task might be given to somebody."""
        busy, coming = self._busy, self._coming
        if coming and self._idle_count and (not busy or coming[-1][0] < busy[0][0]):
            return max(coming[-1][0], 0)
        return busy[0][0] if busy and (coming or self._waiting) else None

    def _come_free(self, at: int) -> set[Kind]:
        """Let those be idle who are free at ``at``; the kinds of task they may take."""
        busy, kinds = self._busy, set[Kind]()
        while busy and busy[0][0] == at:
            person = self._people[heappop(busy)[2]]
            if person.is_idle or person.free_at != at:
                continue  # planned for something else meanwhile
            starts = person.ready_from(at)
            if starts == at:
                person.is_idle = True
                self._idle_count += 1
                heappush(self._idle[person.class_of], (person.calls, person.id, person))
                kinds.update(self._kinds_of[person.class_of])
            elif starts is not None:
                self._busy_until(person, starts)
        return kinds

    def _busy_until(self, person: Person, at: int) -> None:
        person.free_at = at
        heappush(self._busy, (at, person.calls, person.id))

    def _release(self, at: int) -> set[Kind]:
        """Let those tasks wait that may be rung from ``at`` on; their kinds."""
        coming, fresh = self._coming, dict[Kind, list[Waiting]]()
        while coming and coming[-1][0] <= at:
            _, place, kind = coming.pop()
            fresh.setdefault(kind, []).append(self._as_waiting(self._tasks[place], place))
            self._waiting += 1
        for kind, several in fresh.items():
            kind.add(several)
        return set(fresh)

    def _as_waiting(self, task: Task, place: int) -> Waiting:
        rank = self._second(task.target)
        due = rank if task.due is None else self._second(task.due)
        return -(rank + _URGENT if task.is_urgent else rank), -task.request_id, due, place

    def _serve(self, at: int, kinds: Collection[Kind]) -> None:
        """Give waiting tasks of ``kinds``, by rank, to those who are idle."""
        cap = self._cap
        heads = [_entry(head, kind) for kind in kinds if (head := kind.head(at, cap))]
        heapify(heads)
        placed: dict[int, list[Placed]] = {}
        kept: list[tuple[int, Kind, Person]] = []
        while heads and self._idle_count:
            head, kind = heads[0][2:]
            if planned := self._keeps(head, kind, at):
                kept.append((head[3], kind, planned))
            elif not self._place(head[3], kind, at, placed):
                heappop(heads)  # who may take this kind has something, and cannot change
                continue
            kind.take(head)
            following = kind.head(at, cap)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, _entry(following, kind))
        for place, kind, planned in kept:
            self._keep(place, kind, planned, at, placed)
        starts = self._now + timedelta(seconds=at)
        for several in placed.values():
            for one in several:
                self._plan(one.place, one.person, at, starts)

    def _place(self, place: int, kind: Kind, at: int, placed: dict[int, list[Placed]]) -> bool:
        """Give a task to somebody idle, if need be by letting others of this instant change."""
        person = self._best_idle(kind, self._tasks[place].planned_for, at)
        if person is None:
            person = self._free_by_changes(kind, at, placed)
        if person is None:
            return False
        self._take(person)
        placed.setdefault(person.class_of, []).append(Placed(place, kind, person))
        return True

    def _take(self, person: Person) -> None:
        person.is_idle = False
        self._idle_count -= 1

    def _best_idle(self, kind: Kind, planned_for: int | None, at: int) -> Person | None:
        """Who of the idle is to take a task: who was planned for it, else the least skilled."""
        if planned_for is not None:
            person = self._people.get(planned_for)
            is_able = person is not None and person.class_of in kind.able_set
            if person and is_able and person.is_idle and person.ready_from(at) == at:
                return person
        while kind.first < len(kind.able):
            person = self._first_idle(kind.able[kind.first], at)
            if person is not None:
                return person
            kind.first += 1  # of a class that has nobody left nobody comes back at this instant
        return None

    def _first_idle(self, class_of: int, at: int) -> Person | None:
        """The idle person of a class with the fewest calls; those whose shift is over go."""
        idle = self._idle[class_of]
        while idle:
            calls, _, person = idle[0]
            if person.is_idle and calls == person.calls:
                starts = person.ready_from(at)
                if starts == at:
                    return person
                self._take(person)
                if starts is not None:
                    self._busy_until(person, starts)
            heappop(idle)
        return None

    def _free_by_changes(
        self, kind: Kind, at: int, placed: dict[int, list[Placed]]
    ) -> Person | None:
        """Somebody able, freed by tasks of this instant that change hands; None if that cannot be.

        The shortest chain: a task goes to somebody idle, whose place the next one takes, and so on.
        """
        came_by: dict[int, tuple[int, Placed] | None] = dict.fromkeys(kind.able)
        queue = [number for number in kind.able if number in placed]
        for number in queue:
            for one in {one.kind: one for one in placed[number]}.values():
                for other in one.kind.able:
                    if other in came_by:
                        continue
                    came_by[other] = number, one
                    person = self._first_idle(other, at)
                    if person is not None:
                        return self._change_hands(other, person, came_by, placed)
                    if other in placed:
                        queue.append(other)
        return None

    def _change_hands(
        self,
        number: int,
        person: Person,
        came_by: dict[int, tuple[int, Placed] | None],
        placed: dict[int, list[Placed]],
    ) -> Person:
        """Move each task of a chain to the person who is free for it; who is free at its end."""
        self._take(person)
        while (step := came_by[number]) is not None:
            before, one = step
            placed[before].remove(one)
            placed.setdefault(number, []).append(one)
            one.person, person = person, one.person
            number = before
        person.is_idle = True  # until the caller takes them
        self._idle_count += 1
        return person

    def _keeps(self, head: Waiting, kind: Kind, at: int) -> Person | None:
        """The counsellor of the last plan, where busy now and free soon enough to be kept."""
        planned_for = self._tasks[head[3]].planned_for
        if planned_for is None:
            return None
        person = self._people.get(planned_for)
        if person is None or head[0] > _URGENT // -2 or not self._is_free_soon(person, kind, at):
            return None
        return person if person.free_at <= head[2] or head[2] < at else None

    def _is_free_soon(self, person: Person, kind: Kind, at: int) -> bool:
        return (
            not person.is_idle
            and at < person.free_at <= at + _KEEP_FOR
            and person.class_of in kind.able_set
            and person.ready_from(person.free_at) == person.free_at
        )

    def _keep(
        self, place: int, kind: Kind, planned: Person, at: int, placed: dict[int, list[Placed]]
    ) -> None:
        """Leave a task to the counsellor of the last plan, unless somebody else would be idle."""
        if self._place(place, kind, at, placed):
            return
        if self._is_free_soon(planned, kind, at):
            starts = planned.free_at
            self._plan(place, planned, starts, self._now + timedelta(seconds=starts))
        else:  # they are kept for another one already
            task = self._tasks[place]
            kind.add([self._as_waiting(task, place)])

    def _plan(self, place: int, person: Person, at: int, starts: datetime) -> None:
        task = self._tasks[place]
        self._planned.append(Planned(task.request_id, person.id, starts))
        self._waiting -= 1
        due = task.target if task.due is None else task.due
        if starts > due:
            self.worst = max(self.worst, round((starts - due).total_seconds()))
        person.calls += 1
        length = task.length
        seconds = _CALL_SECONDS if length is CALL_LENGTH else round(length.total_seconds())
        self._busy_until(person, at + seconds)
