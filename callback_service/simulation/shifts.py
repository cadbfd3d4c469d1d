"""Shifts: who is off sick, when breaks are taken, and who goes home early."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.absences import SICK_NOTICE
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import HANDOVER_MARGIN
from callback_service.domain.presence import PresenceKind
from callback_service.domain.skills import NO_SKILLS
from callback_service.simulation.desk import Desk
from callback_service.simulation.people import Counsellor, OnDuty
from callback_service.simulation.world import Process, World

SECOND: Final = timedelta(seconds=1)


class Shifts:
    """Everybody on the rota, and how their shifts go. The plan knows of none of it beforehand."""

    def __init__(self, world: World, desk: Desk) -> None:
        self._world, self._desk = world, desk
        desk.on_free = self._break_if_due
        chance, scenario = world.chance("shifts"), world.scenario
        for shift in sorted(scenario.shifts, key=lambda shift: shift.start):
            if shift.staff_id is not None:
                who = self._known(shift.staff_id)
                own = who.add(shift)
                is_sick = chance.random() < scenario.rates.sickness
                goes, part = chance.random() < scenario.rates.sign_offs, chance.random()
                goes_at = own.start + part * (own.end - own.start) if goes else None
                world.start(self._call_in_sick(who, own) if is_sick else self._work(who, own))
                if goes_at is not None and not is_sick:
                    world.start(self._go_home(who, goes_at))

    def _known(self, staff_id: int) -> Counsellor:
        skills = self._world.scenario.skills.get(staff_id, NO_SKILLS)
        return self._world.counsellors.setdefault(staff_id, Counsellor(staff_id, skills))

    def _call_in_sick(self, who: Counsellor, shift: OnDuty) -> Process:
        yield self._world.until(shift.start - SICK_NOTICE)
        if shift in who.shifts:
            who.shifts.remove(shift)
        self._world.planner.rota_changed()
        self._desk.dispatch()

    def _work(self, who: Counsellor, shift: OnDuty) -> Process:
        """Calls whenever there are any, and a break."""
        self._world.result.on_duty(shift)
        yield self._world.until(shift.start)
        self._desk.dispatch()
        if shift.break_from is not None:
            yield self._world.until(shift.break_from)
            self._break_if_due(who)
        # Whoever waits for them need not any more: the service plans every half minute.
        yield self._world.until(shift.end - HANDOVER_MARGIN + SECOND)
        self._desk.dispatch()

    def _break_if_due(self, who: Counsellor) -> None:
        """A break, once its time has come and they have no call; not within a wrap-up."""
        now = self._world.now
        shift = who.shift_at(now)
        is_busy = who.request is not None or who.presence is not None
        if shift is None or shift.break_from is None or now < shift.break_from or is_busy:
            return
        shift.break_from = None
        who.leave(PresenceKind.BREAK, min(now + shift.break_length, who.off_duty_at(now)))
        self._world.start(self._desk.come_back(who))
        if who.offer is not None:
            self._desk.let_go(who.offer)

    def _go_home(self, who: Counsellor, at: datetime) -> Process:
        """They sign off: all they have goes back, but a call that they are on they finish."""
        yield self._world.until(at)
        now, held = self._world.now, who.request
        if held is not None and held.state is RequestState.ASSIGNED:
            who.request = who.since = None
            held.wait_again(now)
            held.let_go_by.add(who.id)
            self._world.start(self._desk.wait(held))
        who.leave(PresenceKind.SIGNED_OFF, who.off_duty_at(now))
        self._world.start(self._desk.come_back(who))
        if who.offer is not None:
            self._desk.let_go(who.offer)
        self._desk.dispatch()
