"""Whom a caller would like to speak with: from the form's answer to whoever may take the call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, LetGo, Outcome
from callback_service.domain.planning import CALL_LENGTH
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.skills import Gender, Skill, SkillKind, skill
from callback_service.domain.wishes import Wishes, WishKind, widened_at
from callback_service.errors import Refused, WindowGone
from callback_service.models.callback import CallbackRequest
from callback_service.models.plan import PlanEntry
from callback_service.models.staff import Staff
from callback_service.services import (
    attempts,
    desk,
    offers,
    presence,
    promises,
    quoting,
    retention,
    staff_skills,
)
from callback_service.services.asks import Ask
from callback_service.services.requests import Why
from callback_service.services.wish_lines import WishLine
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    TONIGHT,
    accept,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    offer,
    plan,
    take,
)

POLISH, WOMAN = skill(SkillKind.LANGUAGE, "pl"), skill(SkillKind.GENDER, "woman")


def give(session: Session, staff: Staff, *skills: Skill) -> Staff:
    staff_skills.set_skills(session, staff.id, skills, actor_id=None, now=NOW)
    return staff


def wishing(session: Session, wishes: Wishes, phone: str = mobile(1)) -> CallbackRequest:
    return take(session, replace(an_ask(phone), wishes=wishes)).request


def is_taken(session: Session, ask: Ask) -> bool:
    try:
        take(session, ask)
    except WindowGone:
        return False
    return True


def planned_for(session: Session, request: CallbackRequest) -> int | None:
    session.expire_all()
    return session.scalar(select(PlanEntry.counsellor_id).where(PlanEntry.request_id == request.id))


def starts_at(session: Session, request: CallbackRequest) -> datetime | None:
    return session.scalar(select(PlanEntry.starts_at).where(PlanEntry.request_id == request.id))


def wish_in_queue(session: Session, request: CallbackRequest) -> WishLine:
    rows = desk.queue(session, now=NOW, tz=LONDON)
    [line] = next(row.wishes for row in rows if row.request_id == request.id)
    return line


def why(session: Session, request: CallbackRequest, *, now: datetime = NOW) -> str | None:
    rows = desk.queue(session, now=now, tz=LONDON)
    return next(row.why for row in rows if row.request_id == request.id)


def test_the_plan_gives_a_wish_to_whoever_meets_it_and_says_so(session: Session) -> None:
    make_shift(session)
    speaks = give(session, make_shift(session, name="Ola Nowak"), POLISH)
    request = wishing(session, Wishes("pl"))
    plan(session)
    assert planned_for(session, request) == speaks.id
    assert why(session, request) == "due first; speaks Polish"


def test_a_wish_nobody_can_meet_in_time_is_planned_for_everybody_at_once(session: Session) -> None:
    counsellor = make_shift(session)
    request = wishing(session, Wishes("pl", Gender.WOMAN))
    plan(session)
    assert planned_for(session, request) == counsellor.id
    assert starts_at(session, request) == NOW
    words = "due first; no longer kept for a woman and somebody who speaks Polish"
    assert why(session, request) == words


def test_anybody_may_take_at_once_whom_nobody_on_the_rota_can_please(session: Session) -> None:
    counsellor = make_shift(session)
    give(session, make_shift(session, "23:00", "08:00", name="Ola Nowak"), WOMAN)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    accept(session, request, counsellor)
    assert request.assigned_to_id == counsellor.id


def test_a_wish_is_widened_when_the_only_one_who_meets_it_signs_off(session: Session) -> None:
    counsellor = make_shift(session)
    woman = give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    with pytest.raises(Refused, match="asked for a woman"):
        accept(session, request, counsellor)
    presence.sign_off(session, woman.id, actor_id=woman.id, now=NOW, tz=LONDON)
    accept(session, request, counsellor)
    assert request.assigned_to_id == counsellor.id


def test_a_wish_is_widened_when_the_only_one_who_meets_it_lets_it_go_by(session: Session) -> None:
    make_shift(session)
    woman = give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    assert wish_in_queue(session, request).until is not None
    plan(session)
    offer(session)
    not_now = Why(LetGo.NOT_NOW)
    offers.decline(session, request.id, staff=member(woman), why=not_now, now=NOW)
    assert wish_in_queue(session, request).is_in_vain


def test_a_wish_holds_again_once_somebody_who_meets_it_is_put_on_shift(session: Session) -> None:
    counsellor = make_shift(session)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    assert wish_in_queue(session, request).is_in_vain
    give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    widened = widened_at(WishKind.GENDER, ring_from=request.ring_from, due_at=request.due_at)
    assert wish_in_queue(session, request).until == widened
    with pytest.raises(Refused, match="asked for a woman"):
        accept(session, request, counsellor)


def test_what_was_offered_before_a_wish_holds_again_may_still_be_taken(session: Session) -> None:
    counsellor = make_shift(session)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    plan(session)
    offer(session)
    give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    accept(session, request, counsellor)
    assert request.assigned_to_id == counsellor.id


def test_who_does_not_meet_a_wish_may_take_it_once_it_is_widened(session: Session) -> None:
    counsellor = make_shift(session)
    give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    opens = widened_at(WishKind.GENDER, ring_from=request.ring_from, due_at=request.due_at)
    with pytest.raises(Refused, match=r"asked for a woman. It is for everybody from \d\d:\d\d on"):
        accept(session, request, counsellor, now=opens - timedelta(seconds=1))
    accept(session, request, counsellor, now=opens)
    assert request.assigned_to_id == counsellor.id


def test_a_manager_may_step_in_while_a_wish_holds(session: Session) -> None:
    make_shift(session)
    manager = make_manager(session)
    give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    request = wishing(session, Wishes(gender=Gender.WOMAN))
    accept(session, request, manager)
    assert request.assigned_to_id == manager.id


def test_a_language_is_promised_for_when_somebody_who_speaks_it_can_ring(session: Session) -> None:
    make_shift(session)
    give(session, make_shift(session, "23:00", "08:00", name="Ola Nowak"), POLISH)
    usual = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON)
    polish = quoting.quote_as_soon_as_possible(session, wished=Wishes("pl"), now=NOW, tz=LONDON)
    assert usual.due_at < NOW + timedelta(hours=1)
    begins = NOW + timedelta(hours=3)
    widened = widened_at(WishKind.LANGUAGE, ring_from=NOW, due_at=polish.due_at)
    assert begins < widened < polish.due_at < begins + timedelta(hours=1.5)


def test_a_promise_that_waits_for_a_language_leaves_the_wish_to_be_met(session: Session) -> None:
    make_shift(session)
    give(session, make_shift(session, "23:00", "08:00", name="Ola Nowak"), POLISH)
    line = wish_in_queue(session, wishing(session, Wishes("pl")))
    assert line.until is not None


def test_who_is_hours_late_is_expected_to_be_rung_before_a_newcomer_who_wishes(
    session: Session,
) -> None:
    """The look ahead ranks by the same cap as the plan that is kept."""
    make_shift(session, name="Alex Marsh")
    give(session, make_shift(session, name="Ola Nowak"), POLISH)
    for number in range(2):
        late = make_request(session, mobile(number))
        late.ring_from, late.due_at = NOW - timedelta(hours=4), NOW - timedelta(hours=3)
    quote = quoting.quote_as_soon_as_possible(session, wished=Wishes("pl"), now=NOW, tz=LONDON)
    assert quote.forecast is not None
    assert quote.forecast.mean >= CALL_LENGTH.total_seconds()


def test_who_wishes_is_promised_a_time_at_which_everybody_else_still_has_enough(
    session: Session,
) -> None:
    """The only woman is in a call: her wish takes three quarters of the promise, and is widened."""
    make_shifts(session, 2)
    woman_on_shift = give(session, make_shift(session, name="Ola Nowak"), WOMAN)
    accept(session, make_request(session, mobile(2)), woman_on_shift)
    usual = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON)
    woman = Wishes(gender=Gender.WOMAN)
    hers = quoting.quote_as_soon_as_possible(session, wished=woman, now=NOW, tz=LONDON)
    widened = widened_at(WishKind.GENDER, ring_from=NOW, due_at=hers.due_at)
    assert hers.due_at - widened >= usual.due_at - NOW


def test_who_wishes_for_somebody_who_is_free_is_promised_as_soon_as_anybody(
    session: Session,
) -> None:
    for number in range(3):
        give(session, make_shift(session, name=f"Ola {number}"), WOMAN)
    woman = Wishes(gender=Gender.WOMAN)
    hers = quoting.quote_as_soon_as_possible(session, wished=woman, now=NOW, tz=LONDON)
    assert hers == quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON)


def test_who_wishes_in_vain_is_promised_as_soon_as_anybody(session: Session) -> None:
    make_shifts(session, 2)
    give(session, make_shift(session, "23:00", "08:00", name="Ola Nowak"), WOMAN)
    wished = Wishes(gender=Gender.WOMAN)
    hers = quoting.quote_as_soon_as_possible(session, wished=wished, now=NOW, tz=LONDON)
    assert hers == quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON)


def test_who_waits_for_a_language_puts_nobody_off_who_can_do_without_it(session: Session) -> None:
    make_shift(session)
    give(session, make_shift(session, "23:00", "08:00", name="Ola Nowak"), POLISH)
    polish = wishing(session, Wishes("pl"))
    usual = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON)
    alike = quoting.quote_as_soon_as_possible(session, wished=Wishes("pl"), now=NOW, tz=LONDON)
    assert usual.due_at < NOW + timedelta(hours=1)
    assert alike.due_at >= polish.due_at >= NOW + timedelta(hours=3)


def test_windows_are_offered_where_those_wished_for_have_room(session: Session) -> None:
    make_shift(session)
    give(session, make_shift(session, "00:00", "08:00", name="Ola Nowak"), POLISH)
    usual = promises.windows_with_room(session, now=NOW, tz=LONDON)
    polish = promises.windows_with_room(session, wished=Wishes("pl"), now=NOW, tz=LONDON)
    assert TONIGHT in usual
    assert polish
    assert all(0 <= window.start.astimezone(LONDON).hour < 8 for window in polish)


def test_a_window_is_not_promised_without_whom_they_wish_for(session: Session) -> None:
    make_shift(session)
    ask = replace(an_ask(window=TONIGHT), wishes=Wishes("pl"))
    with pytest.raises(WindowGone, match="we cannot promise somebody who speaks Polish"):
        take(session, ask)
    assert session.scalars(select(CallbackRequest)).all() == []


def test_those_who_wish_alike_share_the_room_of_those_they_wish_for(session: Session) -> None:
    for number in range(3):
        make_shift(session, name=f"Counsellor {number}")
    give(session, make_shift(session, name="Ola Nowak"), POLISH)
    asks = [replace(an_ask(mobile(n), window=TONIGHT), wishes=Wishes("pl")) for n in range(5)]
    taken = [ask for ask in asks if is_taken(session, ask)]
    assert 1 <= len(taken) <= 3
    assert taken == asks[: len(taken)]
    make_request(session, mobile(99), window=TONIGHT)


def test_the_same_counsellor_is_who_last_spoke_with_the_number(session: Session) -> None:
    counsellor = make_shift(session)
    make_shift(session, name="Somebody Else")
    first = make_request(session)
    accept(session, first, counsellor)
    attempts.start_attempt(session, first.id, staff=member(counsellor), now=NOW)
    record = attempts.Record(Outcome.ANSWERED, Disposition.HELPED)
    attempts.record_outcome(session, first.id, record, staff=member(counsellor), now=NOW, tz=LONDON)
    later = NOW + timedelta(hours=1)
    ask = replace(an_ask(), wishes_same_counsellor=True)
    again = take(session, ask, now=later).request
    assert again.wish_counsellor_id == counsellor.id
    plan(session, now=later)
    assert planned_for(session, again) == counsellor.id
    assert why(session, again, now=later) == "due first; spoke with them on Wednesday 25 November"


def test_a_number_we_do_not_know_has_no_same_counsellor_and_is_taken_all_the_same(
    session: Session,
) -> None:
    submission = take(session, replace(an_ask(), wishes_same_counsellor=True))
    assert submission.wishes_same_counsellor
    assert submission.request.wish_counsellor_id is None


def test_asking_again_adds_wishes_and_loses_none(session: Session) -> None:
    make_shift(session)
    request = wishing(session, Wishes("pl"))
    wishing(session, Wishes(gender=Gender.WOMAN))
    assert request.wishes == Wishes("pl", Gender.WOMAN)
    wishing(session, Wishes())
    assert request.wishes == Wishes("pl", Gender.WOMAN)


def test_wishes_are_erased_with_the_person(session: Session) -> None:
    make_shift(session)
    submission = take(session, replace(an_ask(), wishes=Wishes("pl", Gender.WOMAN)))
    request = submission.request
    attempts.expire(session, request, now=NOW)
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.expire_all()
    assert request.wishes == Wishes()
    assert (submission.wish_language, submission.wish_gender) == (None, None)


def test_an_urgent_request_is_before_all_others(session: Session) -> None:
    counsellor = make_shift(session)
    early, late = make_request(session, mobile(1)), make_request(session, mobile(2))
    desk.mark_urgent(session, late.id, is_urgent=True, staff=member(counsellor), now=NOW)
    plan(session)
    [first, second] = desk.queue(session, now=NOW, tz=LONDON)
    assert (first.request_id, first.why) == (late.id, "urgent, so before all others; free first")
    assert (second.request_id, second.planned_at) == (early.id, NOW + timedelta(minutes=30))
    desk.mark_urgent(session, late.id, is_urgent=False, staff=member(counsellor), now=NOW)
    assert desk.queue(session, now=NOW, tz=LONDON)[0].request_id == early.id
