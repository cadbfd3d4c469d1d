"""One run of the rule of ``domain.planning``, from instant to instant at which something is new.

It works on columns of numbers (``domain.plan_facts``), since a plan of a hundred thousand requests
is to take less than half a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from heapq import heappop, heappush, heapreplace
from typing import Final

from callback_service.domain.plan_facts import NOBODY, PLACE, PLACES, Facts
from callback_service.domain.plan_hands import Hands
from callback_service.domain.plan_prices import Prices
from callback_service.domain.plan_queue import NO_KEY, Queue
from callback_service.domain.plan_singles import Singles

#: Puts an urgent task before every other: seconds, more than any two ranks lie apart.
URGENT: Final = -(10**12)
#: The counsellor planned last is kept while free this soon after the first who could take it.
KEEP_SECONDS: Final = 30 * 60


class Run:
    """The plan it makes: ``places`` of tasks, who takes each (``persons``), when (``starts``)."""

    def __init__(self, facts: Facts, *, cap: int, prices: Prices | None = None) -> None:
        people = facts.people
        self.places: list[int] = []
        self.persons: list[int] = []
        self.starts: list[int] = []
        self.facts = facts
        self.queue = Queue(facts, cap=cap, prices=prices)
        self._able, self._planned_for = facts.able, facts.tasks.planned_for
        self._is_planned = self._planned_for.count(NOBODY) < len(self._planned_for)
        self._first = [0] * len(facts.able)  # classes before it have nobody left at this instant
        self.calls, self.free_at = list(people.calls), list(people.free_at)
        self._spans = [list(spans) for spans in people.spans]
        self.until = [-1] * len(people.classes)  # the end of the shift they are on, for starts
        self._is_idle = [False] * len(people.classes)
        self._idle_count = 0
        #: Calls and person, by class: the fewest calls last.
        self._idle: list[list[int]] = [[] for _ in facts.kinds_of]
        #: Who comes free when, for all who are not idle; and those instants, as a heap.
        self.busy: dict[int, list[int]] = {}
        for person, at in enumerate(self.free_at):
            self.busy.setdefault(at, []).append(person)
        self.instants = sorted(self.busy)

    def run(self) -> Run:
        """Plan all there is to plan."""
        singles = Singles(self)
        while True:
            singles.serve()
            if (at := self._next()) is None:
                return self
            kinds = self._come_free(at) | self.queue.release(at)
            if kinds and self._idle_count and self.queue.count:
                self._serve(at, kinds)

    def lateness(self) -> Iterator[int]:
        """Seconds that each task of the plan is late."""
        dues = self.facts.tasks.dues
        planned = zip(self.places, self.starts, strict=True)
        return (at - dues[place] for place, at in planned if at > dues[place])

    def _next(self) -> int | None:
        """The next instant at which a task might be given to somebody."""
        instants, coming = self.instants, self.queue.coming
        if coming and self._idle_count:
            released = self.queue.next_release
            if not instants or released < instants[0]:
                return released
        return instants[0] if instants and (coming or self.queue.count) else None

    def _come_free(self, at: int) -> frozenset[int]:
        """Let those be idle who are free at ``at``; the kinds of task they may take."""
        if not self.instants or self.instants[0] != at:
            return frozenset()
        heappop(self.instants)
        is_idle, until, class_of = self._is_idle, self.until, self.facts.people.classes
        free_at, calls = self.free_at, self.calls
        came: dict[int, list[int]] = defaultdict(list)
        for person in self.busy.pop(at):
            if free_at[person] != at or is_idle[person]:
                continue  # planned for something else meanwhile
            if at <= until[person] or self.is_on_shift(person, at):
                is_idle[person] = True
                came[class_of[person]].append(calls[person] << PLACES | person)
        for one, entries in came.items():
            self._idle[one] += entries
            self._idle[one].sort(reverse=True)
            self._idle_count += len(entries)
        return frozenset().union(*[self.facts.kinds_of[one] for one in came])

    def _put_back(self, person: int) -> None:
        """Let somebody wait for a task again who was taken last."""
        class_of = self.facts.people.classes[person]
        self._idle[class_of].append(self.calls[person] << PLACES | person)
        self._is_idle[person] = True
        self._idle_count += 1

    def is_on_shift(self, person: int, at: int) -> bool:
        """Whether a call may start at ``at``; else they are busy until one may."""
        spans = self._spans[person]
        while spans and spans[-1][1] < at:
            spans.pop()
        if not spans:
            return False
        starts, self.until[person] = spans[-1]
        if starts > at:
            self._busy_until(person, starts)
        return starts <= at

    def _busy_until(self, person: int, at: int) -> None:
        self.free_at[person] = at
        if (others := self.busy.get(at)) is not None:
            others.append(person)
        else:
            self.busy[at] = [person]
            heappush(self.instants, at)

    def _serve(self, at: int, kinds: Collection[int]) -> None:
        """Give waiting tasks of ``kinds``, by rank, to those who are idle."""
        queue, hands = self.queue, Hands(self, at)
        kept: list[int] = []
        kind_of, planned_for = self.facts.tasks.kinds, self._planned_for
        is_planned = self._is_planned
        for kind in kinds:
            self._first[kind] = 0
        heads = queue.heads(at, kinds)
        while heads and self._idle_count:
            place = heads[0] & PLACE
            kind = kind_of[place]
            if (
                is_planned
                and planned_for[place] != NOBODY
                and self.keeps(place, kind, at)
                and self._is_somebody_idle(kind, at)
            ):
                kept.append(heads[0] + queue.lift[kind])
            elif not self._place(place, kind, hands):
                heappop(heads)  # who may take this kind has something, and cannot change
                continue
            if (following := queue.advance(kind, at)) == NO_KEY:
                heappop(heads)
            else:
                heapreplace(heads, following)
        left = [key for key in kept if not self._place(key & PLACE, kind_of[key & PLACE], hands)]
        self._begin(hands)
        for key in left:
            self._keep(key, at)

    def _place(self, place: int, kind: int, hands: Hands) -> bool:
        """Give a task to somebody idle, if need be by letting others of this instant change."""
        at, able, person = hands.at, self._able[kind], None
        if self._is_planned and self._planned_for[place] != NOBODY:
            person = self._planned_idle(place, kind, at)
        first = self._first[kind]
        while person is None and first < len(able):
            if not self._idle[able[first]] or (person := self.take_idle(able[first], at)) is None:
                self._first[kind] = first = first + 1  # nobody comes back to it at an instant
        if person is None and self._idle_count:
            person = hands.free_by_changes(kind)
        if person is None:
            return False
        self.places.append(place)
        self.persons.append(person)
        return True

    def _is_somebody_idle(self, kind: int, at: int) -> bool:
        """Whether a task could be begun now; where it could not, there is no need to keep it."""
        for class_of in self.facts.able[kind]:
            if (person := self.take_idle(class_of, at)) is not None:
                self._put_back(person)
                return True
        return False

    def _planned_idle(self, place: int, kind: int, at: int) -> int | None:
        """Take who was planned for the task in the last plan, where they are idle and able."""
        person = self.facts.tasks.planned_for[place]
        if not self._is_idle[person] or at > self.until[person]:
            return None
        if self.facts.people.classes[person] not in self.facts.able[kind]:
            return None
        self._is_idle[person] = False
        self._idle_count -= 1
        return person

    def take_idle(self, class_of: int, at: int) -> int | None:
        """Take the idle person of a class with the fewest calls; those whose shift is over go."""
        idle = self._idle[class_of]
        while idle:
            entry = idle.pop()
            person = entry & PLACE
            if self._is_idle[person] and entry >> PLACES == self.calls[person]:
                self._is_idle[person] = False
                self._idle_count -= 1
                if at <= self.until[person] or self.is_on_shift(person, at):
                    return person
        return None

    def _begin(self, hands: Hands) -> None:
        """Let the calls begin that have been placed at this instant."""
        at, first, lengths, calls = hands.at, hands.first, self.facts.tasks.lengths, self.calls
        busy, free_at = self.busy, self.free_at
        begun = len(self.places) - first
        self.queue.count -= begun
        self.starts += [at] * begun
        for place, person in zip(self.places[first:], self.persons[first:], strict=True):
            calls[person] += 1
            free_at[person] = ends = at + lengths[place]
            if ends in busy:
                busy[ends].append(person)
            else:
                busy[ends] = [person]
                heappush(self.instants, ends)

    def keeps(self, place: int, kind: int, at: int) -> bool:
        """Whether the counsellor of the last plan is busy now and free soon enough to be kept."""
        tasks = self.facts.tasks
        person, due = tasks.planned_for[place], tasks.dues[place]
        if not self._is_free_soon(person, kind, at) or tasks.keys[place] >> PLACES < URGENT // 2:
            return False
        return self.free_at[person] <= due or due < at

    def _is_free_soon(self, person: int, kind: int, at: int) -> bool:
        free_at = self.free_at[person]
        return (
            not self._is_idle[person]
            and at < free_at <= at + KEEP_SECONDS
            and self.facts.people.classes[person] in self.facts.able[kind]
            and any(starts <= free_at <= ends for starts, ends in self._spans[person])
        )

    def _keep(self, key: int, at: int) -> None:
        """Leave a task to the counsellor of the last plan, unless they are kept for another."""
        tasks, place = self.facts.tasks, key & PLACE
        person = tasks.planned_for[place]
        if not self._is_free_soon(person, tasks.kinds[place], at):
            self.queue.put_back(key)
            return
        starts = self.free_at[person]
        self.queue.count -= 1
        self.places.append(place)
        self.persons.append(person)
        self.starts.append(starts)
        self.calls[person] += 1
        self._busy_until(person, starts + tasks.lengths[place])
