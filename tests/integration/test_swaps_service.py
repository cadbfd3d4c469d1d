"""Swaps of stored shifts: every state, and what each does to the rota."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason, Override, OverrideKind
from callback_service.domain.swaps import SwapState
from callback_service.domain.wall_time import Span
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanTrigger
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services import rota_changes, swap_lists, swap_offers, swaps
from callback_service.services.rest import report_on_people
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota import resolve, shifts_as_json, shifts_between
from callback_service.services.swap_facts import BEGAN, MOVED
from callback_service.services.swap_offers import Offer
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import accept, make_request, mobile
from tests.swap_team import DAY, EARLY, HOUR, LATE, SAME_DAY, Team


@pytest.fixture
def team(session: Session) -> Team:
    return Team(session)


def test_a_shift_is_offered_taken_and_approved_and_the_rota_says_swap(team: Team) -> None:
    swap = team.offer()
    assert team.on_duty(team.ana, "2026-11-27") == [EARLY]
    assert team.take(swap, team.cy).state is SwapState.TAKEN
    assert team.on_duty(team.cy, "2026-11-27") == []
    team.session.query(PlanTrigger).delete()
    assert team.approve(swap).state is SwapState.APPROVED
    assert team.on_duty(team.ana, "2026-11-27") == []
    [worked] = [
        one
        for one in shifts_as_json(shifts_between(team.session, *EARLY, tz=LONDON))
        if one["source"] == "swap"
    ]
    assert worked["counsellor"] == {"id": team.cy.id, "name": "Cy", "email": team.cy.email}
    assert worked["start"] == "2026-11-27T07:00:00Z"
    assert team.session.scalars(select(PlanTrigger)).first() is not None
    done = team.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert done == ["swap.offered", "swap.taken", "rota.change_made", "swap.approved"]


def test_without_approval_a_swap_holds_as_soon_as_it_is_taken(team: Team) -> None:
    swap = team.take(team.offer(), team.cy, needs_approval=False)
    assert swap.state is SwapState.APPROVED
    assert team.on_duty(team.cy, "2026-11-27") == [EARLY]


def test_without_approval_a_swap_that_costs_a_promise_waits_for_a_manager_all_the_same(
    session: Session,
) -> None:
    """Cy is in a call that lasts beyond the time at which Ana, who comes on, is to ring."""
    team = Team(session)
    start, end = NOW + HOUR / 12, NOW + HOUR
    make_pattern(session, team.ana, "20:05", "21:00")
    make_pattern(session, team.cy, "19:00", "20:05")
    accept(session, make_request(session), team.cy)
    request = make_request(session, mobile(2))
    request.due_at = NOW + HOUR / 4
    session.flush()
    offer = Offer(team.ana.id, Duty.COUNSELLING, (start, end))
    swap = swap_offers.offer_shift(session, offer, actor_id=team.ana.id, now=NOW, tz=LONDON)
    meaning = swap_lists.meaning_of(session, swap.id, team.cy.id, now=NOW, tz=LONDON)
    assert [lost.reference for lost in meaning.breakage.lost] == [request.reference]
    assert team.take(swap, team.cy, needs_approval=False).state is SwapState.TAKEN


@pytest.mark.parametrize("wanted", [LATE, SAME_DAY], ids=["apart", "overlapping"])
def test_an_exchange_holds_both_ways_and_undoing_it_brings_both_back_exactly(
    team: Team, wanted: Span
) -> None:
    if wanted == SAME_DAY:
        make_pattern(team.session, team.ben, "14:00", "22:00", frozenset({4}))
    before = resolve(team.session, NOW, NOW + 120 * HOUR, tz=LONDON)[0]
    swap = team.agreed(team.ben, wanted)
    after = resolve(team.session, NOW, NOW + 120 * HOUR, tz=LONDON)[0]
    for who, gained, lost in ((team.ana, wanted, EARLY), (team.ben, EARLY, wanted)):
        own = [shift for shift in after if shift.staff_id == who.id]
        assert (
            sum(
                (
                    min(s.end, gained[1]) - max(s.start, gained[0])
                    for s in own
                    if s.start < gained[1] and s.end > gained[0]
                ),
                0 * HOUR,
            )
            == 8 * HOUR
        )
        only_lost = [(s.start, s.end) for s in own if s.start < lost[1] and s.end > lost[0]]
        assert all(gained[0] <= start and end <= gained[1] for start, end in only_lost)
    team.undo(swap)
    assert swap.state is SwapState.UNDONE
    assert resolve(team.session, NOW, NOW + 120 * HOUR, tz=LONDON)[0] == before


def test_only_a_whole_coming_shift_of_ones_own_is_offered(team: Team) -> None:
    for staff, span in [
        (team.ana, (EARLY[0], EARLY[1] - HOUR)),  # a part
        (team.ana, (EARLY[0] - 48 * HOUR, EARLY[1] - 48 * HOUR)),  # begun
        (team.ana, (EARLY[0] + 100 * 24 * HOUR, EARLY[1] + 100 * 24 * HOUR)),  # too far
        (team.ben, EARLY),  # somebody else's
    ]:
        with pytest.raises(BadInput) as refusal:
            swap_offers.offer_shift(
                team.session, Offer(staff.id, Duty.COUNSELLING, span),
                actor_id=staff.id, now=NOW, tz=LONDON,
            )  # fmt: skip
        assert list(refusal.value.fields) == ["shift"]


def test_a_shift_is_offered_once_at_a_time(team: Team) -> None:
    swap = team.offer()
    with pytest.raises(Refused, match="offered already"):
        team.offer(team.cy)
    swaps.withdraw(team.session, swap.id, actor_id=team.ana.id, now=NOW)
    assert team.offer(team.cy).state is SwapState.OFFERED


def test_who_has_a_shift_then_is_not_offered_one_and_does_not_take_it(team: Team) -> None:
    make_pattern(team.session, team.mo, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    make_pattern(team.session, team.ben, "14:00", "22:00", frozenset({4}))
    with pytest.raises(BadInput, match=r"Ben has a shift then already: Friday 27 November 14:00"):
        team.offer(team.ben)
    swap = team.offer()
    with pytest.raises(Refused, match="Mo has a shift as duty lead then already"):
        team.take(swap, team.mo)
    team.change(Leave(team.cy.id, *EARLY, LeaveReason.OTHER))
    with pytest.raises(Refused, match="The rota of Cy is changed for that time already") as refusal:
        team.take(swap, team.cy)
    assert "another reason" not in refusal.value.message
    assert swap.state is SwapState.OFFERED


def test_who_is_named_takes_the_shift_and_nobody_else(team: Team) -> None:
    swap = team.offer(team.cy)
    dai = make_staff(team.session, name="Dai")
    with pytest.raises(NotFound, match="There is no such swap"):
        team.take(swap, dai)
    with pytest.raises(Refused):
        team.take(swap, team.ana)
    team.take(swap, team.cy)
    assert team.take(swap, team.cy).state is SwapState.TAKEN  # pressed twice
    with pytest.raises(NotFound, match="There is no such swap"):
        team.take(swap, dai)


def test_somebody_whose_account_is_disabled_takes_nothing(team: Team) -> None:
    swap = team.offer()
    team.cy.is_active = False
    team.session.flush()
    with pytest.raises(Forbidden):
        team.take(swap, team.cy)


@pytest.mark.parametrize("when", ["before it is taken", "before it is approved"])
def test_a_swap_whose_shift_moved_lapses_and_says_so(team: Team, when: str) -> None:
    swap = team.offer()
    if when == "before it is approved":
        team.take(swap, team.cy)
    team.change(Leave(team.ana.id, EARLY[0], EARLY[0] + HOUR, LeaveReason.TRAINING))
    [line] = swap_lists.list_swaps(team.session, now=NOW, tz=LONDON)
    assert line.trouble == MOVED
    swap = team.approve(swap) if swap.state is SwapState.TAKEN else team.take(swap, team.cy)
    assert (swap.state, swap.reason) == (SwapState.LAPSED, MOVED)
    assert team.on_duty(team.cy, "2026-11-27") == []


def test_an_exchange_lapses_when_the_shift_in_return_is_gone(team: Team) -> None:
    swap = team.offer(team.ben, LATE)
    team.change(Override(OverrideKind.REMOVE, team.ben.id, *LATE))
    assert team.take(swap, team.ben).state is SwapState.LAPSED
    assert team.on_duty(team.ana, "2026-11-27") == [EARLY]


def test_an_open_swap_lapses_when_its_first_shift_begins(team: Team) -> None:
    swap, agreed = team.offer(team.ben, LATE), team.offer_other()
    assert not swaps.lapse_is_due(team.session, now=EARLY[0] - HOUR)
    assert swaps.lapse_is_due(team.session, now=EARLY[0])
    assert swaps.lapse_begun(team.session, now=EARLY[0]) == 1
    assert (swap.state, swap.reason) == (SwapState.LAPSED, BEGAN)
    assert agreed.state is SwapState.OFFERED


def test_a_manager_declines_with_a_reason(team: Team) -> None:
    swap = team.take(team.offer(), team.cy)
    with pytest.raises(BadInput, match="Give a reason"):
        swaps.decline(team.session, swap.id, reason=" ", actor_id=team.mo.id, now=NOW)
    swaps.decline(team.session, swap.id, reason="Too tired", actor_id=team.mo.id, now=NOW)
    assert (swap.state, swap.reason) == (SwapState.DECLINED, "Too tired")
    assert team.on_duty(team.ana, "2026-11-27") == [EARLY]


def test_either_goes_back_before_the_approval_and_nobody_else_for_them(team: Team) -> None:
    swap = team.take(team.offer(), team.cy)
    for refused in (swaps.give_up, swaps.withdraw):
        with pytest.raises(Refused, match="Only who"):
            refused(team.session, swap.id, actor_id=team.ben.id, now=NOW)
    swaps.give_up(team.session, swap.id, actor_id=team.cy.id, now=NOW)
    assert (swap.state, swap.taken_by_id) == (SwapState.OFFERED, None)
    team.take(swap, team.cy)
    swaps.withdraw(team.session, swap.id, actor_id=team.ana.id, now=NOW)
    assert swap.state is SwapState.WITHDRAWN
    with pytest.raises(Refused):
        team.approve(swap)


def test_who_alone_is_asked_may_say_no(team: Team) -> None:
    swap = team.offer(team.cy)
    swaps.withdraw(team.session, swap.id, actor_id=team.cy.id, now=NOW)
    assert (swap.state, swap.reason) == (SwapState.WITHDRAWN, "Cy cannot take it.")


def test_after_the_approval_only_undoing_it_ends_a_swap(team: Team) -> None:
    swap = team.agreed(team.ben, LATE)
    for change in team.session.scalars(select(RotaChange)):
        with pytest.raises(Refused, match="Undo the swap instead"):
            rota_changes.cancel_change(team.session, change.id, actor_id=team.mo.id, now=NOW)
    with pytest.raises(Refused, match="approved, so it cannot become withdrawn"):
        swaps.withdraw(team.session, swap.id, actor_id=team.ana.id, now=NOW)
    with pytest.raises(Refused, match="has begun"):
        swaps.undo(team.session, swap.id, actor_id=team.mo.id, now=EARLY[0], tz=LONDON)
    team.undo(swap)
    assert team.offer(team.ben, LATE).state is SwapState.OFFERED


def test_an_approved_swap_whose_shift_moved_is_shown_and_works_what_is_left(team: Team) -> None:
    swap = team.agreed(team.cy)
    pattern = make_pattern(team.session, team.cy, "16:00", "20:00")
    assert (
        swap_lists.swap_line(
            team.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        ).trouble
        is None
    )
    team.session.delete(pattern)
    row = team.session.scalars(
        select(ShiftPattern).where(ShiftPattern.staff_id == team.ana.id)
    ).one()
    row.ends = row.ends.replace(hour=12)
    team.session.flush()
    assert (
        swap_lists.swap_line(
            team.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        ).trouble
        == MOVED
    )
    assert team.on_duty(team.cy, "2026-11-27") == [(EARLY[0], local("2026-11-27 12:00"))]
    team.undo(swap)
    assert team.on_duty(team.ana, "2026-11-27") == [(EARLY[0], local("2026-11-27 12:00"))]


def test_undoing_a_swap_whose_stand_in_fell_ill_brings_the_first_back(team: Team) -> None:
    swap = team.agreed(team.cy)
    rota_changes.sick_from_now(
        team.session, team.cy.id, until=EARLY[1], actor_id=team.cy.id, now=NOW, tz=LONDON
    )
    assert team.on_duty(team.ana, "2026-11-27") == []
    assert (
        swap_lists.swap_line(
            team.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        ).trouble
        == MOVED
    )
    team.undo(swap)
    assert team.on_duty(team.ana, "2026-11-27") == [EARLY]
    assert team.on_duty(team.cy, "2026-11-27") == []


def test_what_a_swap_means_is_known_before_it_is_taken(team: Team) -> None:
    make_pattern(team.session, team.cy, "22:00", "06:00")
    make_pattern(team.session, team.ben, "14:00", "22:00", frozenset({4}))
    swap = team.offer()
    meaning = swap_lists.meaning_of(team.session, swap.id, team.cy.id, now=NOW, tz=LONDON)
    assert meaning.impossible is None
    assert any(line.startswith("Cy: ") and "of rest" in line for line in meaning.rest)
    meaning = swap_lists.meaning_of(team.session, swap.id, team.ben.id, now=NOW, tz=LONDON)
    assert meaning.impossible is not None
    assert "Ben has a shift then already" in meaning.impossible
    assert team.take(swap, team.cy, needs_approval=False).state is SwapState.TAKEN


def test_a_swap_that_breaks_rest_is_approved_with_a_reason_only_which_is_listed(team: Team) -> None:
    make_pattern(team.session, team.cy, "22:00", "06:00", frozenset({3}))
    swap = team.take(team.offer(), team.cy, needs_approval=False)
    with pytest.raises(RestBroken):
        team.approve(swap)
    assert swap.state is SwapState.TAKEN
    assert team.on_duty(team.cy, "2026-11-27") != [EARLY]
    assert team.approve(swap, "Nobody else was free").state is SwapState.APPROVED
    rows = team.session.scalars(select(RestAllowance)).all()
    assert {(row.staff_id, row.reason, row.allowed_by_id) for row in rows} == {
        (team.cy.id, "Nobody else was free", team.mo.id)
    }
    days = EARLY[0].date() - DAY, EARLY[0].date() + DAY
    report = report_on_people(team.session, *days, now=NOW, tz=LONDON)
    assert {one.allowed_reason for one in report.breaches} == {"Nobody else was free"}
    team.undo(swap)
    assert [row.cancelled_at for row in rows] == [NOW]


def test_no_allowance_is_kept_for_a_swap_that_breaks_nothing(team: Team) -> None:
    team.approve(team.take(team.offer(), team.cy), "Not needed")
    assert team.session.scalars(select(RestAllowance)).all() == []


def texts_of(team: Team) -> list[tuple[int | None, TextKind]]:
    """Who was texted, and what for, in order."""
    rows = team.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
    return [(row.staff_id, row.kind) for row in rows]


def give_phones(team: Team, *people: Staff) -> None:
    for number, person in enumerate(people):
        person.phone = mobile(number)
    team.session.flush()


def test_the_two_of_a_swap_are_texted_what_is_news_to_them(team: Team) -> None:
    give_phones(team, team.ana, team.cy, team.mo)
    swap = team.offer(team.cy)
    offered = [(team.cy.id, TextKind.SWAP_OFFERED)]
    assert texts_of(team) == offered
    team.take(swap, team.cy)
    taken = [*offered, (team.ana.id, TextKind.SWAP_TAKEN)]
    assert texts_of(team) == taken
    team.approve(swap)
    decided = [(team.ana.id, TextKind.SWAP_DECIDED), (team.cy.id, TextKind.SWAP_DECIDED)]
    assert texts_of(team) == [*taken, *decided]
    team.undo(swap)
    assert texts_of(team) == [*taken, *decided, *decided]
    bodies = team.session.scalars(select(OutboxMessage.body)).all()
    assert not any(name in body for body in bodies for name in ("Ana", "Cy", "Mo", "7:00", "7am"))


def test_a_swap_that_holds_at_once_is_told_once_and_an_offer_to_all_to_nobody(team: Team) -> None:
    give_phones(team, team.ana, team.ben, team.cy)
    swap = team.offer()
    assert texts_of(team) == []
    assert team.take(swap, team.cy, needs_approval=False).state is SwapState.APPROVED
    assert texts_of(team) == [(team.ana.id, TextKind.SWAP_TAKEN)]


def test_who_declines_a_swap_does_not_text_themselves_nor_who_has_no_number(team: Team) -> None:
    give_phones(team, team.ana)
    swap = team.take(team.offer(), team.cy)
    swaps.decline(team.session, swap.id, reason="No", actor_id=team.mo.id, now=NOW)
    assert texts_of(team) == [
        (team.ana.id, TextKind.SWAP_TAKEN),
        (team.ana.id, TextKind.SWAP_DECIDED),
    ]
    team.session.query(OutboxMessage).delete()
    swaps.withdraw(team.session, team.offer(team.cy).id, actor_id=team.ana.id, now=NOW)
    assert texts_of(team) == []
