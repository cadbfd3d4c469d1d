"""A wish is met while the promise allows, widened in time, and never leaves anybody to nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.plan_wishes import plan_with_wishes
from callback_service.domain.planning import Availability, Planned, Task
from callback_service.domain.skills import Gender, skill
from callback_service.domain.skills import SkillKind as Kind
from callback_service.domain.wishes import (
    Wishes,
    WishKind,
    in_force,
    in_words,
    is_held_back_by,
    meets,
    read_wishes,
    steps,
    widened_at,
)
from tests.support.builders import NOW

MINUTE = timedelta(minutes=1)
DUE = NOW + 60 * MINUTE
WOMAN = Wishes(gender=Gender.WOMAN)
ALL = Wishes("pl", Gender.WOMAN, 12)


def on_duty(number: int, *met: str, free_in: int = 0) -> Availability:
    spans = ((NOW - 60 * MINUTE, NOW + timedelta(hours=8)),)
    return Availability(number, NOW + free_in * MINUTE, spans, skills=frozenset(met))


def planned(
    people: list[Availability], *wishes: Wishes, now: datetime = NOW
) -> dict[int, tuple[int, datetime]]:
    tasks = [Task(number, now, DUE) for number, _ in enumerate(wishes)]
    steps_of = {
        number: in_force(steps(one, ring_from=NOW, due_at=DUE), now=now)
        for number, one in enumerate(wishes)
        if one.kinds()
    }
    plan: list[Planned] = plan_with_wishes(tasks, steps_of, people, now=now)
    return {entry.request_id: (entry.counsellor_id, entry.start) for entry in plan}


def test_wishes_are_widened_one_after_the_other_and_the_language_last() -> None:
    found = steps(ALL, ring_from=NOW, due_at=DUE)
    assert [(sorted(step.needs), (step.since - NOW) / MINUTE) for step in found] == [
        (["counsellor:12", "gender:woman", "language:pl"], 0),
        (["gender:woman", "language:pl"], 30),
        (["language:pl"], 45),
        ([], 50),
    ]


def test_the_steps_in_force_begin_with_the_one_that_holds_now() -> None:
    found = steps(ALL, ring_from=NOW, due_at=DUE)
    assert in_force(found, now=NOW - MINUTE) == found
    assert in_force(found, now=NOW + 29 * MINUTE) == found
    assert in_force(found, now=NOW + 30 * MINUTE) == found[1:]
    assert in_force(found, now=DUE) == found[3:]


@pytest.mark.parametrize(("promised_in", "holds"), [(12, 10), (60, 50), (180, 150), (900, 870)])
def test_a_language_is_widened_while_others_can_still_keep_the_promise(
    promised_in: int, holds: int
) -> None:
    due_at = NOW + promised_in * MINUTE
    found = widened_at(WishKind.LANGUAGE, ring_from=NOW, due_at=due_at)
    assert found == NOW + holds * MINUTE


@pytest.mark.parametrize(
    ("newcomer", "older", "is_held_back"),
    [
        (Wishes(), Wishes(), True),
        (Wishes(), Wishes(gender=Gender.WOMAN), True),
        (Wishes(), Wishes("pl"), False),
        (Wishes("pl"), Wishes(), True),
        (Wishes("pl"), Wishes("pl"), True),
        (Wishes("pl"), Wishes("cy"), False),
    ],
)
def test_nobody_is_held_back_by_who_waits_for_a_language_of_their_own(
    newcomer: Wishes, older: Wishes, is_held_back: bool
) -> None:
    assert is_held_back_by(newcomer, older) is is_held_back


def test_a_wish_is_met_by_somebody_who_is_free_later_but_in_time() -> None:
    people = [on_duty(1), on_duty(2, "gender:woman", free_in=40)]
    assert planned(people, WOMAN)[0] == (2, NOW + 40 * MINUTE)


def test_a_wish_that_cannot_be_met_in_time_waits_until_it_is_widened_and_no_longer() -> None:
    people = [on_duty(1), on_duty(2, "gender:woman", free_in=50)]
    assert planned(people, WOMAN)[0] == (1, NOW + 45 * MINUTE)
    assert planned(people, WOMAN, now=NOW + 45 * MINUTE)[0] == (1, NOW + 45 * MINUTE)


def test_a_wish_that_nobody_can_meet_in_time_is_not_waited_for() -> None:
    assert planned([on_duty(1)], ALL)[0] == (1, NOW)
    assert planned([on_duty(1, "language:pl")], ALL)[0] == (1, NOW)


def test_whoever_spoke_with_them_is_kept_for_them() -> None:
    people = [on_duty(number, *(["counsellor:2"] if number == 2 else [])) for number in (1, 2, 3)]
    plan = planned(people, Wishes(), Wishes(), Wishes(counsellor_id=2))
    assert plan[2] == (2, NOW)
    assert {plan[0][0], plan[1][0]} == {1, 3}


@given(
    wishes=st.lists(
        st.builds(
            Wishes,
            st.sampled_from([None, "pl", "cy"]),
            st.sampled_from([None, *Gender]),
            st.sampled_from([None, 1, 9]),
        ),
        min_size=1,
        max_size=8,
    ),
    met=st.lists(
        st.frozensets(st.sampled_from(["language:pl", "gender:man", "gender:woman"])),
        min_size=1,
        max_size=4,
    ),
    minutes=st.integers(0, 90),
)
def test_whatever_is_wished_for_everybody_is_planned(
    wishes: list[Wishes], met: list[frozenset[str]], minutes: int
) -> None:
    people = [on_duty(number + 1, *own) for number, own in enumerate(met)]
    now = NOW + minutes * MINUTE
    people = [Availability(one.counsellor_id, now, one.spans, 0, one.skills) for one in people]
    assert planned(people, *wishes, now=now).keys() == set(range(len(wishes)))


@pytest.mark.parametrize(
    ("need", "is_met"),
    [
        ("counsellor:7", True),
        ("counsellor:70", False),
        ("language:pl", True),
        ("language:en", True),
        ("language:cy", False),
        ("gender:woman", True),
        ("gender:man", False),
    ],
)
def test_a_need_is_met_by_who_has_it(need: str, is_met: bool) -> None:
    own = frozenset({skill(Kind.LANGUAGE, "pl"), skill(Kind.GENDER, "woman")})
    assert meets(need, staff_id=7, skills=own) is is_met


def test_english_is_no_wish_and_an_unknown_language_is_refused() -> None:
    assert read_wishes("en", "") == Wishes()
    assert read_wishes("Polish", "woman") == Wishes("pl", Gender.WOMAN)
    with pytest.raises(ValueError, match="language"):
        read_wishes("gibberish", None)
    with pytest.raises(ValueError, match="somebody"):
        read_wishes(None, "somebody")


def test_wishes_in_words() -> None:
    assert [in_words(ALL, kind) for kind in WishKind] == [
        "the counsellor they spoke with",
        "a woman",
        "somebody who speaks Polish",
    ]


def test_a_wish_that_was_made_before_stays_where_nothing_new_is_wished_for() -> None:
    assert Wishes("cy").or_else(ALL) == Wishes("cy", Gender.WOMAN, 12)


def test_a_wish_for_a_woman_holds_for_three_quarters_of_the_time_promised() -> None:
    assert widened_at(WishKind.GENDER, ring_from=NOW, due_at=DUE) == NOW + 45 * MINUTE
