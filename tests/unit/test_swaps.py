"""The states of a swap, and what one makes of the rota."""

from __future__ import annotations

from datetime import date, time, timedelta
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callback_service.domain import leave_requests
from callback_service.domain.leave_requests import LeaveState
from callback_service.domain.rota import Duty, Pattern, Shift, Source, resolve_shifts
from callback_service.domain.rota_changes import ChangeSet
from callback_service.domain.spans import joined
from callback_service.domain.swaps import ALLOWED, SwapState, Terms, check_move, replacements
from callback_service.domain.wall_time import EVERY_DAY, ONE_DAY, Span, start_of_day, wall_span
from callback_service.errors import Refused
from tests.rota_builders import LONDON, local

HOUR = timedelta(hours=1)
ANA, BEN = 1, 2


@pytest.mark.parametrize(("current", "target"), list(product(SwapState, SwapState)))
def test_a_swap_moves_as_the_table_says_and_not_otherwise(
    current: SwapState, target: SwapState
) -> None:
    if target in ALLOWED[current]:
        check_move(current, target)
        return
    with pytest.raises(Refused, match=f"{current}, so it cannot become {target}"):
        check_move(current, target)


@pytest.mark.parametrize(("current", "target"), list(product(LeaveState, LeaveState)))
def test_only_leave_that_was_asked_for_moves(current: LeaveState, target: LeaveState) -> None:
    if current is LeaveState.ASKED and target is not LeaveState.ASKED:
        leave_requests.check_move(current, target)
        return
    with pytest.raises(Refused):
        leave_requests.check_move(current, target)


@pytest.mark.parametrize(
    ("offered", "returned"),
    [
        (("2026-12-01 07:00", "2026-12-01 15:00"), ("2026-12-02 15:00", "2026-12-02 23:00")),
        (("2026-12-01 07:00", "2026-12-01 15:00"), ("2026-12-01 14:00", "2026-12-01 22:00")),
        (("2026-12-01 07:00", "2026-12-01 22:00"), ("2026-12-01 10:00", "2026-12-01 14:00")),
        (("2026-12-01 23:00", "2026-12-02 07:00"), None),
    ],
    ids=["apart", "overlapping", "one within the other", "nothing in return"],
)
def test_who_exchange_shifts_have_exactly_each_others(
    offered: tuple[str, str], returned: tuple[str, str] | None
) -> None:
    day = local(offered[0]).date()
    patterns = [_once(ANA, offered)]
    if returned:
        patterns.append(_once(BEN, returned))
    spans = [(local(one[0]), local(one[1])) for one in (offered, returned) if one]
    terms = Terms(ANA, BEN, Duty.COUNSELLING, spans[0], spans[1] if returned else None)
    changes = replacements(terms)
    assert all(change.source is Source.SWAP for change in changes)
    shifts = resolve_shifts(
        patterns,
        local(f"{day} 00:00"),
        local(f"{day} 00:00") + 72 * HOUR,
        tz=LONDON,
        changes=ChangeSet(changes),
    )
    assert _time_of(BEN, shifts) == [spans[0]]
    assert _time_of(ANA, shifts) == spans[1:]


def _once(staff_id: int, span: tuple[str, str]) -> Pattern:
    start, end = local(span[0]), local(span[1])
    day = start.date()
    return Pattern(None, staff_id, Duty.COUNSELLING, EVERY_DAY, start.time(), end.time(), day, day)


def _time_of(staff_id: int, shifts: list[Shift]) -> list[Span]:
    """When they are on duty; nobody twice at once."""
    own = [(shift.start, shift.end) for shift in shifts if shift.staff_id == staff_id]
    assert sum((end - start for start, end in own), 0 * HOUR) == sum(
        (end - start for start, end in joined(own)), 0 * HOUR
    )
    return joined(own)


MINUTES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
DAYS = st.sampled_from([date(2026, 10, 24), date(2026, 10, 25), date(2027, 3, 28)])


@given(DAYS, MINUTES, MINUTES, st.integers(0, 1), MINUTES, MINUTES)
@settings(max_examples=80)
def test_any_two_shifts_change_hands_whole_across_clock_changes_and_nobody_is_on_twice(
    day: date, start: time, end: time, later: int, other_start: time, other_end: time
) -> None:
    other_day = day + later * ONE_DAY
    given_span = wall_span(day, start, end, tz=LONDON)
    returned = wall_span(other_day, other_start, other_end, tz=LONDON)
    assume(all(first < last for first, last in (given_span, returned)) and given_span != returned)
    patterns = [
        Pattern(None, ANA, Duty.COUNSELLING, EVERY_DAY, start, end, day, day),
        Pattern(
            None, BEN, Duty.COUNSELLING, EVERY_DAY, other_start, other_end, other_day, other_day
        ),
    ]
    changes = replacements(Terms(ANA, BEN, Duty.COUNSELLING, given_span, returned))
    first = start_of_day(day, tz=LONDON)
    shifts = resolve_shifts(
        patterns, first, first + 72 * HOUR, tz=LONDON, changes=ChangeSet(changes)
    )
    assert _time_of(BEN, shifts) == [given_span]
    assert _time_of(ANA, shifts) == [returned]
