"""One future of a quote: the quick way through it comes to what the plain rule says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.absences import SICK_NOTICE, SICK_SHARE
from callback_service.domain.breaks import break_to_come
from callback_service.domain.call_lengths import PRIOR
from callback_service.domain.planning import (
    HANDOVER_MARGIN,
    OFFER_LEASE,
    Availability,
    Task,
)
from callback_service.domain.quote_futures import (
    LAPSED,
    TAKING,
    UNANSWERED,
    UNANSWERED_LENGTH,
    UNANSWERED_SHARE,
    Future,
    Queue,
    Seats,
    Starts,
    draws,
    start_of_newcomer,
)
from callback_service.domain.retry import AFTER_NO_ANSWER, RETRY_SLACK

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
MARGIN = HANDOVER_MARGIN.total_seconds()
BREAK = 1800.0


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


@dataclass
class Seat:
    """A counsellor of the plain rule, in seconds."""

    free: float
    spans: list[tuple[float, float]]
    break_from: float
    open_from: float

    def begins(self, since: float) -> float | None:
        found = [max(since, start) for start, end in self.spans if since <= end - MARGIN >= start]
        return found[0] if found else None


def plain_attempt(
    length: float, taken: tuple[float, float, int], since: float
) -> tuple[float, tuple[float, float, int] | None]:
    """How long an attempt takes that begins then, and when the request comes again."""
    if length == LAPSED:
        lease = OFFER_LEASE.total_seconds()
        return lease, (since + lease, *taken[1:])
    if length != UNANSWERED:
        return length, None
    length = (UNANSWERED_LENGTH + TAKING).total_seconds()
    if taken[2] >= len(AFTER_NO_ANSWER):
        return length, None
    release = since + length + AFTER_NO_ANSWER[taken[2]].total_seconds()
    return length, (release, release + RETRY_SLACK.total_seconds(), taken[2] + 1)


def plain_start(
    seats: list[Seat], tasks: list[Task], due: float, attempts: list[float]
) -> float | None:
    """The rule, step by step: all are looked at each time."""
    queue = [
        ((task.release - NOW).total_seconds(), (task.target - NOW).total_seconds(), 0)
        for task in tasks
        if task.target <= at(due)
    ]
    turns, draw = [(seat.free, who) for who, seat in enumerate(seats)], cycle(attempts)
    breaks = {who: seat.break_from for who, seat in enumerate(seats)}
    while turns:
        since, who = min(turns)
        turns.remove((since, who))
        if (begins := seats[who].begins(since)) is None:
            continue
        if begins > since:
            turns.append((begins, who))
            continue
        if breaks.get(who, inf) <= since:
            del breaks[who]
            turns.append((since + BREAK, who))
            continue
        released = [one for one in queue if one[0] <= since]
        if not released and seats[who].open_from <= since:
            return since
        taken = min(released, key=lambda one: one[1:]) if released else (0.0, inf, 9)
        if released:
            queue.remove(taken)
        length, again = plain_attempt(next(draw), taken, since)
        queue += [again] if again and again[1] <= due else []
        turns.append((since + length, who))
    return None


# Whole quarters of an hour: so many things come together.
quarters = st.integers(0, 24).map(lambda quarter: quarter * 900.0)
spans = st.lists(quarters, max_size=4, unique=True).map(
    lambda ends: [
        (at(start - 3600), at(end)) for start, end in zip(*[iter(sorted(ends))] * 2, strict=False)
    ]
)


@given(
    rota=st.lists(
        st.tuples(quarters, spans, st.just(inf) | quarters, st.just(0.0) | quarters), max_size=5
    ),
    waiting=st.lists(st.tuples(quarters, quarters), max_size=8),
    due=quarters,
    attempts=st.lists(st.sampled_from([UNANSWERED, LAPSED, 900.0, 1800.0, 2000.0]), max_size=5),
)
def test_a_newcomer_is_rung_when_all_who_are_due_before_have_been(
    rota: list[tuple[float, list[tuple[datetime, datetime]], float, float]],
    waiting: list[tuple[float, float]],
    due: float,
    attempts: list[float],
) -> None:
    attempts.append(1800.0)  # an end to offers that lapse
    people = [Availability(number, NOW, tuple(own)) for number, (_, own, *_) in enumerate(rota)]
    plain = [
        Seat(free, [((a - NOW).total_seconds(), (b - NOW).total_seconds()) for a, b in own], *rest)
        for free, own, *rest in rota
    ]
    tasks = [Task(number, at(first), at(last)) for number, (first, last) in enumerate(waiting)]
    seats = Seats(people, {}, PRIOR, now=NOW)
    seats.break_lengths = [BREAK] * len(people)
    future = Future([seat.free for seat in plain], [seat.break_from for seat in plain])
    opens = [seat.open_from for seat in plain]
    before = Queue(tasks, now=NOW).before(due)
    found = start_of_newcomer(seats, future, before, due, cycle(attempts), opens)
    assert (found.taken if found else None) == plain_start(plain, tasks, due, attempts)


def minutes(*counts: float) -> list[float]:
    return [60 * count for count in counts]


def starts(
    frees: list[float], *, ends: list[float] | None = None, opens: list[float] | None = None
) -> Starts:
    """When a newcomer is rung whom nobody is before; all in minutes."""
    people = [
        Availability(number, NOW, ((at(-3600), at(60 * end)),))
        for number, end in enumerate(ends or [480] * len(frees))
    ]
    seats = Seats(people, {}, PRIOR, now=NOW)
    future = Future(minutes(*frees), [inf] * len(frees))
    opens = minutes(*(opens or [0] * len(frees)))
    nobody = Queue([], now=NOW).before(0)
    found = start_of_newcomer(seats, future, nobody, 0, cycle([1800.0]), opens)
    assert found is not None
    return Starts(found.taken / 60, found.lapsed / 60)


class TestAnOfferThatLapses:
    def test_goes_to_a_colleague_who_is_free_as_soon_as_its_lease_is_over(self) -> None:
        assert starts([0, 0]) == (0, 5)

    def test_waits_for_a_colleague_who_is_on_a_call(self) -> None:
        assert starts([0, 25]) == (0, 25)

    def test_goes_to_the_same_one_again_where_nobody_else_is_on_shift(self) -> None:
        assert starts([0]) == (0, 5)

    def test_goes_to_the_same_one_again_once_the_last_colleague_has_left(self) -> None:
        assert starts([0, 200], ends=[480, 60]) == (0, 60)

    def test_waits_while_another_colleague_meets_the_wish_until_anybody_may_ring(self) -> None:
        assert starts([0, 0, 50], opens=[0, 30, 0]) == (0, 30)

    def test_goes_to_anybody_where_no_other_meets_the_wish(self) -> None:
        assert starts([0, 0], opens=[0, 30]) == (0, 5)


def test_who_may_not_ring_the_newcomer_yet_rings_those_who_are_due_behind() -> None:
    assert starts([0, 50], opens=[20, 0]).taken == 30  # after a call of half an hour


def test_a_quarter_of_the_attempts_are_not_answered() -> None:
    some = list(islice(draws(PRIOR, 0.0, Random(1)), 4000))  # noqa: S311 - the same chance again
    assert some.count(UNANSWERED) / len(some) == pytest.approx(UNANSWERED_SHARE, abs=0.02)


def test_as_many_offers_lapse_as_are_said_to_and_of_the_rest_a_quarter_is_not_answered() -> None:
    some = list(islice(draws(PRIOR, 0.2, Random(1)), 4000))  # noqa: S311 - the same chance again
    assert some.count(LAPSED) / len(some) == pytest.approx(0.2, abs=0.02)
    assert some.count(UNANSWERED) / len(some) == pytest.approx(0.8 * UNANSWERED_SHARE, abs=0.02)


class TestBreaksToCome:
    DUTY = (at(-3600), at(7 * 3600))

    def drawn(self, *, has_had_break: bool) -> list[float]:
        person = Availability(1, NOW, (self.DUTY,), has_had_break=has_had_break)
        chance = Random(1)  # noqa: S311 - the same chance again
        futures = Seats([person], {}, PRIOR, now=NOW).sampled(500, chance)
        return [future.breaks[0] / 3600 for future in futures]

    def test_begin_in_the_middle_half_of_a_shift(self) -> None:
        found = self.drawn(has_had_break=False)
        assert 1 <= min(found) < 1.1
        assert 4.9 < max(found) <= 5

    def test_are_none_once_it_was_had(self) -> None:
        assert set(self.drawn(has_had_break=True)) == {inf}

    def test_are_still_to_come_later_than_now_and_none_near_the_end(self) -> None:
        later = break_to_come(self.DUTY, now=at(4 * 3600))
        assert later == (at(4 * 3600), at(5 * 3600), timedelta(minutes=30))
        assert break_to_come(self.DUTY, now=at(5 * 3600)) is None

    def test_are_none_in_a_short_shift(self) -> None:
        assert break_to_come((NOW, at(5.9 * 3600)), now=NOW) is None


class TestWhoIsOffSick:
    LATER, AFTER = (at(7200), at(36_000)), (at(90_000), at(118_800))

    def free_at(self, *spans: tuple[datetime, datetime], futures: int = 4000) -> list[float]:
        seats = Seats([Availability(1, NOW, spans)], {}, PRIOR, now=NOW)
        chance = Random(1)  # noqa: S311 - the same chance again
        return [seats.ready(0, one.free[0]) for one in seats.sampled(futures, chance)]

    def test_is_away_for_a_shift_that_has_not_begun_and_back_for_the_next(self) -> None:
        found = self.free_at(self.LATER, self.AFTER)
        assert set(found) == {7200, 90_000}
        assert found.count(90_000) / len(found) == pytest.approx(SICK_SHARE, abs=0.01)

    def test_is_nobody_who_has_begun_or_begins_within_the_time_in_which_it_is_known(self) -> None:
        assert set(self.free_at((at(-60), at(36_000)), self.AFTER)) == {0}
        assert set(self.free_at((at(SICK_NOTICE.total_seconds()), at(36_000)))) == {3600}
