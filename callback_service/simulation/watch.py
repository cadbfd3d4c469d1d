"""Nobody is forgotten: the duty lead hears in time, and every event is looked at for who is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain import escalation
from callback_service.domain.escalation import EXPIRES_AFTER, Step
from callback_service.domain.lifecycle import HELD, Disposition, RequestState
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.world import Process, World

#: Escalations are looked into so often.
TICK: Final = timedelta(minutes=1)


def forgotten(
    requests: Collection[Request], counsellors: Collection[Counsellor], *, now: datetime
) -> Iterator[Request]:
    """Those of the open ``requests`` that have neither an owner nor a deadline.

    An owner is one counsellor who holds it. Without one it must wait, and its deadline is when the
    duty lead is told, at the first look once it is due, or has been told; an offer of it must not
    outlive its lease. One that two hold, or one that is held and waits, has no owner either.
    """
    holders = Counter(one.request.id for one in counsellors if one.request is not None)
    for request in requests:
        if request.state in HELD:
            is_safe = holders[request.id] == 1
        else:
            is_safe = holders[request.id] == 0 and _has_deadline(request, now)
        if not is_safe:
            yield request


def _has_deadline(request: Request, now: datetime) -> bool:
    if request.state is not RequestState.WAITING:
        return False
    if request.offer is not None and now > request.offer.lapses_at:
        return False
    if now <= request.due_at or Step.DUTY_LEAD in request.told:
        return True
    return now <= request.waits_since + TICK  # then is the first look


class Watch:
    """The escalation's tick, and a look at all open requests after every event."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ticks(self) -> Process:
        """The duty lead hears in time though nothing else happens."""
        world = self._world
        while True:
            now = world.now
            here = {one.id for one in world.counsellors.values() if one.is_here(now)}
            released = [one for one in world.open.values() if one.ring_from <= now]
            for request in released:
                self._look_at(request, here, now)
            world.result.minute_passed(released)
            yield world.after(TICK)

    def check(self) -> None:
        """Write down who is forgotten."""
        world, now = self._world, self._world.now
        for request in forgotten(world.open.values(), world.counsellors.values(), now=now):
            world.result.forgotten(request, now)

    def _look_at(self, request: Request, here: set[int], now: datetime) -> None:
        world = self._world
        if request.state is not RequestState.WAITING:
            return
        if request.due_at + EXPIRES_AFTER <= now:
            world.close(request, Disposition.EXPIRED)
            return
        facts = escalation.Waiting(
            request.ring_from,
            request.due_at,
            on_shift=len(here),
            untried=len(here - request.let_go_by),
            told=frozenset(request.told),
            last_told_at=request.last_told_at,
        )
        if step := escalation.next_step(facts, now=now):
            request.told.add(step[0])
            request.last_told_at = now
            world.result.escalations.append(step)
