"""Somebody on the staff says STOP: managers hear of it, and START takes it back."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.escalation import Step
from callback_service.models.audit import AuditEntry
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.staff import Staff
from callback_service.services import accounts, silent_staff, suppression
from callback_service.services.duty_leads import whom_to_tell
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.inbound import text_us
from tests.support.request_builders import make_manager, mobile, phone_of

LATER = NOW + timedelta(minutes=1)


def e164(number: int) -> str:
    return phone_of(mobile(number)).e164


def a_counsellor(session: Session, number: int = 1) -> Staff:
    staff = make_staff(session, name="Ana Reyes")
    staff.phone = e164(number)
    session.flush()
    return staff


def alarms(session: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUDIT)
    return list(session.scalars(query.order_by(OutboxMessage.id)))


def deeds(session: Session) -> list[tuple[str, int | None]]:
    query = select(AuditEntry.action, AuditEntry.subject_id).where(
        AuditEntry.action.in_(("staff.texts_stopped", "staff.texts_allowed"))
    )
    rows = session.execute(query.order_by(AuditEntry.id))
    return [(action, staff_id) for action, staff_id in rows]


def test_every_other_manager_is_told_once_and_not_who_it_is(session: Session) -> None:
    ana = a_counsellor(session)
    managers = [make_manager(session), make_manager(session, "07700 900801")]
    text_us(session, "STOP", sender=e164(1))
    assert silent_staff.look_is_due(session)
    assert [silent_staff.look(session, now=now) for now in (NOW, LATER)] == [1, 0]
    assert ana.texts_stopped_at == NOW
    assert [one.name for one in silent_staff.silent(session)] == ["Ana Reyes"]
    assert [one.staff_id for one in alarms(session)] == [one.id for one in managers]
    assert all("Ana" not in one.body and "takes no texts" in one.body for one in alarms(session))
    assert deeds(session) == [("staff.texts_stopped", ana.id)]


def test_start_takes_it_back(session: Session) -> None:
    ana = a_counsellor(session)
    text_us(session, "STOP", sender=e164(1))
    silent_staff.look(session, now=NOW)
    text_us(session, "START", sender=e164(1))
    assert silent_staff.look_is_due(session)
    assert silent_staff.look(session, now=LATER) == 1
    assert ana.texts_stopped_at is None
    assert silent_staff.silent(session) == []
    assert deeds(session) == [("staff.texts_stopped", ana.id), ("staff.texts_allowed", ana.id)]
    assert not silent_staff.look_is_due(session)


def test_a_stop_after_a_start_raises_the_alarm_again(session: Session) -> None:
    a_counsellor(session)
    make_manager(session)
    for minute, word in enumerate(("STOP", "START", "STOP")):
        text_us(session, word, sender=e164(1))
        silent_staff.look(session, now=NOW + timedelta(minutes=minute))
    assert len(alarms(session)) == 2


def test_what_the_gateway_says_counts_too(session: Session) -> None:
    ana = a_counsellor(session)
    suppression.suppress(session, e164(1), said_by=SaidBy.GATEWAY, now=NOW)
    silent_staff.look(session, now=NOW)
    assert ana.texts_stopped_at == NOW


def test_a_caller_who_says_stop_is_none_of_the_staff(session: Session) -> None:
    a_counsellor(session)
    make_staff(session, name="No Number")
    make_manager(session)
    text_us(session, "STOP", sender=e164(2))
    assert silent_staff.look(session, now=NOW) == 0
    assert alarms(session) == []


def test_a_disabled_account_raises_no_alarm(session: Session) -> None:
    a_counsellor(session).is_active = False
    make_manager(session)
    text_us(session, "STOP", sender=e164(1))
    assert silent_staff.look(session, now=NOW) == 0
    assert alarms(session) == []


def test_escalations_go_past_a_duty_lead_whom_no_text_reaches(session: Session) -> None:
    lead = make_manager(session, is_duty_lead=True)
    other = make_manager(session, "07700 900801")
    text_us(session, "STOP", sender=lead.phone or "")
    silent_staff.look(session, now=NOW)
    ladder = whom_to_tell(session, now=NOW, tz=LONDON)
    assert lead not in [one for people in ladder.values() for one in people]
    assert ladder[Step.DUTY_LEAD] == [other]


def test_another_number_is_looked_at_when_it_is_chosen(session: Session) -> None:
    ana = a_counsellor(session)
    make_manager(session)
    text_us(session, "STOP", sender=e164(1))
    silent_staff.look(session, now=NOW)
    choose(session, ana, e164(3))
    assert accounts.texts_of(session, ana.id).stopped_at is None
    choose(session, ana, e164(1))
    assert accounts.texts_of(session, ana.id).stopped_at == LATER
    assert len(alarms(session)) == 2


def test_without_a_number_there_is_nothing_that_is_silent(session: Session) -> None:
    ana = a_counsellor(session)
    text_us(session, "STOP", sender=e164(1))
    silent_staff.look(session, now=NOW)
    choose(session, ana, None)
    assert ana.texts_stopped_at is None
    assert deeds(session) == [("staff.texts_stopped", ana.id)]


def choose(session: Session, staff: Staff, number: str | None) -> None:
    phone = phone_of(number) if number else None
    accounts.choose_texts(session, staff.id, phone=phone, texts_offers=False, now=LATER)
