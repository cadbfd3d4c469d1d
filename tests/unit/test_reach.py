"""A wish is waited for only while somebody on the rota could still meet it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.planning import HANDOVER_MARGIN, Availability
from callback_service.domain.reach import Reach
from callback_service.domain.skills import Gender
from callback_service.domain.wishes import Step, Wishes, asked_until, in_force, steps
from tests.support.builders import NOW

MINUTE = timedelta(minutes=1)
DUE = NOW + 60 * MINUTE
WOMAN = Wishes(gender=Gender.WOMAN)
#: Of an hour promised the counsellor is asked for until 30, the gender until 45, Polish until 50.
ALL = Wishes("pl", Gender.WOMAN, 12)


def on_duty(
    number: int,
    *met: str,
    start: float = -60,
    end: float = 480,
    free_in: float = 0,
    signed_off_for: float | None = None,
) -> Availability:
    """Somebody on shift between these minutes from now."""
    return Availability(
        number,
        NOW + free_in * MINUTE,
        ((NOW + start * MINUTE, NOW + end * MINUTE),),
        skills=frozenset(met),
        signed_off_until=None if signed_off_for is None else NOW + signed_off_for * MINUTE,
    )


def asked(
    wishes: Wishes,
    *people: Availability,
    now: datetime = NOW,
    avoid: frozenset[int] = frozenset(),
) -> list[tuple[list[str], float]]:
    """What is asked for from which minute on."""
    by_time = in_force(steps(wishes, ring_from=NOW, due_at=DUE), now=now)
    found = Reach(people).within(by_time, avoid=avoid, now=now)
    return [(sorted(step.needs), (step.since - NOW) / MINUTE) for step in found]


Asked = list[tuple[list[str], float]]
HOLDS: Asked = [(["gender:woman"], 0), ([], 45)]
IN_VAIN: Asked = [([], 0)]


@pytest.mark.parametrize(
    ("woman", "expected"),
    [
        (on_duty(1, "gender:woman"), HOLDS),
        (on_duty(1, "gender:woman", start=44), HOLDS),
        (on_duty(1, "gender:woman", start=45), IN_VAIN),
        (on_duty(1, "gender:woman", end=20), HOLDS),
        (on_duty(1, "gender:woman", end=19), IN_VAIN),  # no call begins so late in a shift
        (on_duty(1, "gender:woman", start=-600, end=-60), IN_VAIN),
        (on_duty(1, "gender:woman", start=10, end=25), IN_VAIN),  # too short for any call
        (on_duty(1, "gender:man"), IN_VAIN),
    ],
)
def test_a_wish_holds_where_the_call_of_somebody_who_meets_it_may_begin_in_its_time(
    woman: Availability, expected: list[tuple[list[str], float]]
) -> None:
    assert asked(WOMAN, on_duty(2), woman) == expected


def test_who_is_in_a_call_or_on_a_break_is_waited_for_as_that_can_be_over_any_minute() -> None:
    assert asked(WOMAN, on_duty(1, "gender:woman", free_in=300)) == HOLDS


@pytest.mark.parametrize(("minutes", "expected"), [(44, HOLDS), (45, IN_VAIN)])
def test_who_has_signed_off_is_not_waited_for(
    minutes: float, expected: list[tuple[list[str], float]]
) -> None:
    assert asked(WOMAN, on_duty(1, "gender:woman", signed_off_for=minutes)) == expected


def test_who_let_the_request_go_by_or_knows_the_caller_is_not_waited_for() -> None:
    woman = on_duty(1, "gender:woman")
    assert asked(WOMAN, woman, avoid=frozenset({1})) == IN_VAIN
    assert asked(WOMAN, woman, on_duty(2, "gender:woman"), avoid=frozenset({1})) == HOLDS


def test_a_wish_ends_once_the_last_who_meets_it_begins_no_more_calls() -> None:
    woman = on_duty(1, "gender:woman", end=40)
    assert asked(WOMAN, woman, now=NOW + 20 * MINUTE) == HOLDS
    assert asked(WOMAN, woman, now=NOW + 21 * MINUTE) == IN_VAIN


def test_a_wish_holds_again_for_its_own_time_once_somebody_is_put_on_shift() -> None:
    later = NOW + 10 * MINUTE
    assert asked(WOMAN, on_duty(2), now=later) == IN_VAIN
    assert asked(WOMAN, on_duty(2), on_duty(1, "gender:woman", start=12), now=later) == HOLDS


def test_a_wish_that_is_in_vain_stands_in_the_way_of_no_other() -> None:
    assert asked(ALL, on_duty(1, "gender:woman")) == [(["gender:woman"], 0), ([], 45)]
    assert asked(ALL, on_duty(1, "language:pl")) == [(["language:pl"], 0), ([], 50)]


def test_what_no_one_person_meets_is_asked_for_only_as_far_as_somebody_does() -> None:
    people = on_duty(1, "gender:woman"), on_duty(2, "language:pl")
    assert asked(Wishes("pl", Gender.WOMAN), *people) == [(["language:pl"], 0), ([], 50)]


def test_wishes_that_all_can_be_met_stay_as_they_are() -> None:
    person = on_duty(12, "counsellor:12", "gender:woman", "language:pl")
    by_time = steps(ALL, ring_from=NOW, due_at=DUE)
    assert Reach([person]).within(by_time, now=NOW) == by_time


def test_a_wish_for_a_later_window_is_judged_by_who_works_then() -> None:
    window = NOW + 600 * MINUTE, NOW + 720 * MINUTE
    by_time = steps(WOMAN, ring_from=window[0], due_at=window[1])
    [now_only, then] = on_duty(1, "gender:woman"), on_duty(2, "gender:woman", start=590, end=900)
    assert Reach([now_only, then]).within(by_time, now=NOW) == by_time
    assert Reach([now_only]).within(by_time, now=NOW) == [Step(frozenset(), window[0])]


@given(
    wishes=st.builds(
        Wishes,
        st.sampled_from([None, "pl"]),
        st.sampled_from([None, *Gender]),
        st.sampled_from([None, 1, 9]),
    ),
    shifts=st.lists(
        st.tuples(
            st.frozensets(
                st.sampled_from(
                    ["language:pl", "gender:man", "gender:woman", "counsellor:1", "counsellor:9"]
                )
            ),
            st.integers(-120, 80),
            st.integers(1, 120),
        ),
        max_size=4,
    ),
    minute=st.integers(0, 70),
)
def test_it_never_holds_for_longer_and_ends_with_everybody(
    wishes: Wishes, shifts: list[tuple[frozenset[str], int, int]], minute: int
) -> None:
    now = NOW + minute * MINUTE
    people = [
        on_duty(number, *met, start=start, end=start + length)
        for number, (met, start, length) in enumerate(shifts)
    ]
    by_time = in_force(steps(wishes, ring_from=NOW, due_at=DUE), now=now)
    found = Reach(people).within(by_time, now=now)
    assert found[0].since == by_time[0].since
    assert found[-1].needs == frozenset()
    assert [step.since for step in found] == sorted({step.since for step in found})
    for need in found[0].needs:
        until, before = asked_until(found, need), asked_until(by_time, need)
        assert until is not None
        assert before is not None
        assert until <= before
    first = max(found[0].since, now)
    assert not found[0].needs or any(
        found[0].needs <= met
        and max(one.spans[0][0], first) <= one.spans[0][1] - HANDOVER_MARGIN
        and max(one.spans[0][0], first) < found[1].since
        for one, (met, *_) in zip(people, shifts, strict=True)
    )
