"""Which gaps are told of: each once, again when it grows or is near."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.cover import Stretch
from callback_service.domain.gap_warnings import Finding, Gap, Known, compare, whole_gaps
from callback_service.domain.skills import parse_skill

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
H = timedelta(hours=1)
UNTIL = NOW + 28 * 24 * H


def stretch(start: int, end: int, *, short: int) -> Stretch:
    """A stretch from one hour after NOW to another."""
    return Stretch(NOW + start * H, NOW + end * H, 2, 2 - short)


def gap(start: int, end: int, short: int = 1, *, goes_on: bool = False) -> Gap:
    return Gap(NOW + start * H, NOW + end * H, short, goes_on)


def known(
    start: int, end: int, short: int = 1, *, number: int = 1, goes_on: bool = False,
    is_told_near: bool = False, is_muted: bool = False,
) -> Known:  # fmt: skip
    span = NOW + start * H, NOW + end * H
    return Known(number, *span, short, goes_on, is_told_near, is_muted)


def only(found: Gap, *before: Known) -> Finding:
    [finding], _ = compare([found], before, now=NOW)
    return finding


def test_touching_shortfalls_are_one_gap_at_its_worst() -> None:
    stretches = [
        stretch(0, 10, short=0),
        stretch(10, 12, short=1),
        stretch(12, 13, short=2),
        stretch(13, 20, short=0),
        stretch(20, 21, short=1),
    ]
    assert whole_gaps(stretches, until=UNTIL) == [gap(10, 13, 2), gap(20, 21)]


def test_an_empty_rota_is_one_gap_that_goes_on() -> None:
    empty = [Stretch(NOW, NOW + H, 1, 0), Stretch(NOW + H, UNTIL, 3, 0)]
    assert whole_gaps(empty, until=UNTIL) == [Gap(NOW, UNTIL, 3, True)]


def test_a_new_gap_is_told_of() -> None:
    finding = only(gap(100, 108))
    assert (finding.is_told, finding.is_told_near, finding.keeps) == (True, False, None)


def test_a_known_gap_is_not_told_of_again() -> None:
    assert not only(gap(100, 108), known(100, 108)).is_told
    assert not only(gap(102, 105), known(100, 108)).is_told


@pytest.mark.parametrize("grown", [gap(99, 108), gap(100, 109), gap(100, 108, 2), gap(90, 120, 3)])
def test_a_gap_that_grew_is_told_of_again(grown: Gap) -> None:
    assert only(grown, known(100, 108)).is_told


def test_two_gaps_that_became_one_are_told_of_for_what_lies_between() -> None:
    before = known(100, 108, number=1), known(110, 118, number=2)
    [finding], gone = compare([gap(100, 118)], before, now=NOW)
    assert finding.is_told
    assert (finding.keeps, gone) == (before[0], [before[1]])


def test_a_gap_that_was_filled_in_part_is_not_told_of_again() -> None:
    before = known(100, 120)
    findings, gone = compare([gap(100, 104), gap(110, 120)], [before], now=NOW)
    assert [finding.is_told for finding in findings] == [False, False]
    assert [finding.keeps for finding in findings] == [before, None]
    assert gone == []


@pytest.mark.parametrize(("starts", "is_told"), [(48, True), (49, False)])
def test_a_known_gap_is_told_of_once_more_when_it_is_near(starts: int, *, is_told: bool) -> None:
    finding = only(gap(starts, 60), known(starts, 60))
    assert (finding.is_told, finding.is_told_near) == (is_told, is_told)
    assert not only(gap(starts, 60), known(starts, 60, is_told_near=True)).is_told


def test_a_new_gap_that_is_near_is_told_of_once_for_both() -> None:
    assert only(gap(5, 8)).is_told_near


def test_a_muted_gap_is_told_of_only_if_it_grows() -> None:
    muted = known(20, 30, is_muted=True)
    assert not only(gap(20, 30), muted).is_told
    assert only(gap(20, 30), muted).is_muted
    grown = only(gap(20, 31), muted)
    assert (grown.is_told, grown.is_muted) == (True, False)


def test_a_gap_that_moves_on_with_the_end_of_the_looking_has_not_grown() -> None:
    before = known(-10, 28 * 24 - 10, goes_on=True, is_told_near=True)
    assert not only(Gap(NOW, UNTIL, 1, True), before).is_told


def test_a_gap_that_was_filled_or_is_over_is_gone() -> None:
    before = known(100, 108, number=1), known(-5, 0, number=2)
    assert compare([], before, now=NOW) == ([], list(before))
    assert compare([gap(0, 3)], [before[1]], now=NOW)[1] == [before[1]]


GAPS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 3)), max_size=8)


def drawn(parts: list[tuple[int, int, int]]) -> list[Gap]:
    """Gaps one after the other, with time between them."""
    gaps, at = [], 0
    for free, length, short in parts:
        gaps.append(gap(at + free, at + free + length, short))
        at += free + length
    return gaps


def recorded(findings: list[Finding]) -> list[Known]:
    """What is known after these were told of."""
    return [
        Known(number, *finding.gap[:4], finding.is_told_near, finding.is_muted)
        for number, finding in enumerate(findings)
    ]


@given(GAPS)
def test_looking_twice_tells_once(parts: list[tuple[int, int, int]]) -> None:
    findings, _ = compare(drawn(parts), [], now=NOW)
    assert all(finding.is_told for finding in findings)
    again, gone = compare(drawn(parts), recorded(findings), now=NOW)
    assert [finding.is_told for finding in again] == [False] * len(findings)
    assert gone == []


@given(GAPS, GAPS)
def test_every_minute_that_was_not_known_is_told_of(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]
) -> None:
    known_now = recorded(compare(drawn(before), [], now=NOW)[0])
    findings, gone = compare(drawn(after), known_now, now=NOW)
    kept = [finding.keeps for finding in findings if finding.keeps]
    assert len(set(kept)) == len(kept)
    assert sorted([*kept, *gone]) == sorted(known_now)
    for finding in findings:
        hours = range((finding.gap.start - NOW) // H, (finding.gap.end - NOW) // H)
        is_news = any(
            all(not one.start <= NOW + hour * H < one.end for one in known_now) for hour in hours
        )
        assert finding.is_told or not is_news


WELSH, WOMAN = parse_skill("language:cy"), parse_skill("gender:woman")


def test_a_gap_of_a_skill_is_told_of_though_one_of_people_is_known_at_that_time() -> None:
    wanted = gap(100, 108)._replace(skill=WELSH)
    finding = only(wanted, known(90, 120), known(90, 120, number=2)._replace(skill=WOMAN))
    assert (finding.is_told, finding.keeps, finding.met) == (True, None, ())
    assert not only(wanted, known(100, 108)._replace(skill=WELSH)).is_told


def test_whole_gaps_keep_their_skill() -> None:
    [found] = whole_gaps([stretch(0, 2, short=1), stretch(2, 3, short=2)], until=UNTIL, skill=WELSH)
    assert found == gap(0, 3, 2)._replace(skill=WELSH)
