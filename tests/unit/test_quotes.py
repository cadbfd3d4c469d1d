"""The time to promise for "as soon as you can": the futures of the plan, and what is learned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from statistics import fmean, quantiles, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain import call_lengths, quotes
from callback_service.domain.call_lengths import PRIOR, CallLengths
from callback_service.domain.escalation import NEAR_DUE
from callback_service.domain.habits import LAPSES, MOST_LAPSES, Habits, learned_lapses
from callback_service.domain.planning import OFFER_LEASE, Availability, Task
from callback_service.domain.presence import WRAP_UP
from callback_service.domain.quotes import Came, Forecast, learned_z, round_up

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def at(minute: float) -> datetime:
    """The instant ``minute`` minutes after NOW."""
    return NOW + minutes(minute)


def counsellors(count: int, *spans: tuple[float, float]) -> list[Availability]:
    own = tuple((at(start), at(end)) for start, end in spans or ((-60, 480),))
    return [Availability(number, NOW, own) for number in range(count)]


def forecast(
    people: list[Availability],
    dues: list[float] = [],  # noqa: B006 - never changed
    *,
    talked: dict[int, float] | None = None,
    latest: float | None = None,
    releases: list[float] | None = None,
    seed: int = 1,
) -> Forecast | None:
    """The forecast where requests due then wait, and some counsellors have talked so long."""
    tasks = [
        Task(number, at(release), at(due))
        for number, (due, release) in enumerate(
            zip(dues, releases or [0] * len(dues), strict=True), start=1
        )
    ]
    return quotes.forecast(
        tasks,
        people,
        {who: minutes(so_long) for who, so_long in (talked or {}).items()},
        latest_open_promise=None if latest is None else at(latest),
        habits=Habits(),
        now=NOW,
        chance=Random(seed),  # noqa: S311 - a chance that comes again
    )


def free_in(wait: float) -> list[Availability]:
    """One on shift who is away for so many minutes, on a shift too short for a break."""
    return [Availability(0, at(wait), ((at(-5), at(350)),))]


def mean_of(found: Forecast | None) -> float:
    assert found is not None
    return found.mean / 60


def spread_of(found: Forecast | None) -> float:
    assert found is not None
    return found.sd / 60


class TestForecast:
    def test_somebody_is_rung_at_once_where_more_are_free_than_wait(self) -> None:
        found = forecast(counsellors(3), [20])
        assert found is not None
        assert found.mean == pytest.approx(LAPSES * 5 * 60)  # a colleague after an offer's lease

    @pytest.mark.parametrize(("wait", "more"), [(0, 0), (10, 3), (20, 6), (300, 6)])
    def test_the_longer_somebody_waits_the_more_may_come_between_up_to_a_limit(
        self, wait: float, more: float
    ) -> None:
        usual = spread_of(forecast(free_in(0)))
        assert spread_of(forecast(free_in(wait))) - usual == pytest.approx(more, abs=0.2)

    def test_nothing_comes_between_before_anybody_is_on_shift(self) -> None:
        usual = spread_of(forecast(free_in(0)))
        later = forecast(counsellors(1, (50, 230)))
        assert mean_of(later) > 50
        assert spread_of(later) == pytest.approx(usual, abs=0.2)

    def test_an_empty_rota_has_none(self) -> None:
        assert forecast([]) is None

    def test_the_newcomer_comes_after_all_who_are_due_before(self) -> None:
        few = mean_of(forecast(counsellors(2), [10, 15, 20, 25], latest=25))
        many = mean_of(forecast(counsellors(2), [10, 15, 20, 25] * 2, latest=25))
        assert 20 < few < many

    def test_whoever_is_due_behind_the_newcomer_does_not_count(self) -> None:
        people = counsellors(2)
        assert forecast(people, [10, 20, 900], latest=20) == forecast(people, [10, 20], latest=20)

    def test_a_call_that_has_lasted_long_is_expected_to_last_some_more(self) -> None:
        fresh = mean_of(forecast(counsellors(1), talked={0: 0.1}))
        long = mean_of(forecast(counsellors(1), talked={0: 55}))
        assert 5 < long < fresh < 45

    def test_nobody_begins_in_the_last_minutes_of_a_shift_nor_in_a_break(self) -> None:
        late = counsellors(1, (-400, 15), (60, 500))
        assert mean_of(forecast(late)) == pytest.approx(60, abs=1)

    def test_a_window_that_begins_meanwhile_is_served_before_a_later_promise(self) -> None:
        alone = mean_of(forecast(counsellors(1), [10], latest=90))
        with_window = mean_of(forecast(counsellors(1), [10, 60], releases=[0, 5], latest=90))
        assert with_window > alone + 10

    def test_the_same_facts_and_chance_give_the_same_and_another_chance_does_not(self) -> None:
        people, dues = counsellors(2), [10.0, 20, 30, 40]
        again = forecast(people, dues, latest=40)
        assert again == forecast(people, dues, latest=40)
        assert again != forecast(people, dues, latest=40, seed=2)

    def test_a_long_queue_is_followed_through_fewer_futures_and_still_well(self) -> None:
        dues = [float(number) for number in range(1000)]
        whole_week = counsellors(10, (-60, 9000))
        # About 25.5 minutes for each attempt, 1.3 attempts, ten at a time.
        assert 3100 < mean_of(forecast(whole_week, dues, latest=1000)) < 3600
        assert forecast(counsellors(10), dues, latest=1000) is None  # nobody is left by then


class TestPromise:
    def test_is_the_mean_and_z_deviations_up_to_the_next_five_minutes(self) -> None:
        due = quotes.promise(Forecast(600, 180), z=2, latest_open_promise=None, now=NOW)
        assert due == at(20)  # 10 + 2 x (3 + 2)

    def test_leaves_the_first_offer_its_lease_before_the_duty_lead_is_told(self) -> None:
        due = quotes.promise(Forecast(0, 0), z=0, latest_open_promise=None, now=NOW)
        assert due - NEAR_DUE == NOW + OFFER_LEASE

    @given(
        mean=st.floats(0, 1e5),
        sd=st.floats(0, 1e4),
        z=st.floats(-3, quotes.HIGHEST_Z),
        latest=st.none() | st.floats(-600, 600),
        second=st.integers(0, 86_399),
    )
    @settings(max_examples=60, deadline=None)
    def test_is_never_past_nor_before_an_older_one_and_in_whole_five_minutes(
        self, mean: float, sd: float, z: float, latest: float | None, second: int
    ) -> None:
        now = NOW + timedelta(seconds=second)
        open_promise = None if latest is None else now + minutes(latest)
        due = quotes.promise(Forecast(mean, sd), z=z, latest_open_promise=open_promise, now=now)
        assert due >= now + quotes.SOONEST
        assert open_promise is None or due >= open_promise
        assert (due.minute % 5, due.second, due.microsecond) == (0, 0, 0)

    @pytest.mark.parametrize(
        ("past", "rounded"), [(timedelta(), 0), (timedelta(microseconds=1), 5), (minutes(5), 5)]
    )
    def test_rounding_up_leaves_a_whole_step_alone(self, past: timedelta, rounded: float) -> None:
        assert round_up(NOW + past, minutes(5)) == at(rounded)
        assert round_up(NOW + past, minutes(5)).tzinfo is UTC


class TestNobodyIsOvertaken:
    @given(
        asks=st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 4), st.floats(0, 12)),
            min_size=2,
            max_size=12,
        )
    )
    @settings(max_examples=40, deadline=None)
    def test_each_promise_is_at_or_after_every_older_one_whatever_is_free_or_learned(
        self, asks: list[tuple[int, int, float]]
    ) -> None:
        """Minutes between two who ask, counsellors on shift then, and the z of that time."""
        now, open_promises = NOW, list[datetime]()
        for pause, on_shift, z in asks:
            now += minutes(pause)
            latest = max(open_promises, default=None)
            people = [Availability(n, now, ((now, now + minutes(480)),)) for n in range(on_shift)]
            found = quotes.forecast(
                [Task(n, now, due) for n, due in enumerate(open_promises, start=1)],
                people,
                {},
                latest_open_promise=latest,
                habits=Habits(),
                now=now,
                chance=Random(1),  # noqa: S311 - a chance that comes again
            )
            due = quotes.promise(found, z=z, latest_open_promise=latest, now=now)
            assert latest is None or due >= latest
            open_promises.append(due)


class TestLearning:
    def test_a_quote_that_came_out_at_the_mean_is_no_surprise(self) -> None:
        assert Forecast(600, 180).surprise(minutes(10)) == 0
        assert Forecast(600, 180).surprise(minutes(20)) == 2

    def test_z_is_what_is_believed_at_first_and_moves_with_what_comes_of_the_quotes(self) -> None:
        assert learned_z([]) == pytest.approx(quotes.FIRST_Z, rel=0.1)
        early, calm = [Came(0.1, True)] * 50, [Came(0.1, True)] * 500
        assert 0.1 < learned_z(calm) < learned_z(early) < learned_z([])

    def test_one_early_quote_that_came_out_very_late_is_not_taken_for_the_usual(self) -> None:
        assert learned_z([*[Came(0.1, True)] * 59, Came(11.0, False)]) < 5

    @pytest.mark.parametrize(
        ("broken", "share"), [(15, 0.975), (5, 0.965), (20, 0.98), (0, 0.96), (100, 0.995)]
    )
    def test_z_aims_as_far_off_as_the_last_promises_missed(self, broken: int, share: float) -> None:
        last = [Came(n / 100_000, n > 100 * broken) for n in range(1, 100_001)]
        assert learned_z(last) == pytest.approx(share, abs=0.001)

    def test_an_outage_does_not_put_off_everybody_who_asks_after_it(self) -> None:
        outage = [Came(0.0, True)] * 60 + [Came(500.0, False)] * 40
        assert learned_z(outage) == quotes.HIGHEST_Z

    def test_what_is_believed_of_calls_gives_way_to_what_is_measured(self) -> None:
        assert call_lengths.learned([]).mean == PRIOR.mean
        assert call_lengths.learned([]).cv == pytest.approx(PRIOR.cv)
        learned = call_lengths.learned([minutes(44), minutes(46)] * 200)
        assert learned.mean == pytest.approx(44.3 * 60, rel=0.01)
        assert learned.cv < 0.15

    def test_the_share_of_offers_that_lapse_gives_way_to_what_is_counted(self) -> None:
        assert learned_lapses(0, 0) == LAPSES
        assert learned_lapses(100, 500) == pytest.approx(0.2, abs=0.02)
        assert learned_lapses(500, 500) == MOST_LAPSES

    def test_a_call_that_nobody_closed_counts_as_two_hours(self) -> None:
        assert call_lengths.learned([timedelta(days=3)]) == call_lengths.learned([minutes(120)])


class TestCallLengths:
    @pytest.mark.parametrize("talked", [0, 5, 30, 70, 119])
    def test_what_is_left_of_a_call_is_the_mean_of_what_it_is_sampled_as(
        self, talked: float
    ) -> None:
        chances = [(number + 0.5) / 20_000 for number in range(20_000)]
        sampled = PRIOR.remaining(talked * 60, chances)
        assert min(sampled) >= 0
        assert fmean(sampled) == pytest.approx(PRIOR.left(talked * 60), rel=0.01)

    @pytest.mark.parametrize("talked", [0.0, 20.0, 40.0])
    def test_who_still_talks_has_all_of_their_wrap_up_to_come(self, talked: float) -> None:
        chance = Random(4)  # noqa: S311 - a chance that comes again
        whole = [timedelta(seconds=PRIOR.sample(chance)) for _ in range(40_000)]
        left = [one - minutes(talked) for one in whole if one - WRAP_UP > minutes(talked)]
        seconds = [one.total_seconds() for one in left]
        assert PRIOR.left(talked * 60) == pytest.approx(fmean(seconds), rel=0.03)
        assert min(PRIOR.remaining(talked * 60, [0.0, 0.5])) >= WRAP_UP.total_seconds()

    @pytest.mark.parametrize("talked", [0, 1, 600, 7200, 10**6])
    def test_a_call_is_never_expected_to_end_now(self, talked: float) -> None:
        assert PRIOR.left(talked) > 60

    @pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-53])
    def test_every_chance_gives_a_length(self, u: float) -> None:
        for talked in (0, 600, 10**6):
            [left] = PRIOR.remaining(talked, [u])
            assert 0 <= left < 10**6

    @pytest.mark.parametrize("lengths", [PRIOR, CallLengths(900, 0.3)])
    def test_likely_lengths_have_the_mean_and_the_spread_of_calls(
        self, lengths: CallLengths
    ) -> None:
        assert fmean(lengths.likely) == pytest.approx(lengths.mean, rel=0.005)
        assert stdev(lengths.likely) / lengths.mean == pytest.approx(lengths.cv, rel=0.03)

    def test_samples_have_the_mean_and_the_spread_that_are_asked_for(self) -> None:
        chance = Random(3)  # noqa: S311 - a chance that comes again
        lengths = CallLengths(1200, 0.5)
        sampled = [lengths.sample(chance) for _ in range(20_000)]
        assert fmean(sampled) == pytest.approx(1200, rel=0.02)
        median = quantiles(sampled, n=2)[0]
        assert median == pytest.approx(1200 / 1.25**0.5, rel=0.02)
