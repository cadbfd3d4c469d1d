"""Changes for given dates beat the patterns, instant by instant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.cover import Stretch, new_gaps
from callback_service.domain.rota import Duty, Pattern, Shift, Source, clip, on_duty, resolve_shifts
from callback_service.domain.rota_changes import (
    Change,
    ChangeSet,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
    person_spans,
)
from callback_service.domain.wall_time import EVERY_DAY

LONDON = ZoneInfo("Europe/London")
AMIRA, BEN, CARA = 1, 2, 3
HOUR = timedelta(hours=1)
ADD, REMOVE, REPLACE = OverrideKind


def pattern(start: str, end: str, staff_id: int = AMIRA, number: int = 7) -> Pattern:
    times = time.fromisoformat(start), time.fromisoformat(end)
    return Pattern(number, staff_id, Duty.COUNSELLING, EVERY_DAY, *times, date(2020, 1, 6))


def z(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(hour: float) -> datetime:
    """An hour of one winter day."""
    return z("2026-11-28T00:00") + HOUR * hour


def on_that_day(patterns: list[Pattern], *changes: Change) -> list[Shift]:
    return resolve_shifts(patterns, at(0), at(24), tz=LONDON, changes=ChangeSet(changes))


def spoken(shifts: list[Shift]) -> list[tuple[int | None, float, float, str]]:
    """Whose shift it is, from which hour to which, and what it comes from."""
    return [
        (s.staff_id, (s.start - at(0)) / HOUR, (s.end - at(0)) / HOUR, s.source.value)
        for s in shifts
    ]


NINE_TO_FIVE = pattern("09:00", "17:00")


def sick(start: float, end: float, staff_id: int = AMIRA) -> Leave:
    return Leave(staff_id, at(start), at(end), LeaveReason.SICK)


def test_leave_is_cut_out_of_a_shift_and_the_rest_remains() -> None:
    assert spoken(on_that_day([NINE_TO_FIVE], sick(12, 13.5))) == [
        (AMIRA, 9, 12, "pattern"),
        (AMIRA, 13.5, 17, "pattern"),
    ]


def test_leave_over_a_whole_shift_leaves_nothing() -> None:
    assert on_that_day([NINE_TO_FIVE], sick(9, 17)) == []


def test_a_change_that_only_touches_a_shift_changes_nothing() -> None:
    assert len(on_that_day([NINE_TO_FIVE], sick(0, 9), sick(17, 20))) == 1


def test_a_change_is_exact_to_the_second() -> None:
    second = timedelta(seconds=1)
    leave = Leave(AMIRA, at(12), at(12) + second, LeaveReason.OTHER)
    [before, after] = on_that_day([NINE_TO_FIVE], leave)
    assert (before.end, after.start) == (at(12), at(12) + second)


def test_somebody_is_taken_off_one_duty_only() -> None:
    off_lead = Override(REMOVE, AMIRA, at(9), at(17), Duty.DUTY_LEAD)
    assert spoken(on_that_day([NINE_TO_FIVE], off_lead)) == [(AMIRA, 9, 17, "pattern")]
    off_calls = Override(REMOVE, AMIRA, at(9), at(16))
    assert spoken(on_that_day([NINE_TO_FIVE], off_calls)) == [(AMIRA, 16, 17, "pattern")]


def test_an_added_shift_says_that_it_is_an_override() -> None:
    added = Override(ADD, BEN, at(18), at(22))
    assert spoken(on_that_day([NINE_TO_FIVE], added)) == [
        (AMIRA, 9, 17, "pattern"),
        (BEN, 18, 22, "override"),
    ]


def test_an_added_shift_beats_the_pattern_it_overlaps() -> None:
    assert spoken(on_that_day([NINE_TO_FIVE], Override(ADD, AMIRA, at(16), at(20)))) == [
        (AMIRA, 9, 16, "pattern"),
        (AMIRA, 16, 20, "override"),
    ]


def test_who_stands_in_works_the_same_span() -> None:
    stand_in = Override(REPLACE, AMIRA, at(0), at(24), by_id=BEN)
    assert spoken(on_that_day([NINE_TO_FIVE], stand_in)) == [(BEN, 9, 17, "override")]


def test_a_gap_between_two_shifts_stays_a_gap_when_somebody_stands_in() -> None:
    patterns = [pattern("06:00", "10:00"), pattern("14:00", "18:00", number=8)]
    stand_in = Override(REPLACE, AMIRA, at(8), at(16), by_id=BEN)
    assert spoken(on_that_day(patterns, stand_in)) == [
        (AMIRA, 6, 8, "pattern"),
        (BEN, 8, 10, "override"),
        (BEN, 14, 16, "override"),
        (AMIRA, 16, 18, "pattern"),
    ]


def test_a_replacement_says_so_when_two_agreed_on_it() -> None:
    swap = Override(REPLACE, AMIRA, at(9), at(17), by_id=BEN, source=Source.SWAP)
    assert spoken(on_that_day([NINE_TO_FIVE], swap)) == [(BEN, 9, 17, "swap")]


def test_who_is_away_does_not_stand_in() -> None:
    stand_in = Override(REPLACE, AMIRA, at(9), at(17), by_id=BEN)
    assert spoken(on_that_day([NINE_TO_FIVE], stand_in, sick(12, 24, BEN))) == [
        (BEN, 9, 12, "override")
    ]


def test_leave_that_splits_one_of_two_overlapping_additions_doubles_nobody() -> None:
    long, short = Override(ADD, BEN, at(0), at(4)), Override(ADD, BEN, at(1), at(2))
    assert spoken(on_that_day([], short, sick(2, 3, BEN), long)) == [
        (BEN, 0, 1, "override"),
        (BEN, 1, 2, "override"),
        (BEN, 3, 4, "override"),
    ]


def test_an_open_shift_is_held_by_nobody() -> None:
    shifts = on_that_day([], OpenShift(at(9), at(17)), OpenShift(at(9), at(17)))
    assert spoken(shifts) == [(None, 9, 17, "open")] * 2


@pytest.mark.parametrize(
    ("night", "hours"),
    [("2026-03-28", 11), ("2026-10-24", 13), ("2026-11-28", 12)],
)
def test_a_night_through_a_clock_change_is_moved_whole(night: str, hours: int) -> None:
    """The nights of both clock changes, 20:00 to 08:00 of the wall clock, and an ordinary one."""
    start = z(f"{night}T12:00")
    stand_in = Override(REPLACE, AMIRA, start, start + HOUR * 24, by_id=BEN)
    [shift] = resolve_shifts(
        [pattern("20:00", "08:00")],
        start,
        start + HOUR * 12,
        tz=LONDON,
        changes=ChangeSet([stand_in]),
    )
    assert (shift.staff_id, shift.end - shift.start) == (BEN, HOUR * hours)


def test_the_repeated_hour_is_not_worked_twice_by_one_person() -> None:
    """01:30 comes twice: one shift of the day starts at the first, the other ends at the last."""
    start, end = z("2026-10-24T12:00"), z("2026-10-25T12:00")
    patterns = [pattern("20:00", "01:30"), pattern("01:30", "09:00", number=8)]
    first, second = resolve_shifts(patterns, start, end, tz=LONDON)
    assert (first.end, second.start) == (z("2026-10-25T00:30"), z("2026-10-25T00:30"))
    two_people = [pattern("20:00", "01:30"), pattern("01:30", "09:00", BEN)]
    first, second = resolve_shifts(two_people, start, end, tz=LONDON)
    assert (first.end, second.start) == (z("2026-10-25T01:30"), z("2026-10-25T00:30"))


def test_a_change_in_the_repeated_hour_means_one_of_the_two() -> None:
    start, end = z("2026-10-25T00:00"), z("2026-10-25T03:00")
    leave = Leave(AMIRA, z("2026-10-25T00:30"), z("2026-10-25T01:30"), LeaveReason.OTHER)
    shifts = resolve_shifts(
        [pattern("00:00", "06:00")], start, end, tz=LONDON, changes=ChangeSet([leave])
    )
    assert [s.end - s.start for s in shifts] == [HOUR * 1.5, HOUR * 4.5]


@pytest.mark.parametrize(
    ("kind", "by_id", "end"),
    [(REPLACE, None, at(17)), (ADD, BEN, at(17)), (REPLACE, AMIRA, at(17)), (ADD, None, at(9))],
)
def test_an_override_that_makes_no_sense_is_refused(
    kind: OverrideKind, by_id: int | None, end: datetime
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says another thing
        Override(kind, AMIRA, at(9), end, by_id=by_id)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        OpenShift(at(9).replace(tzinfo=None), at(10).replace(tzinfo=None))


def test_a_change_speaks_for_everybody_whose_day_it_changes() -> None:
    assert person_spans(Override(REPLACE, AMIRA, at(9), at(17), by_id=BEN)) == [
        (AMIRA, at(9), at(17)),
        (BEN, at(9), at(17)),
    ]
    assert person_spans(sick(9, 17)) == [(AMIRA, at(9), at(17))]
    assert person_spans(OpenShift(at(9), at(17))) == []


def test_only_what_was_not_a_gap_before_is_a_new_gap() -> None:
    before = [
        Stretch(at(0), at(6), 1, 0),
        Stretch(at(6), at(12), 1, 1),
        Stretch(at(12), at(18), 2, 2),
    ]
    after = [
        Stretch(at(0), at(9), 1, 0),
        Stretch(at(9), at(12), 1, 1),
        Stretch(at(12), at(18), 2, 1),
    ]
    assert new_gaps(before, after) == [
        Stretch(at(6), at(9), 1, 0),
        Stretch(at(12), at(18), 2, 1),
    ]


WALL_TIMES = st.integers(0, 47).map(lambda half: time(half // 2, 30 * (half % 2)))
CHANGES_OF_THE_CLOCK = st.sampled_from([z("2026-03-26T00:00"), z("2026-10-22T00:00"), at(0)])
PEOPLE = st.integers(AMIRA, CARA)


@st.composite
def spans(draw: st.DrawFn, origin: datetime) -> tuple[datetime, datetime]:
    start = origin + timedelta(minutes=10) * draw(st.integers(0, 6 * 24 * 6))
    return start, start + timedelta(minutes=10) * draw(st.integers(1, 6 * 40))


@st.composite
def any_change(draw: st.DrawFn, origin: datetime) -> Change:
    start, end = draw(spans(origin))
    duty = draw(st.sampled_from(Duty))
    kind = draw(st.sampled_from(["leave", "open", *OverrideKind]))
    if kind == "open":
        return OpenShift(start, end, duty)
    if kind == "leave":
        return Leave(draw(PEOPLE), start, end, LeaveReason.ANNUAL)
    who, by_id = draw(st.permutations([AMIRA, BEN, CARA]))[:2]
    replaces = kind == REPLACE
    return Override(OverrideKind(kind), who, start, end, duty, by_id if replaces else None)


@st.composite
def rotas(draw: st.DrawFn) -> tuple[list[Pattern], list[Change], datetime]:
    """Patterns and changes, overlapping as they like, in a week; the week's start."""
    origin = draw(CHANGES_OF_THE_CLOCK)
    patterns = [
        Pattern(
            number,
            draw(PEOPLE),
            draw(st.sampled_from(Duty)),
            draw(st.frozensets(st.integers(0, 6), min_size=1)),
            draw(WALL_TIMES),
            draw(WALL_TIMES),
            date(2026, 1, 1),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return patterns, draw(st.lists(any_change(origin), max_size=5)), origin


@settings(max_examples=200)
@given(rotas())
def test_nobody_is_on_one_duty_twice_at_once(
    rota: tuple[list[Pattern], list[Change], datetime],
) -> None:
    patterns, changes, origin = rota
    shifts = resolve_shifts(
        patterns, origin, origin + HOUR * 24 * 7, tz=LONDON, changes=ChangeSet(changes)
    )
    held = [shift for shift in shifts if shift.staff_id is not None]
    for one, other in combinations(held, 2):
        if (one.staff_id, one.duty) == (other.staff_id, other.duty):
            assert one.end <= other.start or other.end <= one.start


@settings(max_examples=200)
@given(rotas(), st.integers(1, 6 * 24 * 7 - 1))
def test_resolving_a_range_equals_resolving_its_parts(
    rota: tuple[list[Pattern], list[Change], datetime], tens: int
) -> None:
    patterns, changes, start = rota
    end, middle = start + HOUR * 24 * 7, start + timedelta(minutes=10) * tens
    found = ChangeSet(changes)
    whole = resolve_shifts(patterns, start, end, tz=LONDON, changes=found)
    for first, last in ((start, middle), (middle, end)):
        part = resolve_shifts(patterns, first, last, tz=LONDON, changes=found)
        assert Counter(clip(part, first, last)) == Counter(clip(whole, first, last))


@settings(max_examples=200)
@given(rotas(), st.integers(0, 6 * 24 * 7))
def test_at_each_instant_the_rules_say_who_is_on(
    rota: tuple[list[Pattern], list[Change], datetime], tens: int
) -> None:
    """The rules of the module, applied to one instant with nothing but sets."""
    patterns, changes, origin = rota
    now = origin + timedelta(minutes=10) * tens
    meet = [change for change in changes if change.start <= now < change.end]
    planned = resolve_shifts(patterns, now, now + HOUR / 60, tz=LONDON)
    for duty in Duty:
        on_pattern = {shift.staff_id for shift in on_duty(planned, now, duty)}
        overrides = [c for c in meet if isinstance(c, Override) and c.duty is duty]
        away = {c.staff_id for c in meet if isinstance(c, Leave)}
        away |= {c.staff_id for c in overrides if c.kind is not ADD}
        given_to: set[int | None] = {c.staff_id for c in overrides if c.kind is ADD}
        given_to |= {c.by_id for c in overrides if c.kind is REPLACE and c.staff_id in on_pattern}
        shifts = resolve_shifts(
            patterns, now, now + HOUR / 60, tz=LONDON, changes=ChangeSet(changes)
        )
        held = [s for s in on_duty(shifts, now, duty) if s.staff_id is not None]
        assert {shift.staff_id for shift in held} == (on_pattern | given_to) - away
        by_change = {s.staff_id for s in held if s.source is not Source.PATTERN}
        assert by_change == given_to - away
