"""Changes of the rota for given dates: overrides, leave and open shifts. They beat the patterns.

All spans are aware UTC instants, half-open ``[start, end)``. What holds at one instant is decided
by what is stated for that instant alone, so resolving a range equals resolving its parts:

1. Who is away (on leave, taken off, replaced) is not on duty, whatever else is said of them.
2. Who was added, took an open shift or stands in for somebody is on duty, as a change; of several
   such of one person the one that starts later counts.
3. Everybody else works their pattern.

A replacement is tied to the shifts of the person who is replaced, not to times: the other person
works just those, so a gap between two shifts stays a gap (target/goalert, issues 4306 and 4362).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callback_service.domain.rota import (
    Duty,
    Post,
    Shift,
    Source,
    clip,
    cut,
    order_of,
    without_overlaps,
)
from callback_service.domain.wall_time import Span


class OverrideKind(StrEnum):
    """What an override does to one person's rota."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class LeaveReason(StrEnum):
    """Why somebody is away."""

    ANNUAL = "annual"
    SICK = "sick"
    TRAINING = "training"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Override:
    """``staff_id`` is added to a duty, taken off it, or replaced at it by ``by_id``."""

    kind: OverrideKind
    staff_id: int
    start: datetime
    end: datetime
    duty: Duty = Duty.COUNSELLING
    by_id: int | None = None
    source: Source = Source.OVERRIDE

    def __post_init__(self) -> None:
        _check_span(self.start, self.end)
        if (self.kind is OverrideKind.REPLACE) != (self.by_id is not None):
            raise ValueError("a replacement names who stands in, and nothing else does")
        if self.by_id == self.staff_id:
            raise ValueError("nobody stands in for themselves")


@dataclass(frozen=True, slots=True)
class Leave:
    """``staff_id`` is away from every duty."""

    staff_id: int
    start: datetime
    end: datetime
    reason: LeaveReason

    def __post_init__(self) -> None:
        _check_span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class OpenShift:
    """An added shift that nobody holds yet. Once somebody takes it, it is an override."""

    start: datetime
    end: datetime
    duty: Duty = Duty.COUNSELLING

    def __post_init__(self) -> None:
        _check_span(self.start, self.end)


Change = Override | Leave | OpenShift


def _check_span(start: datetime, end: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("a change needs aware instants")
    if end <= start:
        raise ValueError("a change ends after it starts")


class ChangeSet:
    """All changes that may meet a range, ready to amend the shifts of its patterns."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._away: defaultdict[Post, list[Span]] = defaultdict(list)
        self._stand_ins: defaultdict[Post, list[Override]] = defaultdict(list)
        self._added: list[Shift] = []
        for change in changes:
            self._note(change)
        for spans in self._away.values():
            spans.sort()
        self._posts = {
            *self._away,
            *((shift.staff_id, shift.duty) for shift in self._added),
            *((one.by_id, one.duty) for several in self._stand_ins.values() for one in several),
        }

    def _note(self, change: Change) -> None:
        span = change.start, change.end
        if isinstance(change, Leave):
            for duty in Duty:
                self._away[change.staff_id, duty].append(span)
        elif isinstance(change, OpenShift):
            self._added.append(Shift(None, change.duty, *span, Source.OPEN, None))
        elif change.kind is OverrideKind.ADD:
            self._added.append(Shift(change.staff_id, change.duty, *span, change.source, None))
        else:
            post = change.staff_id, change.duty
            self._away[post].append(span)
            if change.kind is OverrideKind.REPLACE:
                self._stand_ins[post].append(change)

    def concern(self, post: Post) -> bool:
        """Whether anything is said of ``post``, so that its shifts may be other than planned."""
        return post in self._posts

    def amend(self, shifts: list[Shift]) -> list[Shift]:
        """``shifts`` of patterns as the changes leave them, in order; see the rules above."""
        given = without_overlaps(sorted([*self._added, *self._moved(shifts)], key=order_of))
        given = [piece for shift in given for piece in self._present(shift)]
        taken: defaultdict[Post, list[Span]] = defaultdict(list)
        for shift in given:
            if shift.staff_id is not None:
                taken[shift.staff_id, shift.duty].append((shift.start, shift.end))
        left = [
            piece
            for shift in shifts
            for present in self._present(shift)
            for piece in _cut_own(present, taken)
        ]
        return sorted([*left, *given], key=order_of)

    def _moved(self, shifts: Iterable[Shift]) -> Iterable[Shift]:
        """The parts of the shifts of those who are replaced, as the shifts of who stands in."""
        if not self._stand_ins:
            return
        replaced = {staff_id for staff_id, _ in self._stand_ins}
        for shift in shifts:
            if shift.staff_id not in replaced:
                continue
            for change in self._stand_ins.get((shift.staff_id, shift.duty), ()):
                for part in clip([shift], change.start, change.end):
                    yield part._replace(staff_id=change.by_id, source=change.source)

    def _present(self, shift: Shift) -> list[Shift]:
        """What is left of ``shift`` while its holder is not away."""
        return _cut_own(shift, self._away)


def _cut_own(shift: Shift, spans: dict[Post, list[Span]]) -> list[Shift]:
    own = spans.get((shift.staff_id, shift.duty))
    return cut(shift, own) if own else [shift]


def person_spans(change: Change) -> list[tuple[int, datetime, datetime]]:
    """Whose time a change speaks for, and which: (staff id, start, end). No two may overlap."""
    if isinstance(change, OpenShift):
        return []
    people = [change.staff_id]
    if isinstance(change, Override) and change.by_id is not None:
        people.append(change.by_id)
    return [(staff_id, change.start, change.end) for staff_id in people]
