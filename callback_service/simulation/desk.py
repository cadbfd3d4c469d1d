"""The desk: the plan's offers, whether they are taken, and the calls that come of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain import retry
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.planning import OFFER_LEAD, OFFER_LEASE
from callback_service.domain.presence import USUAL, WRAP_UP, PresenceKind
from callback_service.domain.quote_futures import RINGS
from callback_service.simulation.people import Counsellor, Offer, Request
from callback_service.simulation.scenario import DIALS, TAKES_OFFER
from callback_service.simulation.world import Process, World

#: No talk is shorter.
SHORTEST_TALK: Final = timedelta(minutes=1)


class Desk:
    """Makes the plan whenever a fact changes, and does what it says for now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("offers")
        self.on_reached: Callable[[Request, Counsellor], None] = lambda request, who: None
        self.on_free: Callable[[Counsellor], None] = lambda who: None

    def wait(self, request: Request) -> Process:
        """The request may be offered soon before its time, and to others as wishes are widened."""
        round_began = request.waits_since
        widened = [step.since for step in request.steps_from(self._world.now)[1:]]
        for since in (request.ring_from - OFFER_LEAD, *widened):
            yield self._world.until(since)
            if request.state is not RequestState.WAITING or request.waits_since != round_began:
                return
            self.dispatch()

    def dispatch(self) -> None:
        """Plan anew, as a fact has changed, and offer what the plan says for now."""
        world, now = self._world, self._world.now
        waiting = [one for one in world.open.values() if self._is_near(one)]
        if not waiting:
            return
        plan = world.planner.make_plan(now)
        found = {planned.request_id: planned for planned in plan}
        for request in world.open.values():
            if request.offer is None:
                request.planned = found.get(request.id)
        for planned in plan:
            who = world.counsellors[planned.counsellor_id]
            if planned.start <= now + OFFER_LEAD and who.is_idle(now):
                self._offer(world.open[planned.request_id], who)

    def _is_near(self, request: Request) -> bool:
        is_waiting = request.state is RequestState.WAITING and request.offer is None
        return is_waiting and request.ring_from <= self._world.now + OFFER_LEAD

    def _offer(self, request: Request, who: Counsellor) -> None:
        now = self._world.now
        offer = Offer(request, who, now, now + OFFER_LEASE)
        request.offer = who.offer = offer
        who.since = now
        self._world.start(self._answer(offer))

    def _answer(self, offer: Offer) -> Process:
        """The counsellor takes what is on offer, or it lapses."""
        world, request = self._world, offer.request
        lapses = self._chance.random() < world.scenario.rates.lapses
        takes = timedelta(seconds=self._chance.randint(*TAKES_OFFER))
        yield world.until(offer.lapses_at if lapses else offer.made_at + takes)
        if request.offer is not offer:
            return  # it ended meanwhile
        if lapses:
            world.result.lapsed += 1
            world.planner.learn_offer(lapsed=True)
            self.let_go(offer)
            return
        self._accept(offer)

    def let_go(self, offer: Offer) -> None:
        """It was not taken: others are asked at once."""
        offer.request.let_go_by.add(offer.who.id)
        offer.request.planned = None
        self._world.end_offer(offer.request)
        self.dispatch()

    def _accept(self, offer: Offer) -> None:
        request, who = offer.request, offer.who
        self._world.planner.learn_offer(lapsed=False)
        self._world.end_offer(request)
        request.state, who.request, who.since = RequestState.ASSIGNED, request, self._world.now
        self._world.start(self._call(request, who, offer.made_at))

    def _call(self, request: Request, who: Counsellor, offered_at: datetime) -> Process:
        """One attempt, and what follows from it."""
        world, chance = self._world, request.chance
        dials = timedelta(seconds=chance.randint(*DIALS))
        yield world.until(max(world.now + dials, request.ring_from))
        if who.request is not request:
            return  # withdrawn, or given back
        self._begin(request, who)
        is_reached = chance.random() >= world.scenario.rates.unanswered
        whole = timedelta(seconds=world.scenario.lengths.sample(chance))
        talk = max(whole - WRAP_UP, SHORTEST_TALK) if is_reached else RINGS
        yield world.after(talk)
        who.request = who.since = None
        outcome = Outcome.ANSWERED if is_reached else Outcome.NO_ANSWER
        pause = self._wrap_up(who, outcome)
        world.result.busy += world.now - offered_at + pause
        if is_reached:
            world.planner.learn_call(talk + WRAP_UP)
            world.close(request, Disposition.HELPED)
            self.on_reached(request, who)
        else:
            self._try_again(request)
        self.dispatch()

    def _begin(self, request: Request, who: Counsellor) -> None:
        world, now = self._world, self._world.now
        request.state = RequestState.CALLING
        request.tries += 1
        request.begin_round()
        who.calls.append(now)
        if request.first_attempt_at is None:
            request.first_attempt_at = now
            world.planner.learn_quote(request, now)
            world.result.first_attempt(request, world.planner.ahead_of(request.wishes))

    def _wrap_up(self, who: Counsellor, outcome: Outcome) -> timedelta:
        """Notes and rest, unless they have signed off meanwhile; how long."""
        if who.presence is not None:
            return timedelta()
        pause = USUAL.after(outcome)
        who.leave(PresenceKind.WRAP_UP, self._world.now + pause)
        self._world.start(self.come_back(who))
        return pause

    def come_back(self, who: Counsellor) -> Process:
        """They are free again, if they have not left for another reason meanwhile."""
        kind, until = who.presence, who.away_until
        yield self._world.until(until or self._world.now)
        if (who.presence, who.away_until) != (kind, until):
            return
        who.presence = who.away_until = None
        self.on_free(who)
        self.dispatch()

    def _try_again(self, request: Request) -> None:
        world, now = self._world, self._world.now
        is_inside = request.is_window and request.promised.end > now
        decision = retry.after_attempt(
            Outcome.NO_ANSWER,
            attempts=request.tries,
            now=now,
            ring_until=request.promised.end if is_inside else None,
            later=(),
        )
        if isinstance(decision, retry.GiveUp):
            world.close(request, decision.disposition)
            return
        request.wait_again(now)
        request.aims_at_window = False
        request.ring_from, request.due_at = decision.at, decision.due
        world.start(self.wait(request))
