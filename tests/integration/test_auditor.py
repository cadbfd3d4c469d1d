"""The auditor finds what all others missed, mends what is safe, and tells of it once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain import auditing
from callback_service.domain.auditing import CONFIRM_AFTER, FindingKind
from callback_service.domain.escalation import EXPIRES_AFTER
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.planning import OFFER_LEASE
from callback_service.domain.ticks import TICK_NAMES, TickName
from callback_service.models.callback import (
    CallbackRequest,
    ContactWindow,
    Escalation,
    Offer,
    OfferEnding,
    Submission,
)
from callback_service.models.finding import Finding
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.models.staff import Staff
from callback_service.services import attempts, auditor, auditor_repairs, desk, escalation, requests
from callback_service.services.auditor import Report
from callback_service.services.heartbeat import beat
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    offer,
    plan,
)

pytestmark = pytest.mark.traced_on_both

SECOND = timedelta(seconds=1)
Mess = Callable[[Session], tuple[CallbackRequest, datetime]]


def look(session: Session, *, now: datetime) -> Report:
    report = auditor.audit(session, now=now, tz=LONDON)
    session.flush()
    assert report is not None
    return report


def look_twice(session: Session, *, now: datetime) -> Report:
    """Find at ``now`` and act one confirmation later."""
    look(session, now=now)
    return look(session, now=now + CONFIRM_AFTER)


def findings(session: Session) -> list[Finding]:
    return list(session.scalars(select(Finding).order_by(Finding.id)))


def kinds(session: Session) -> set[FindingKind]:
    return {row.kind for row in findings(session)}


def notices(session: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUDIT)
    return list(session.scalars(query.order_by(OutboxMessage.id)))


def the_lead(session: Session) -> Staff:
    return session.scalars(select(Staff).where(Staff.name == "Mo Lane")).one()


def nobody_was_told(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session)
    plan(session)
    return request, request.due_at + auditing.UNTOLD_AFTER


def nobody_took_it(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session)
    plan(session)
    escalation.escalate(session, now=request.due_at, tz=LONDON)
    return request, request.due_at + auditing.UNOWNED_AFTER


def nobody_planned_it(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    return make_request(session), NOW + auditing.UNPLANNED_AFTER


def taken_and_not_rung(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session)
    request.due_at = NOW + timedelta(hours=1)
    accept(session, request, make_shift(session))
    return request, NOW + desk.RING_WITHIN + auditing.OVERHELD_AFTER


def a_call_for_hours(session: Session) -> tuple[CallbackRequest, datetime]:
    counsellor, request = make_shift(session), make_request(session)
    accept(session, request, counsellor)
    attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    session.flush()
    return request, NOW + attempts.LONGEST_CALL + auditing.CALLING_AFTER


def an_offer_without_end(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session)
    assert offer(session)
    return request, NOW + OFFER_LEASE + auditing.OFFER_AFTER


def held_by_a_disabled_account(session: Session) -> tuple[CallbackRequest, datetime]:
    counsellor, request = make_shift(session), make_request(session)
    accept(session, request, counsellor)
    counsellor.is_active = False
    session.flush()
    return request, NOW


def a_closed_request_in_the_plan(session: Session) -> tuple[CallbackRequest, datetime]:
    counsellor, request = make_shift(session), make_request(session)
    requests.close(session, request, Disposition.HELPED, now=NOW)
    session.add(
        PlanEntry(request_id=request.id, counsellor_id=counsellor.id, starts_at=NOW, planned_at=NOW)
    )
    session.flush()
    return request, NOW


def a_closed_request_with_a_place(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session, window=TONIGHT)
    requests.close(session, request, Disposition.HELPED, now=NOW)
    request.windows[0].ended_at, request.windows[0].place = None, 1
    session.flush()
    return request, NOW


def a_wait_for_nobody(session: Session) -> tuple[CallbackRequest, datetime]:
    make_shift(session)
    request = make_request(session, window=TONIGHT)
    session.scalars(select(Submission)).one().withdrawn_at = NOW
    request.windows[0].ended_at, request.windows[0].place = NOW, None
    session.flush()
    return request, NOW


def days_past_its_time(session: Session) -> tuple[CallbackRequest, datetime]:
    request = make_request(session)
    escalation.escalate(session, now=request.due_at, tz=LONDON)
    return request, request.due_at + EXPIRES_AFTER + auditing.EXPIRED_AFTER


MESSES: list[tuple[FindingKind, Mess]] = [
    (FindingKind.UNTOLD, nobody_was_told),
    (FindingKind.UNOWNED, nobody_took_it),
    (FindingKind.UNPLANNED, nobody_planned_it),
    (FindingKind.OVERHELD, taken_and_not_rung),
    (FindingKind.CALL_STUCK, a_call_for_hours),
    (FindingKind.OFFER_OPEN, an_offer_without_end),
    (FindingKind.HOLDER_GONE, held_by_a_disabled_account),
    (FindingKind.CLOSED_HOLDS, a_closed_request_in_the_plan),
    (FindingKind.CLOSED_HOLDS, a_closed_request_with_a_place),
    (FindingKind.WINDOWS_ENDED, a_wait_for_nobody),
    (FindingKind.NOT_EXPIRED, days_past_its_time),
]
NEEDS_A_PERSON = {FindingKind.UNOWNED, FindingKind.UNPLANNED, FindingKind.CALL_STUCK}


@pytest.mark.parametrize(("kind", "mess"), MESSES)
def test_a_mess_is_found_told_once_and_mended_where_that_is_safe(
    session: Session, kind: FindingKind, mess: Mess
) -> None:
    make_manager(session, is_duty_lead=True)
    request, at = mess(session)
    if at > NOW:  # the others are wrong from the first moment
        look(session, now=at - SECOND)
        assert kind not in kinds(session)
    look_twice(session, now=at)
    found = next(row for row in findings(session) if row.kind is kind)
    assert (found.request_id, found.found_at) == (request.id, at)
    assert found.told_at == at + CONFIRM_AFTER
    assert (found.repaired_at is None) is (kind in NEEDS_A_PERSON)
    [notice] = notices(session)
    assert (notice.staff_id, request.reference in notice.body) == (the_lead(session).id, True)
    look(session, now=at + 2 * CONFIRM_AFTER)
    assert (found.gone_at is None) is (kind in NEEDS_A_PERSON)
    assert len(notices(session)) == 1


def test_every_kind_about_a_request_has_a_mess_here() -> None:
    assert {kind for kind, _ in MESSES} == set(FindingKind) - {FindingKind.TICK_STOPPED}


def test_a_request_in_good_hands_is_no_finding(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    make_shift(session)
    waiting, taken, later = (make_request(session, mobile(n)) for n in range(3))
    make_request(session, mobile(3), window=TONIGHT)
    requests.close(session, later, Disposition.HELPED, now=NOW)
    accept(session, taken, counsellor)
    offer(session)
    assert waiting.state is RequestState.WAITING
    assert look_twice(session, now=NOW + timedelta(minutes=4)).open_since is None
    assert findings(session) == []


def test_what_passes_before_the_second_look_is_neither_told_nor_kept(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    request, at = nobody_was_told(session)
    look(session, now=at)
    assert kinds(session) == {FindingKind.UNTOLD}
    escalation.escalate(session, now=at, tz=LONDON)
    look(session, now=at + CONFIRM_AFTER)
    assert (findings(session), notices(session)) == ([], [])
    assert request.state is RequestState.WAITING


def test_two_looks_at_the_same_moment_are_one(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    _, at = nobody_was_told(session)
    look(session, now=at)
    look(session, now=at + CONFIRM_AFTER - SECOND)
    assert notices(session) == []


def test_what_the_auditor_told_of_stands_on_top_of_every_desk_and_goes_on_from_there(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    make_manager(session, "07700 900801").name = "Another"
    _, at = nobody_was_told(session)
    look_twice(session, now=at)
    told_at = at + CONFIRM_AFTER
    assert [row.is_escalated for row in desk.queue(session, now=told_at, tz=LONDON)] == [True]
    assert escalation.escalate(session, now=told_at, tz=LONDON) == 0
    assert escalation.escalate(session, now=told_at + timedelta(minutes=10), tz=LONDON) == 1


def test_many_findings_at_once_are_one_text(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    made = [make_request(session, mobile(n)) for n in range(3)]
    look_twice(session, now=max(one.due_at for one in made) + auditing.UNTOLD_AFTER)
    [notice] = notices(session)
    assert "nobody was told of, and 2 more" in notice.body
    assert all(row.told_at for row in findings(session))


def test_a_notice_says_nothing_about_the_caller(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    request = make_request(session, name="Canarina", note="canary", may_text=True)
    look_twice(session, now=request.due_at + auditing.UNTOLD_AFTER)
    [notice] = notices(session)
    for secret in ("Canarina", "canary", "900123", "7700"):
        assert secret not in notice.body


def test_with_nobody_to_tell_it_is_told_as_soon_as_there_is_somebody(session: Session) -> None:
    request = make_request(session)
    at = request.due_at + auditing.UNOWNED_AFTER
    look_twice(session, now=at)
    assert {row.told_at for row in findings(session) if row.gone_at is None} == {None}
    make_manager(session)
    look(session, now=at + 2 * CONFIRM_AFTER)
    assert len(notices(session)) == 1


def test_a_stuck_call_is_never_torn_away(session: Session) -> None:
    request, at = a_call_for_hours(session)
    look_twice(session, now=at)
    assert request.state is RequestState.CALLING


def test_a_wait_that_somebody_still_wants_is_told_of_and_not_closed(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    request, at = a_wait_for_nobody(session)
    session.scalars(select(Submission)).one().withdrawn_at = None
    session.flush()
    look_twice(session, now=at)
    assert request.state is RequestState.WAITING
    assert len(notices(session)) == 1


def test_what_is_mended_is_as_it_should_be(session: Session) -> None:
    held, at = taken_and_not_rung(session)
    look_twice(session, now=at)
    assert (held.state, held.assigned_to_id) == (RequestState.WAITING, None)
    requests.close(session, held, Disposition.HELPED, now=at)
    closed, at = a_closed_request_with_a_place(session)
    look_twice(session, now=at)
    places = session.execute(select(ContactWindow.place, ContactWindow.ended_at)).all()
    assert all(place is None and ended_at for place, ended_at in places)
    assert closed.state is RequestState.CLOSED


def test_an_offer_without_end_is_ended_and_planned_again(session: Session) -> None:
    _, at = an_offer_without_end(session)
    look_twice(session, now=at)
    assert session.scalars(select(Offer.ending)).all() == [OfferEnding.LAPSED]
    assert "auditor" in session.scalars(select(PlanTrigger.reason)).all()


def test_what_nobody_planned_is_asked_to_be_planned(session: Session) -> None:
    _, at = nobody_planned_it(session)
    look_twice(session, now=at)
    assert "auditor" in session.scalars(select(PlanTrigger.reason)).all()


def test_without_anybody_at_work_no_plan_is_expected(session: Session) -> None:
    make_request(session)
    look(session, now=NOW + auditing.UNPLANNED_AFTER)
    assert kinds(session) == set()


def test_a_tick_that_fell_silent_is_told_of_by_name(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    silent = NOW - auditing.TICK_SILENT_AFTER
    beat(session, {**dict.fromkeys(TICK_NAMES, NOW), TickName.ESCALATION: silent})
    session.flush()
    look_twice(session, now=NOW)
    [found] = findings(session)
    assert (found.kind, found.request_id, found.detail) == (
        FindingKind.TICK_STOPPED,
        None,
        "escalation",
    )
    assert "Sign in to see it." in notices(session)[0].body


def test_a_scheduler_that_comes_back_after_an_hour_raises_no_alarm_about_itself(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    beat(session, dict.fromkeys(TICK_NAMES, NOW - timedelta(hours=1)))
    session.flush()
    look(session, now=NOW)
    beat(session, dict.fromkeys(TICK_NAMES, NOW + SECOND))
    session.flush()
    look(session, now=NOW + CONFIRM_AFTER)
    assert (findings(session), notices(session)) == ([], [])


def test_one_mess_that_cannot_be_mended_does_not_keep_the_others(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_manager(session, is_duty_lead=True)
    first, at = nobody_was_told(session)
    second = make_request(session, mobile(2))
    real = auditor_repairs.repair

    def fails_once(session: Session, kind: FindingKind, request_id: int, *, now: datetime) -> bool:
        if request_id == first.id:
            session.add(Escalation(request_id=first.id))  # the database refuses it
            session.flush()
        return real(session, kind, request_id, now=now)

    monkeypatch.setattr(auditor, "repair", fails_once)
    at = max(first.due_at, second.due_at) + auditing.UNTOLD_AFTER
    with caplog.at_level(logging.ERROR):
        look_twice(session, now=at)
    untold = [row for row in findings(session) if row.kind is FindingKind.UNTOLD]
    mended = {row.request_id: row.repaired_at is not None for row in untold}
    assert mended == {first.id: False, second.id: True}
    assert "could not be mended" in caplog.text
    assert len(notices(session)) == 1


def test_well_is_said_until_a_finding_has_been_open_too_long(session: Session) -> None:
    _, at = a_call_for_hours(session)
    report = look_twice(session, now=at)
    late = at + auditing.MENDED_WITHIN
    assert report.open_since == at
    assert auditing.is_well(report.open_since, now=late - SECOND)
    assert not auditing.is_well(report.open_since, now=late)


def test_what_was_mended_is_no_reason_for_silence(session: Session) -> None:
    _, at = taken_and_not_rung(session)
    assert look_twice(session, now=at).open_since is None


def test_a_call_of_a_disabled_account_goes_on_and_is_told_of(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor, request = make_shift(session), make_request(session)
    accept(session, request, counsellor)
    attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    counsellor.is_active = False
    session.flush()
    look_twice(session, now=NOW)
    [found] = findings(session)
    assert (found.kind, found.repaired_at) == (FindingKind.HOLDER_GONE, None)
    assert (request.state, len(notices(session))) == (RequestState.CALLING, 1)
