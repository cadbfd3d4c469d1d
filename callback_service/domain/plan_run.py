"""One run of the rule of ``domain.planning``, from instant to instant at which something is new.

It works on columns of numbers (``domain.plan_facts``), since a plan of a hundred thousand requests
is to take less than half a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from callback_service.domain.plan_facts import NOBODY, PLACE, PLACES, Facts
from callback_service.domain.plan_hands import Hands
from callback_service.domain.plan_prices import Prices

#: Puts an urgent task before every other: seconds, more than any two ranks lie apart.
URGENT: Final = -(10**12)
#: The counsellor planned last is kept while free this soon after the first who could take it.
KEEP_SECONDS: Final = 15 * 60
_NEVER: Final = 10**12


class Run:
    """The plan it makes: ``places`` of tasks, who takes each (``persons``), when (``starts``)."""

    def __init__(self, facts: Facts, *, cap: int, prices: Prices | None = None) -> None:
        self.places: list[int] = []
        self.persons: list[int] = []
        self.starts: list[int] = []
        self.facts, self._prices = facts, prices
        self._cap = cap << PLACES
        # A task that is missed ranks by the cap from then on, and is not missed again.
        self._missed_at = list(facts.tasks.dues) if cap else [_NEVER] * len(facts.tasks.dues)
        self._add_tasks()
        self._add_people()

    def _add_tasks(self) -> None:
        tasks, able = self.facts.tasks, self.facts.able
        self._kind_of, self._planned_for, self._able = tasks.kinds, tasks.planned_for, able
        self._keys = self._prices.keys if self._prices else tasks.keys
        self._lift = [0] * len(able)  # what the price of a kind takes off its keys
        self._first = [0] * len(able)  # classes before it have nobody left at this instant
        # Keys of those who wait, by kind: of those who do from the first, the lowest last; and a
        # heap of those who came later or are missed.
        self._ready: list[list[int]] = [[] for _ in able]
        self._joined: list[list[int]] = [[] for _ in able]
        for key, kind, release in zip(self._keys, tasks.kinds, tasks.releases, strict=True):
            if not release and able[kind]:
                self._ready[kind].append(key)
        for keys in self._ready:
            keys.sort(reverse=True)
        self._waiting_count = sum(map(len, self._ready))
        self._coming = [
            at << PLACES | place
            for place, at in enumerate(tasks.releases)
            if at and able[tasks.kinds[place]]
        ]
        self._coming.sort(reverse=True)

    def _add_people(self) -> None:
        people = self.facts.people
        self._class_of = people.classes
        self._calls, self._free_at = list(people.calls), list(people.free_at)
        self._spans = [list(spans) for spans in people.spans]
        self._until = [-1] * len(people.classes)  # the end of the shift they are on, for starts
        self._is_idle = [False] * len(people.classes)
        self._idle_count = 0
        self._came_last = NOBODY
        self._idle: list[list[int]] = [[] for _ in self.facts.kinds_of]  # heaps of calls, person
        self._busy: dict[int, list[int]] = {}
        for person, at in enumerate(self._free_at):
            self._busy.setdefault(at, []).append(person)
        self._instants = sorted(self._busy)

    def run(self) -> Run:
        """Plan all there is to plan."""
        while (at := self._next()) is not None:
            kinds = self._come_free(at) | self._release(at)
            if not (kinds and self._idle_count and self._waiting_count):
                continue
            if not self._serve_the_only_one(at, kinds):
                self._serve(at, kinds)
        return self

    def lateness(self) -> Iterator[int]:
        """Seconds that each task of the plan is late."""
        dues = self.facts.tasks.dues
        planned = zip(self.places, self.starts, strict=True)
        return (at - dues[place] for place, at in planned if at > dues[place])

    def _next(self) -> int | None:
        """The next instant at which a task might be given to somebody."""
        instants, coming = self._instants, self._coming
        if coming and self._idle_count:
            released = coming[-1] >> PLACES
            if not instants or released < instants[0]:
                return released
        return instants[0] if instants and (coming or self._waiting_count) else None

    def _come_free(self, at: int) -> frozenset[int]:
        """Let those be idle who are free at ``at``; the kinds of task they may take."""
        if not self._instants or self._instants[0] != at:
            return frozenset()
        heappop(self._instants)
        is_idle, until, classes = self._is_idle, self._until, set[int]()
        for person in self._busy.pop(at):
            if self._free_at[person] != at or is_idle[person]:
                continue  # planned for something else meanwhile
            if at <= until[person] or self._is_on_shift(person, at):
                is_idle[person] = True
                self._idle_count += 1
                class_of = self._class_of[person]
                heappush(self._idle[class_of], self._calls[person] << PLACES | person)
                classes.add(class_of)
                self._came_last = person
        if len(classes) == 1:
            return self.facts.kinds_of[classes.pop()]
        return frozenset().union(*[self.facts.kinds_of[class_of] for class_of in classes])

    def _is_on_shift(self, person: int, at: int) -> bool:
        """Whether a call may start at ``at``; else they are busy until one may."""
        spans = self._spans[person]
        while spans and spans[-1][1] < at:
            spans.pop()
        if not spans:
            return False
        starts, self._until[person] = spans[-1]
        if starts > at:
            self._busy_until(person, starts)
        return starts <= at

    def _busy_until(self, person: int, at: int) -> None:
        self._free_at[person] = at
        if (others := self._busy.get(at)) is not None:
            others.append(person)
        else:
            self._busy[at] = [person]
            heappush(self._instants, at)

    def _release(self, at: int) -> set[int]:
        """Let those tasks wait that may be rung from ``at`` on; their kinds."""
        coming, kinds = self._coming, set[int]()
        before, last = len(coming), at << PLACES | PLACE
        while coming and coming[-1] <= last:
            place = coming.pop() & PLACE
            kind = self._kind_of[place]
            heappush(self._joined[kind], self._keys[place])
            kinds.add(kind)
        self._waiting_count += before - len(coming)
        return kinds

    def _head(self, kind: int, at: int) -> int | None:
        """The key of the task of the lowest rank of a kind, less its price; it stays."""
        ready, joined, missed_at = self._ready[kind], self._joined[kind], self._missed_at
        while ready and missed_at[place := ready[-1] & PLACE] < at:
            missed_at[place] = _NEVER
            heappush(joined, ready.pop() + self._cap)
        while joined and missed_at[place := joined[0] & PLACE] < at:
            missed_at[place] = _NEVER
            heapreplace(joined, joined[0] + self._cap)
        if joined and not (ready and ready[-1] < joined[0]):
            return joined[0] - self._lift[kind]
        return ready[-1] - self._lift[kind] if ready else None

    def _following(self, kind: int, at: int) -> int | None:
        """Remove the task of the lowest rank of a kind; the key of the next, less its price."""
        ready, joined = self._ready[kind], self._joined[kind]
        if joined and not (ready and ready[-1] < joined[0]):
            heappop(joined)
        else:
            ready.pop()
        return self._head(kind, at)

    def _heads(self, at: int, kinds: Collection[int]) -> list[int]:
        """The head of each kind, as a heap."""
        heads = []
        for kind in kinds:
            self._first[kind] = 0
            if self._prices:
                self._lift[kind] = self._prices.of(self.facts.needs_of[kind], at) << PLACES
            if (head := self._head(kind, at)) is not None:
                heads.append(head)
        heapify(heads)
        return heads

    def _serve_the_only_one(self, at: int, kinds: Collection[int]) -> bool:
        """As ``_serve`` in few steps where one alone is idle, just free; else nothing is done."""
        person = self._came_last
        if self._idle_count != 1 or not self._is_idle[person] or self._free_at[person] != at:
            return False
        takes = self.facts.kinds_of[self._class_of[person]]
        heads = self._heads(at, takes)
        if not heads:
            return True
        place = heads[0] & PLACE
        if self._planned_for[place] not in (NOBODY, person):
            return False
        self._is_idle[person], self._idle_count = False, 0
        self._following(self._kind_of[place], at)
        self._plan(place, person, at)
        return True

    def _serve(self, at: int, kinds: Collection[int]) -> None:
        """Give waiting tasks of ``kinds``, by rank, to those who are idle."""
        heads, kept, hands = self._heads(at, kinds), list[int](), Hands(self, at)
        kind_of, planned_for = self._kind_of, self._planned_for
        while heads and self._idle_count:
            place = heads[0] & PLACE
            kind = kind_of[place]
            if planned_for[place] != NOBODY and self._keeps(place, kind, at):
                kept.append(heads[0] + self._lift[kind])
            elif not self._place(place, kind, hands):
                heappop(heads)  # who may take this kind has something, and cannot change
                continue
            if (following := self._following(kind, at)) is None:
                heappop(heads)
            else:
                heapreplace(heads, following)
        left = [key for key in kept if not self._place(key & PLACE, kind_of[key & PLACE], hands)]
        self._begin(hands)
        for key in left:
            self._keep(key, at)

    def _place(self, place: int, kind: int, hands: Hands) -> bool:
        """Give a task to somebody idle, if need be by letting others of this instant change."""
        at, able = hands.at, self._able[kind]
        person = None
        if self._planned_for[place] != NOBODY:
            person = self._planned_idle(place, kind, at)
        while person is None and self._first[kind] < len(able):
            person = self.take_idle(able[self._first[kind]], at)
            if person is None:
                self._first[kind] += 1  # nobody comes back to a class at an instant
        if person is None and self._idle_count:
            person = hands.free_by_changes(kind)
        if person is None:
            return False
        self.places.append(place)
        self.persons.append(person)
        return True

    def _planned_idle(self, place: int, kind: int, at: int) -> int | None:
        """Take who was planned for the task in the last plan, where they are idle and able."""
        person = self._planned_for[place]
        if not self._is_idle[person] or at > self._until[person]:
            return None
        if self._class_of[person] not in self._able[kind]:
            return None
        self._is_idle[person] = False
        self._idle_count -= 1
        return person

    def take_idle(self, class_of: int, at: int) -> int | None:
        """Take the idle person of a class with the fewest calls; those whose shift is over go."""
        idle = self._idle[class_of]
        while idle:
            entry = heappop(idle)
            person = entry & PLACE
            if self._is_idle[person] and entry >> PLACES == self._calls[person]:
                self._is_idle[person] = False
                self._idle_count -= 1
                if at <= self._until[person] or self._is_on_shift(person, at):
                    return person
        return None

    def _begin(self, hands: Hands) -> None:
        """Let the calls begin that have been placed at this instant."""
        at, first, lengths, calls = hands.at, hands.first, self.facts.tasks.lengths, self._calls
        busy, free_at = self._busy, self._free_at
        begun = len(self.places) - first
        self._waiting_count -= begun
        self.starts += [at] * begun
        for place, person in zip(self.places[first:], self.persons[first:], strict=True):
            calls[person] += 1
            free_at[person] = ends = at + lengths[place]
            if ends in busy:
                busy[ends].append(person)
            else:
                busy[ends] = [person]
                heappush(self._instants, ends)

    def _keeps(self, place: int, kind: int, at: int) -> bool:
        """Whether the counsellor of the last plan is busy now and free soon enough to be kept."""
        person, due = self._planned_for[place], self.facts.tasks.dues[place]
        if not self._is_free_soon(person, kind, at) or self._keys[place] >> PLACES < URGENT // 2:
            return False
        return self._free_at[person] <= due or due < at

    def _is_free_soon(self, person: int, kind: int, at: int) -> bool:
        free_at = self._free_at[person]
        return (
            not self._is_idle[person]
            and at < free_at <= at + KEEP_SECONDS
            and self._class_of[person] in self._able[kind]
            and any(starts <= free_at <= ends for starts, ends in self._spans[person])
        )

    def _keep(self, key: int, at: int) -> None:
        """Leave a task to the counsellor of the last plan, unless they are kept for another."""
        place = key & PLACE
        kind, person = self._kind_of[place], self._planned_for[place]
        if not self._is_free_soon(person, kind, at):
            heappush(self._joined[kind], key)
            return
        self._plan(place, person, self._free_at[person])

    def _plan(self, place: int, person: int, at: int) -> None:
        self._waiting_count -= 1
        self.places.append(place)
        self.persons.append(person)
        self.starts.append(at)
        self._calls[person] += 1
        self._busy_until(person, at + self.facts.tasks.lengths[place])
