"""Callers: when they ask, what for, and when they lose patience."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.quotes import STEP, round_up
from callback_service.domain.skills import Gender, has
from callback_service.domain.wishes import Wishes, WishKind, skill_wished
from callback_service.simulation.desk import Desk
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.scenario import LANGUAGES
from callback_service.simulation.world import Process, World

#: Demand is drawn for so long at once.
DRAWN: Final = timedelta(minutes=30)
#: How long who will not wait does wait, on average.
PATIENCE: Final = timedelta(hours=1)
#: A follow-up is agreed for about the same time of one of the next days, and rung within an hour.
FOLLOW_UP_DAYS: Final = (1, 3)
FOLLOW_UP_WITHIN: Final = timedelta(hours=1)
#: Of follow-ups: with the counsellor they spoke with.
SAME_COUNSELLOR: Final = 0.5
#: Of wishes for a gender: for a woman.
FOR_A_WOMAN: Final = 0.75


class Callers:
    """Everybody who asks, at the hours of the profile, and the calls that are agreed on."""

    def __init__(self, world: World, desk: Desk) -> None:
        self._world, self._desk, self._rates = world, desk, world.scenario.rates
        self._number = 0
        desk.on_reached = self.after_call

    def come(self) -> Process:
        """All of them, one after the other."""
        world, begins = self._world, self._world.scenario.start
        chance = world.chance("callers")
        while begins < world.scenario.end:
            for second in self._seconds(begins, chance):
                yield world.until(begins + timedelta(seconds=second))
                self._ask()
            begins += DRAWN
            yield world.until(begins)

    def _seconds(self, begins: datetime, chance: Random) -> list[int]:
        """The seconds from ``begins`` at which somebody asks: a Poisson process."""
        scenario = self._world.scenario
        weight = scenario.profile.weight(begins.astimezone(scenario.tz))
        a_second = scenario.asks_a_day * weight / timedelta(days=1).total_seconds()
        found, second = [], 0.0
        while (
            a_second and (second := second + chance.expovariate(a_second)) < DRAWN.total_seconds()
        ):
            found.append(int(second))
        return found

    def _next(self) -> tuple[int, Random]:
        self._number += 1
        return self._number, self._world.chance(self._number)

    def _ask(self) -> None:
        world, now = self._world, self._world.now
        number, chance = self._next()
        wishes = self._wishes(chance)
        promised, forecast = self._chosen_window(chance, wishes), None
        is_window = promised is not None
        if promised is None:
            quote = world.planner.quote(now, wishes)
            world.result.quoted(quote.due_at, world.planner.ahead_of(wishes))
            promised, forecast = Window(now, quote.due_at), quote.forecast
        request = Request(number, now, promised, is_window, chance, forecast, wishes)
        self._keep(request)
        if chance.random() < self._rates.withdrawals:
            world.start(self._lose_patience(request))

    def _keep(self, request: Request) -> None:
        self._world.begin(request)
        self._world.start(self._desk.wait(request))

    def _wishes(self, chance: Random) -> Wishes:
        """What a caller wishes for; as many chances are drawn whatever it is.

        Only what some counsellor can do is offered to be wished for.
        """
        language, gender = chance.random() < self._rates.languages, chance.random()
        [spoken] = chance.choices(list(LANGUAGES), list(LANGUAGES.values()))
        woman = gender < self._rates.genders * FOR_A_WOMAN
        wished = Wishes(
            spoken if language else None,
            (Gender.WOMAN if woman else Gender.MAN) if gender < self._rates.genders else None,
        )
        staff = self._world.scenario.skills.values()
        met = [
            kind
            for kind in wished.kinds()
            if any(has(own, skill_wished(wished, kind)) for own in staff)
        ]
        return Wishes(
            wished.language if WishKind.LANGUAGE in met else None,
            wished.gender if WishKind.GENDER in met else None,
        )

    def _chosen_window(self, chance: Random, wishes: Wishes) -> Window | None:
        if chance.random() >= self._rates.windows:
            return None
        windows = self._world.planner.windows_with_room(self._world.now, wishes)
        return chance.choice(windows) if windows else None

    def _lose_patience(self, request: Request) -> Process:
        waits = timedelta(seconds=request.chance.expovariate(1 / PATIENCE.total_seconds()))
        yield self._world.until(request.ring_from + waits)
        if request.state in {RequestState.WAITING, RequestState.ASSIGNED}:
            self._world.close(request, Disposition.WITHDRAWN)
            self._desk.dispatch()

    def after_call(self, request: Request, who: Counsellor) -> None:
        """A caller was reached; perhaps they agree on another call."""
        if request.chance.random() >= self._rates.follow_ups:
            return
        now = self._world.now
        number, chance = self._next()
        at = round_up(now + timedelta(days=chance.randint(*FOLLOW_UP_DAYS)), STEP)
        with_them = who.id if chance.random() < SAME_COUNSELLOR else None
        wishes = Wishes(request.wishes.language, request.wishes.gender, with_them)
        window = Window(at, at + FOLLOW_UP_WITHIN)
        self._keep(Request(number, now, window, True, chance, None, wishes, is_follow_up=True))
