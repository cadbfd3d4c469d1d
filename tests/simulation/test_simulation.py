"""Simulated days: promises are kept, nobody is forgotten, and the same seed is the same run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from callback_service.domain.rota import resolve_shifts
from callback_service.errors import BadInput
from callback_service.simulation.plot import BASE, LEFT, RIGHT, TOP, plot_hours
from callback_service.simulation.profiles import FLAT, load_profile
from callback_service.simulation.result import percentile
from callback_service.simulation.rotas import (
    large_rota,
    large_skills,
    like_the_rota,
    minutes_on_duty,
    parse_fewer,
    without,
)
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Rates, Scenario
from tests.rota_builders import LONDON
from tests.simulation.rotas import LONG_AGO, MONDAY, demo_shifts


def figures_of(days: int, **told: Any) -> dict[str, Any]:
    shifts = told.pop("shifts", None) or demo_shifts(days)
    return simulate(Scenario(shifts, MONDAY, days, LONDON, **told)).figures()


@pytest.fixture(scope="module")
def busy() -> dict[str, Any]:
    """Two days of the large rota at a load of 0.8, with lengths misjudged by a quarter."""
    shifts = resolve_shifts(large_rota(LONG_AGO), MONDAY, MONDAY + timedelta(days=4), tz=LONDON)
    profile = like_the_rota(shifts, MONDAY, 2, tz=LONDON)
    return figures_of(
        2, shifts=shifts, load=0.8, misjudged=0.25, profile=profile, skills=large_skills()
    )


def test_nobody_is_ever_without_owner_and_deadline(busy: dict[str, Any]) -> None:
    assert busy["requests"] > 300
    assert busy["violations"] == 0
    assert busy["unowned_minutes"] == 0
    assert busy["lost_requests"] == 0


def test_no_promise_overtakes_an_older_one(busy: dict[str, Any]) -> None:
    assert busy["overtaken_promises"] == 0


def test_promises_and_windows_are_kept_though_calls_are_misjudged(busy: dict[str, Any]) -> None:
    assert busy["promises"]["kept_percent"] >= 98
    assert busy["windows"]["kept_percent"] >= 99
    assert busy["windows"]["count"] > 20


def test_promises_are_not_much_longer_than_what_they_come_to(busy: dict[str, Any]) -> None:
    assert 1 < busy["promises"]["promised_over_achieved"] < 2  # of weeks: `make bench`
    assert busy["promises"]["promised_minus_achieved_minutes"]["median"] < 15


def test_counsellors_are_used_about_as_much_as_the_load_says(busy: dict[str, Any]) -> None:
    assert 55 < busy["counsellors"]["use_percent"] < 85  # the last follow-ups are after its end


def test_all_that_goes_wrong_in_the_service_goes_wrong_here(busy: dict[str, Any]) -> None:
    assert busy["counsellors"]["offers_lapsed"] > 10
    assert busy["with_a_wish"]["count"] > 20
    assert busy["with_a_language"]["count"] > 5
    assert busy["follow_ups"]["count"] > 0
    assert busy["closed"]["unreachable"] > 0
    assert busy["escalations"]["reasons"]["nearly_due"] > 0


def test_where_nothing_goes_wrong_nothing_is_counted_as_such() -> None:
    none = Rates(0, 0, 0, 0, 0, 0, 0, 0, 0)
    found = figures_of(1, per_day=30, rates=none)
    assert found["counsellors"]["offers_lapsed"] == 0
    assert found["with_a_wish"]["count"] == found["follow_ups"]["count"] == 0
    assert found["windows"]["count"] == 0
    assert set(found["closed"]) == {"helped"}


def test_nobody_wishes_for_what_no_counsellor_can_do() -> None:
    found = figures_of(1, per_day=30, rates=Rates(languages=1, genders=1))
    assert found["with_a_wish"]["count"] == 0  # the scenario says nothing of what they can do


def test_who_goes_home_leaves_nobody_behind() -> None:
    rates = Rates(sign_offs=1)
    found = figures_of(1, per_day=60, rates=rates)
    assert found["violations"] == found["lost_requests"] == 0


def test_offers_that_nobody_takes_go_round_until_the_duty_lead_is_told() -> None:
    found = figures_of(1, per_day=20, rates=Rates(lapses=1))
    assert found["counsellors"]["offers_lapsed"] > found["requests"]
    assert found["escalations"]["reasons"]["nobody_accepted"] > 0
    assert found["promises"]["kept_percent"] == 0
    assert found["violations"] == 0


def test_the_same_seed_gives_the_same_figures_and_another_one_does_not() -> None:
    once, again, other = (json.dumps(figures_of(1, load=0.3, seed=seed)) for seed in (7, 7, 8))
    assert once == again
    assert once != other


def test_with_nobody_on_the_rota_the_duty_lead_is_told_of_every_caller() -> None:
    shifts = [shift._replace(staff_id=None) for shift in demo_shifts(1)]
    found = figures_of(1, shifts=shifts, per_day=40, rates=Rates(withdrawals=0))
    assert found["escalations"]["reasons"]["nobody_on_shift"] == found["requests"]
    assert found["promises"]["kept_percent"] == 0
    assert found["violations"] == 0


def test_fewer_counsellors_are_more_in_use() -> None:
    shifts = demo_shifts(1)
    fewer = without(shifts, parse_fewer("Mon 07:00-23:00=1"), tz=LONDON)
    rates = Rates(follow_ups=0)  # they come of calls, which differ
    before = figures_of(1, per_day=60, shifts=shifts, rates=rates)
    after = figures_of(1, per_day=60, shifts=fewer, rates=rates)
    assert after["requests"] == before["requests"]  # the same callers
    assert after["counsellors"]["use_percent"] > before["counsellors"]["use_percent"]


class TestRotas:
    def test_the_large_one_has_4_to_12_on_shift_and_nobody_more_than_three_times_a_week(
        self,
    ) -> None:
        week = MONDAY, MONDAY + timedelta(days=7)
        shifts = resolve_shifts(large_rota(LONG_AGO), *week, tz=LONDON)
        hours = [MONDAY + timedelta(hours=hour) for hour in range(168)]
        on_shift = [sum(one.start <= hour < one.end for one in shifts) for hour in hours]
        assert (min(on_shift), max(on_shift)) == (4, 12)
        begun = [one.staff_id for one in shifts if one.start >= MONDAY]
        assert len(set(begun)) == 58
        assert max(map(begun.count, begun)) == 3

    def test_one_fewer_is_one_fewer_over_all_of_the_span_and_nowhere_else(self) -> None:
        shifts = demo_shifts(14)
        left = without(shifts, parse_fewer("Fri 20:00-08:00=1"), tz=LONDON)
        for hour in range(14 * 24):
            at = MONDAY + timedelta(hours=hour, minutes=30)
            weekday, clock = at.weekday(), at.hour
            is_inside = (weekday, clock >= 20) == (4, True) or (weekday == 5 and clock < 8)
            before, after = (
                sum(one.start <= at < one.end for one in some) for some in (shifts, left)
            )
            assert before - after == is_inside

    def test_more_fewer_than_there_are_leaves_nobody(self) -> None:
        left = without(demo_shifts(1), parse_fewer("Mon 10:00-12:00=99"), tz=LONDON)
        ten = MONDAY + timedelta(hours=10)
        assert minutes_on_duty(left, ten, ten + timedelta(hours=2)) == 0
        assert minutes_on_duty(left, ten - timedelta(hours=1), ten) > 0

    @pytest.mark.parametrize(
        "text", ["", "Fri=1", "Fyr 20:00-08:00=1", "Fri 25:00-08:00=1", "Fri 20:00-08:00=x"]
    )
    def test_a_span_that_cannot_be_read_is_refused(self, text: str) -> None:
        with pytest.raises(BadInput):
            parse_fewer(text)

    def test_a_span_is_spoken_as_it_is_typed(self) -> None:
        assert parse_fewer(" fri 20:00 - 08:00 = 1").spoken == "Fri 20:00-08:00=1"


class TestProfiles:
    def test_the_shipped_one_peaks_late_at_night_and_is_lowest_in_the_morning(self) -> None:
        profile = load_profile("uk_helpline")
        hours = [MONDAY + timedelta(minutes=30 * number) for number in range(7 * 48)]
        by_clock = {(at.hour, at.minute): profile.weight(at) for at in hours[:48]}
        late = {(22, 0), (22, 30), (23, 0), (23, 30), (0, 0), (0, 30), (1, 0), (1, 30), (2, 0)}
        morning = {(hour, minute) for hour in range(5, 9) for minute in (0, 30)}
        others = by_clock.keys() - late - morning
        assert min(by_clock[one] for one in late) > max(by_clock[one] for one in others) - 1e-9
        assert max(by_clock[one] for one in morning - {(5, 0)}) < min(
            by_clock[one] for one in others
        )
        assert sum(map(profile.weight, hours)) / len(hours) == pytest.approx(1)

    def test_flat_is_the_same_at_every_hour(self) -> None:
        assert load_profile("flat") is FLAT
        assert FLAT.weight(MONDAY) == 1

    @pytest.mark.parametrize(
        "text",
        ["", "every_day = 3", "every_day = [1, 2]", f"every_day = {[0] * 24}",
         f"every_day = {[1] * 24}\nmoonday = [1]", "every_day = {}".format(["a"] * 24), "]"],
    )  # fmt: skip
    def test_one_of_another_shape_is_refused(self, text: str, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        file.write_text(text)
        with pytest.raises(BadInput):
            load_profile(str(file))

    def test_one_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(BadInput, match="nowhere"):
            load_profile("nowhere")

    def test_one_like_the_rota_is_highest_when_most_are_on_shift(self) -> None:
        end = MONDAY + timedelta(days=8)
        shifts = resolve_shifts(large_rota(LONG_AGO), MONDAY, end, tz=LONDON)
        profile = like_the_rota(shifts, MONDAY, 7, tz=LONDON)
        night, evening = MONDAY + timedelta(hours=4), MONDAY + timedelta(hours=20)
        assert profile.weight(evening) / profile.weight(night) == pytest.approx(12 / 4)

    def test_one_like_a_rota_of_few_days_has_all_of_the_demand_in_them(self) -> None:
        profile = like_the_rota(demo_shifts(2), MONDAY, 2, tz=LONDON)
        weights = [profile.weight(MONDAY + timedelta(hours=hour)) for hour in range(48)]
        assert sum(weights) / 48 == pytest.approx(1)

    def test_a_day_with_numbers_of_its_own_has_them(self, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        file.write_text(f"every_day = {[1] * 24}\nmonday = {[8] * 24}\n")
        profile = load_profile(str(file))
        assert profile.weight(MONDAY) == 4
        assert profile.weight(MONDAY + timedelta(days=1)) == 0.5


class TestDrawing:
    def test_bars_stand_on_the_base_and_are_as_high_as_their_minutes(self) -> None:
        plot = plot_hours([(60.0, 30.0)] * 24)
        assert len(plot.hours) == 24
        for hour in plot.hours:
            assert LEFT <= hour.x <= RIGHT - hour.width
            assert hour.promised.y + hour.promised.height == pytest.approx(BASE, abs=0.2)
            assert hour.promised.height == pytest.approx(2 * hour.achieved.height, abs=0.2)
        assert [line.minutes for line in plot.lines] == [0, 15, 30, 45, 60]
        assert plot.lines[-1].y == TOP

    @pytest.mark.parametrize(
        ("most", "labels"),
        [(4, "0, 1 min, 2 min, 3 min, 4 min"), (140, "0, 30 min, 1 h, 1 h 30, 2 h, 2 h 30"),
         (700, "0, 4 h, 8 h, 12 h")],
    )  # fmt: skip
    def test_lines_are_labelled_as_one_says_it(self, most: float, labels: str) -> None:
        plot = plot_hours([(most, 0.0)])
        assert ", ".join(line.label for line in plot.lines) == labels

    def test_nothing_at_all_can_be_drawn(self) -> None:
        assert plot_hours([(0.0, 0.0)] * 24).hours[0].promised.height == 0


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 5), (90, 9), (91, 10), (100, 10)])
def test_a_percentile_is_a_value_that_was_there(percent: int, value: int) -> None:
    assert percentile(range(1, 11), percent) == value
