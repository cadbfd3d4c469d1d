"""Swaps of shifts that came by a change: an extra one, one of a stand-in, one that was open."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Shift, Source
from callback_service.domain.rota_changes import (
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.staff import StaffMember
from callback_service.domain.swaps import SwapState, Terms
from callback_service.domain.wall_time import Span
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.calendar import FeedScope
from callback_service.models.rota_change import RotaChange, RotaChangeSpan
from callback_service.models.rota_revision import RotaRevision
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services import (
    feeds,
    rota_changes,
    rota_preview,
    rota_undo,
    swap_facts,
    swap_lists,
    swap_offers,
    swaps,
)
from callback_service.services.rota import resolve
from callback_service.services.swap_facts import MOVED
from tests.rota_builders import LONDON, local, make_pattern, make_requirement
from tests.support.builders import NOW, make_staff
from tests.support.calendars import events_of
from tests.swap_team import DAY, EARLY, HOUR, LATE, SAME_DAY, Team

ADD, REMOVE, REPLACE = OverrideKind
WEEK: Span = (local("2026-11-26 00:00"), local("2026-12-02 00:00"))
LATE_SUNDAY: Span = (LATE[0] + DAY, LATE[1] + DAY)


def extra(team: Team, dai: Staff) -> None:
    team.change(Override(ADD, dai.id, *EARLY))


def stand_in(team: Team, dai: Staff) -> None:
    team.change(Override(REPLACE, team.ana.id, *EARLY, by_id=dai.id))


def stand_in_for_a_week(team: Team, dai: Staff) -> None:
    team.change(Override(REPLACE, team.ana.id, *WEEK, by_id=dai.id))


def once_open(team: Team, dai: Staff) -> None:
    row = team.change(OpenShift(*EARLY))
    rota_changes.take_open_shift(team.session, row.id, staff_id=dai.id, now=NOW, tz=LONDON)


Way = Callable[[Team, Staff], None]


def ways(*some: Way) -> pytest.MarkDecorator:
    """Each of these ways in which somebody comes by a shift."""
    return pytest.mark.parametrize("way", some, ids=lambda way: way.__name__)


EVERY_WAY = ways(extra, stand_in, stand_in_for_a_week, once_open)
WHOLE = ways(extra, stand_in, once_open)  # changes of one shift and no more
WAYS = ways(extra, stand_in_for_a_week, once_open)


@pytest.fixture
def team(session: Session) -> Team:
    return Team(session)


@pytest.fixture
def dai(session: Session) -> Staff:
    """Who has the early shift on Friday by a change, and no other."""
    return make_staff(session, name="Dai")


def rota_of(team: Team) -> list[Shift]:
    """Every shift of the next eight days."""
    return resolve(team.session, NOW, NOW + 8 * DAY, tz=LONDON)[0]


def spoken_for(team: Team) -> set[tuple[int, str, str]]:
    """Whose time the changes that hold speak for."""
    rows = team.session.scalars(select(RotaChangeSpan))
    return {(row.staff_id, row.starts_at.isoformat(), row.ends_at.isoformat()) for row in rows}


@EVERY_WAY
def test_the_shift_changes_hands_and_nothing_else_does(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    before = rota_of(team)
    swap = team.agreed(team.cy, by=dai)
    assert swap.state is SwapState.APPROVED
    after = rota_of(team)
    [gone], [come] = (
        [one for one in before if one not in after],
        [one for one in after if one not in before],
    )
    assert (gone.staff_id, gone.start, gone.end) == (dai.id, *EARLY)
    assert come == gone._replace(staff_id=team.cy.id, source=Source.SWAP)
    assert (
        swap_lists.swap_line(
            team.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        ).trouble
        is None
    )


@EVERY_WAY
def test_undoing_it_brings_the_rota_back_as_it_was(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    before = rota_of(team)
    swap = team.agreed(team.cy, by=dai)
    team.undo(swap)
    assert (swap.state, rota_of(team)) == (SwapState.UNDONE, before)
    assert {who for who, *_ in spoken_for(team)} <= {dai.id, team.ana.id}
    assert team.agreed(team.ben, by=dai).state is SwapState.APPROVED, "it is theirs to offer again"


@WAYS
def test_who_gave_the_shift_is_free_for_anything_else_then(
    team: Team, dai: Staff, way: Way
) -> None:
    way(team, dai)
    team.agreed(team.cy, by=dai)
    team.change(Leave(dai.id, *EARLY, LeaveReason.ANNUAL))
    assert team.on_duty(team.cy, "2026-11-27") == [EARLY]


@WHOLE
@pytest.mark.parametrize("of_what", ["a pattern", "a change"])
def test_an_exchange_holds_both_ways_and_is_undone_both_ways(
    team: Team, dai: Staff, way: Way, of_what: str
) -> None:
    way(team, dai)
    wanted = LATE
    if of_what == "a change":
        wanted = LATE_SUNDAY
        team.change(Override(ADD, team.ben.id, *wanted))
    before = rota_of(team)
    swap = team.agreed(team.ben, wanted, by=dai)
    assert team.on_duty(team.ben, "2026-11-27") == [EARLY]
    assert team.on_duty(dai, wanted[0].date().isoformat()) == [wanted]
    assert team.on_duty(dai, "2026-11-27") == []
    assert len(rota_of(team)) == len(before)
    team.undo(swap)
    assert rota_of(team) == before


def test_who_stands_in_for_a_week_gets_no_other_shift_in_it(team: Team, dai: Staff) -> None:
    stand_in_for_a_week(team, dai)
    with pytest.raises(BadInput, match="The rota of Dai is changed for that time already"):
        team.offer(team.ben, LATE, by=dai)


@WHOLE
def test_what_is_asked_for_in_return_may_have_come_by_a_change(
    team: Team, dai: Staff, way: Way
) -> None:
    """Ben offers his late shift for the early one that Dai has."""
    way(team, dai)
    before = rota_of(team)
    offer = swap_offers.Offer(team.ben.id, Duty.COUNSELLING, LATE, dai.id, EARLY)
    swap = swap_offers.offer_shift(team.session, offer, actor_id=team.ben.id, now=NOW, tz=LONDON)
    team.approve(team.take(swap, dai), "Agreed")
    assert team.on_duty(team.ben, "2026-11-27") == [EARLY]
    assert team.on_duty(dai, "2026-11-28") == [LATE]
    team.undo(swap)
    assert rota_of(team) == before


@WAYS
@pytest.mark.parametrize("when", ["before it is taken", "before it is approved"])
def test_a_swap_lapses_when_the_change_below_it_is_cancelled(
    team: Team, dai: Staff, way: Way, when: str
) -> None:
    way(team, dai)
    swap = team.offer(by=dai)
    if when == "before it is approved":
        team.take(swap, team.cy)
    [row] = team.session.scalars(select(RotaChange))
    rota_changes.cancel_change(team.session, row.id, actor_id=team.mo.id, now=NOW)
    [line] = swap_lists.list_swaps(team.session, now=NOW, tz=LONDON)
    assert line.trouble == MOVED
    swap = team.approve(swap) if swap.state is SwapState.TAKEN else team.take(swap, team.cy)
    assert (swap.state, swap.reason) == (SwapState.LAPSED, MOVED)
    assert team.on_duty(team.cy, "2026-11-27") == []


def test_a_swap_lapses_when_the_open_shift_is_given_back(team: Team, dai: Staff) -> None:
    once_open(team, dai)
    swap = team.offer(by=dai)
    [row] = team.session.scalars(select(RotaChange))
    rota_changes.give_back_open_shift(team.session, row.id, staff_id=dai.id, now=NOW)
    assert team.take(swap, team.cy).state is SwapState.LAPSED


@EVERY_WAY
def test_once_agreed_the_change_is_ended_by_undoing_the_swap_alone(
    team: Team, dai: Staff, way: Way
) -> None:
    way(team, dai)
    made = team.session.scalars(select(RotaRevision.id).order_by(RotaRevision.id)).first()
    swap = team.agreed(team.cy, by=dai)
    held = rota_of(team)
    [row] = team.session.scalars(select(RotaChange).where(RotaChange.swap_id == swap.id))
    with pytest.raises(Refused, match="Undo the swap instead"):
        rota_changes.cancel_change(team.session, row.id, actor_id=team.mo.id, now=NOW)
    if way is once_open:
        assert rota_preview.open_shifts(
            team.session, now=NOW, tz=LONDON, taken_by=team.cy.id
        ) == []  # fmt: skip
        with pytest.raises(Refused, match="by a swap"):
            rota_changes.give_back_open_shift(team.session, row.id, staff_id=team.cy.id, now=NOW)
    for revision_id in team.session.scalars(select(RotaRevision.id)).all():
        with pytest.raises(Refused), team.session.begin_nested():
            rota_undo.undo(team.session, revision_id, actor_id=team.mo.id, now=NOW, tz=LONDON)
    assert rota_of(team) == held
    team.undo(swap)
    if way in {extra, stand_in}:  # all is as it was made, so that may be undone again
        rota_undo.undo(team.session, made or 0, reason="x", actor_id=team.mo.id, now=NOW, tz=LONDON)
        assert team.on_duty(dai, "2026-11-27") == []


@WAYS
@pytest.mark.parametrize("busy_with", ["leave", "another shift", "a pattern", "no account"])
def test_a_swap_is_not_undone_when_who_gave_the_shift_cannot_have_it_back(
    team: Team, dai: Staff, way: Way, busy_with: str
) -> None:
    way(team, dai)
    swap = team.agreed(team.cy, by=dai)
    match busy_with:
        case "leave":
            team.change(Leave(dai.id, *EARLY, LeaveReason.ANNUAL))
        case "another shift":
            team.change(Override(ADD, dai.id, EARLY[0] + HOUR, EARLY[0] + 2 * HOUR))
        case "a pattern":
            make_pattern(team.session, dai, "14:00", "18:00", frozenset({4}))
        case "no account":
            dai.is_active = False
    team.session.flush()
    held, words = rota_of(team), "overlaps another|has a shift then|may not have this duty"
    with pytest.raises(Refused, match=words), team.session.begin_nested():
        team.undo(swap)
    team.session.refresh(swap)
    assert (swap.state, rota_of(team)) == (SwapState.APPROVED, held)


@WAYS
def test_when_the_taker_falls_ill_undoing_the_swap_brings_the_first_back(
    team: Team, dai: Staff, way: Way
) -> None:
    way(team, dai)
    before = rota_of(team)
    swap = team.agreed(team.cy, by=dai)
    rota_changes.sick_from_now(
        team.session, team.cy.id, until=EARLY[0] + HOUR, actor_id=team.cy.id, now=NOW, tz=LONDON
    )
    assert (
        swap_lists.swap_line(
            team.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        ).trouble
        == MOVED
    )
    if way is not once_open:
        team.undo(swap)
        assert rota_of(team) == before
        return
    with pytest.raises(Refused, match="open again"):
        team.undo(swap)
    [line] = rota_preview.open_shifts(team.session, now=NOW, tz=LONDON)
    rota_changes.take_open_shift(
        team.session, line.change_id, staff_id=team.ben.id, now=NOW, tz=LONDON
    )
    [shift] = [one for one in rota_of(team) if one.staff_id == team.ben.id and one.start < LATE[0]]
    assert (shift.source, shift.end) == (Source.OVERRIDE, EARLY[1])


@WAYS
def test_who_falls_ill_after_giving_the_shift_away_does_not_take_it_from_the_other(
    team: Team, dai: Staff, way: Way
) -> None:
    way(team, dai)
    team.agreed(team.cy, by=dai)
    rota_changes.sick_from_now(
        team.session, dai.id, until=EARLY[1], actor_id=dai.id, now=NOW, tz=LONDON
    )
    assert team.on_duty(team.cy, "2026-11-27") == [EARLY]


@WAYS
def test_nobody_is_booked_twice(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    make_pattern(team.session, team.ben, "14:00", "22:00", frozenset({4}))
    with pytest.raises(BadInput, match="Ben has a shift then already"):
        team.offer(team.ben, by=dai)
    swap = team.offer(by=dai)
    team.change(Leave(team.cy.id, *EARLY, LeaveReason.OTHER))
    with pytest.raises(Refused, match="The rota of Cy is changed for that time already"):
        team.take(swap, team.cy)
    if way in {stand_in, stand_in_for_a_week}:  # Ana is replaced then
        with pytest.raises(Refused, match="The rota of Ana is changed for that time already"):
            team.take(swap, team.ana)


@pytest.mark.one_database
@WAYS
def test_shifts_that_overlap_are_not_exchanged_where_one_came_by_a_change(
    team: Team, dai: Staff, way: Way
) -> None:
    way(team, dai)
    make_pattern(team.session, team.ben, "14:00", "22:00", frozenset({4}))
    with pytest.raises(BadInput, match="where both are of the patterns"):
        team.offer(team.ben, SAME_DAY, by=dai)


@pytest.mark.one_database
@WAYS
def test_a_shift_that_came_by_a_swap_is_not_offered_again(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    team.agreed(team.cy, by=dai)
    with pytest.raises(BadInput, match="by a swap is not swapped again"):
        team.offer(by=team.cy)
    assert swap_lists.shifts_to_offer(team.session, team.cy.id, now=NOW, tz=LONDON) == []


@pytest.mark.one_database
@WAYS
def test_what_a_swap_would_mean_is_what_it_comes_to(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    make_requirement(team.session, 1, "07:00", "15:00")
    make_pattern(team.session, team.cy, "22:00", "06:00", frozenset({3}))
    swap = team.offer(by=dai)
    meaning = swap_lists.meaning_of(team.session, swap.id, team.cy.id, now=NOW, tz=LONDON)
    assert (meaning.impossible, meaning.breakage.gaps) == (None, [])
    assert all(line.startswith("Cy: ") and "of rest" in line for line in meaning.rest)
    assert meaning.rest
    moves = swap_facts.moves_of(team.session, swap.terms(team.cy.id), tz=LONDON)
    proposed = swap_facts.changes_of(moves)
    expected, _ = resolve(team.session, NOW, NOW + 8 * DAY, tz=LONDON, proposed=proposed)
    team.approve(team.take(swap, team.cy), "Agreed")
    held = rota_of(team)
    assert [one._replace(pattern_id=None) for one in expected] == [
        one._replace(pattern_id=None) for one in held
    ]


@pytest.mark.one_database
@WAYS
def test_without_approval_it_holds_as_soon_as_it_is_taken(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    swap = team.take(team.offer(by=dai), team.cy, needs_approval=False)
    assert swap.state is SwapState.APPROVED
    assert team.on_duty(team.cy, "2026-11-27") == [EARLY]


def test_a_shift_of_a_pattern_within_a_week_of_standing_in_is_not_mistaken_for_it(
    team: Team, dai: Staff
) -> None:
    """Dai stands in for Ana all week, and has an evening of their own on Friday."""
    stand_in_for_a_week(team, dai)
    make_pattern(team.session, dai, "17:00", "20:00", frozenset({4}))
    evening = local("2026-11-27 17:00"), local("2026-11-27 20:00")
    offer = Terms(dai.id, team.cy.id, Duty.COUNSELLING, evening, None)
    [move] = swap_facts.moves_of(team.session, offer, tz=LONDON)
    assert not move.is_by_change
    clash = swap_facts.first_clash(team.session, offer, [move], tz=LONDON)
    assert clash is not None
    assert "The rota of Dai is changed for that time already" in clash


def test_the_duty_lead_s_extra_weekend_is_swapped_like_any_other(team: Team) -> None:
    lead, other = (
        make_staff(team.session, name=name, role=team.mo.role) for name in ("Lead", "Other")
    )
    team.change(Override(ADD, lead.id, *EARLY, Duty.DUTY_LEAD))
    swap = swaps_of_lead(team, lead)
    with pytest.raises(NotFound, match="There is no such swap"):
        team.take(swap, team.cy)
    team.approve(team.take(swap, other))
    [shift] = resolve(team.session, *EARLY, tz=LONDON, duty=Duty.DUTY_LEAD)[0]
    assert (shift.staff_id, shift.source) == (other.id, Source.SWAP)


def swaps_of_lead(team: Team, lead: Staff) -> Swap:
    offer = swap_offers.Offer(lead.id, Duty.DUTY_LEAD, EARLY)
    return swap_offers.offer_shift(team.session, offer, actor_id=lead.id, now=NOW, tz=LONDON)


@pytest.mark.one_database
@WAYS
def test_the_calendars_of_both_follow_and_come_back(team: Team, dai: Staff, way: Way) -> None:
    way(team, dai)
    own = {who.name: a_feed(team, who) for who in (dai, team.cy)}
    first = {name: events(team, feed) for name, feed in own.items()}
    swap = team.agreed(team.cy, by=dai)
    then = {name: events(team, feed) for name, feed in own.items()}
    [uid] = [name for name, state in then["Dai"].items() if state == "CANCELLED"]
    assert first["Dai"][uid] == "CONFIRMED"
    assert list(then["Cy"].values()) == ["CONFIRMED"]
    team.undo(swap)
    assert events(team, own["Dai"]) == first["Dai"]
    assert list(events(team, own["Cy"]).values()) == ["CANCELLED"]


def a_feed(team: Team, who: Staff) -> feeds.Feed:
    member = StaffMember(who.id, who.name, who.email, who.role)
    return feeds.feed_by_token(
        team.session, feeds.make_link(team.session, member, FeedScope.OWN, now=NOW)
    )


def events(team: Team, feed: feeds.Feed) -> dict[str, str]:
    """What a calendar is told of each shift."""
    if feeds.has_news(team.session, feed, now=NOW, tz=LONDON):
        feeds.remember(team.session, feed, now=NOW, tz=LONDON)
    sent = feeds.feed_as_ical(
        team.session, feed, service_name="x", host="x.example", now=NOW, tz=LONDON
    )
    return {str(one["UID"]): str(one["STATUS"]) for one in events_of(sent)}


def test_a_swap_of_a_changed_shift_that_has_begun_is_not_undone(team: Team, dai: Staff) -> None:
    extra(team, dai)
    swap = team.agreed(team.cy, by=dai)
    with pytest.raises(Refused, match="has begun"):
        swaps.undo(team.session, swap.id, actor_id=team.mo.id, now=EARLY[0], tz=LONDON)
