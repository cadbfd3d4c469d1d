"""Decoys: like any other to who looks, of nobody, and whoever opens one is told of to others."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service import services
from callback_service.domain.languages import ENGLISH
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.looks import LOOKS_A_DAY, LookReason
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.domain.told import forbidden_words
from callback_service.domain.wording import segments
from callback_service.errors import NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Offer, Submission
from callback_service.models.decoy import Decoy, DecoyOpening
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanEntry
from callback_service.models.privacy import About, Figure
from callback_service.models.staff import Staff
from callback_service.services import (
    audit,
    auditor,
    data_requests,
    decoy_planting,
    decoys,
    looks,
    messages,
    records,
    request_history,
    requests,
    retention,
    subject_access,
)
from callback_service.services.text_wording import wording
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    make_manager,
    make_request,
    make_shift,
    member,
    offer,
    phone_of,
)

LATER = NOW + USUAL.lasts(Kept.CALLERS)


def plant(session: Session, *, name: str | None = "Robin", note: str | None = None) -> Decoy:
    decoy_id = decoy_planting.plant(
        session, name=name, note=note, consent_version="test", now=NOW, tz=LONDON
    )
    session.commit()
    return session.get_one(Decoy, decoy_id)


def request_of(session: Session, decoy: Decoy) -> CallbackRequest:
    return session.get_one(CallbackRequest, int(decoy.request or 0))


def tell(session: Session) -> int:
    told = decoys.tell(session, now=NOW, tz=LONDON)
    session.commit()
    return told


def with_phone(session: Session, role: Role, phone: str) -> Staff:
    person = make_staff(session, role=role, name=f"The {role}")
    person.phone = phone_of(phone).e164
    session.flush()
    return person


def texted(session: Session) -> dict[int | None, list[str]]:
    found: dict[int | None, list[str]] = {}
    for message in session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)):
        found.setdefault(message.staff_id, []).append(message.body)
    return found


@pytest.fixture
def manager(session: Session) -> Staff:
    """Who looks around."""
    make_shift(session)
    return make_manager(session, None)


class TestADecoy:
    def test_is_a_request_that_somebody_seems_to_have_taken_back(
        self, session: Session, manager: Staff
    ) -> None:
        request = request_of(session, plant(session, note="Ring twice"))
        assert (request.state, request.disposition) == (RequestState.CLOSED, Disposition.WITHDRAWN)
        assert request.closed_at is not None
        assert timedelta(seconds=45) <= request.closed_at - request.created_at
        assert request.closed_at <= NOW
        assert (request.name, request.note) == ("Robin", "Ring twice")
        asked = session.scalars(select(Submission)).one()
        assert (asked.created_at, asked.withdrawn_at) == (request.created_at, request.closed_at)
        assert request.windows[0].ended_at == request.closed_at

    def test_has_a_number_that_no_telephone_has(self, session: Session, manager: Staff) -> None:
        assert (request_of(session, plant(session)).phone or "").startswith("+447700900")

    def test_joins_nobodys_request_and_has_a_number_of_its_own(
        self, session: Session, manager: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(decoy_planting, "NUMBERS", ("07700 900123", "07700 900124"))
        real = make_request(session, "07700 900123")
        assert request_of(session, plant(session)).phone == phone_of("07700 900124").e164
        with pytest.raises(Refused, match="every number"):
            plant(session)
        assert real.state is RequestState.WAITING

    def test_is_never_planned_offered_texted_or_found_wrong(
        self, session: Session, manager: Staff
    ) -> None:
        plant(session)
        offer(session, now=NOW + timedelta(minutes=5))
        later = NOW + timedelta(days=3)
        auditor.audit(session, now=later, tz=LONDON)
        report = auditor.audit(session, now=later + timedelta(minutes=1), tz=LONDON)
        assert report is None or report.acted_on == 0
        for table in (Offer, PlanEntry, OutboxMessage):
            assert session.scalar(select(func.count()).select_from(table)) == 0

    def test_is_nowhere_named_in_the_rows_that_keep_which_it_is(
        self, session: Session, manager: Staff
    ) -> None:
        decoy = plant(session)
        request = request_of(session, decoy)
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == "decoy")).all()
        told = [decoy.uid, decoy.request_sealed, *(str(one.detail) for one in entries)]
        assert [entry.action for entry in entries] == ["decoy.planted"]
        assert decoy.request_sealed is not None
        assert str(request.id).encode() != decoy.request_sealed
        assert request.uid not in told
        assert request.reference not in str(told)

    def test_is_erased_by_the_clock_of_every_caller_no_sooner_no_later(
        self, session: Session, manager: Staff
    ) -> None:
        decoy = plant(session)
        real = make_request(session)
        requests.close(session, real, Disposition.WITHDRAWN, now=NOW)
        session.commit()
        assert retention.erase_old(session, now=LATER - timedelta(minutes=1))[Kept.CALLERS] == 0
        assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 2
        session.commit()
        assert (decoy.request, decoy.ended_at) == (None, LATER)

    def test_is_in_no_figure(self, session: Session, manager: Staff) -> None:
        plant(session)
        assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 1
        assert session.scalar(select(func.count()).select_from(Figure)) == 0

    def test_can_be_withdrawn_before_and_once(self, session: Session, manager: Staff) -> None:
        decoy = plant(session)
        request = request_of(session, decoy)
        decoy_planting.withdraw(session, decoy.id, USUAL, now=NOW)
        session.commit()
        assert (request.phone, request.name, decoy.request) == (None, None, None)
        assert session.scalar(select(func.count()).select_from(Figure)) == 0
        with pytest.raises(NotFound):
            decoy_planting.withdraw(session, decoy.id, USUAL, now=NOW)


def open_record(session: Session, request: CallbackRequest, who: Staff) -> None:
    records.record(session, request.id, staff=member(who), now=NOW)


def open_history(session: Session, request: CallbackRequest, who: Staff) -> None:
    request_history.history(session, request.id, staff=member(who), now=NOW)


def look(session: Session, request: CallbackRequest, who: Staff) -> None:
    looks.take_look(
        session, request.id, staff=member(who), reason=LookReason.COMPLAINT, words=None,
        a_day=LOOKS_A_DAY, now=NOW, tz=LONDON,
    )  # fmt: skip


def case_of(session: Session, request: CallbackRequest, who: Staff) -> int:
    return data_requests.open_case(
        session, phone_of(request.phone or ""), about=About.ACCESS, words="Rang us",
        actor_id=who.id, now=NOW, tz=LONDON,
    )  # fmt: skip


def read_case(session: Session, request: CallbackRequest, who: Staff) -> None:
    case_id = case_of(session, request, who)
    subject_access.look(session, case_id, USUAL, actor_id=who.id, now=NOW)


def export(session: Session, request: CallbackRequest, who: Staff) -> None:
    case_id = case_of(session, request, who)
    subject_access.export(session, case_id, USUAL, actor_id=who.id, now=NOW)


WAYS = {
    "request.record_read": open_record,
    "request.history_read": open_history,
    "request.look": look,
    "data_request.read": read_case,
    "data_request.exported": export,
}


class TestOpeningOne:
    @pytest.mark.parametrize("way", WAYS)
    def test_is_written_down_beside_the_look_itself(
        self, session: Session, manager: Staff, way: str
    ) -> None:
        decoy = plant(session)
        WAYS[way](session, request_of(session, decoy), manager)
        session.commit()
        [opening] = session.scalars(select(DecoyOpening)).all()
        assert (opening.decoy_id, opening.staff_id, opening.action) == (decoy.id, manager.id, way)
        deeds = session.scalars(
            select(AuditEntry.action).where(AuditEntry.actor_id == manager.id)
        ).all()
        assert {way, "decoy.opened"} <= set(deeds)

    @pytest.mark.parametrize("way", WAYS)
    def test_of_any_other_is_no_opening(self, session: Session, manager: Staff, way: str) -> None:
        plant(session)
        WAYS[way](session, make_request(session), manager)
        session.commit()
        assert not decoys.is_telling_due(session)

    def test_is_told_to_those_who_may_know_and_to_the_duty_lead_in_other_words(
        self, session: Session, manager: Staff
    ) -> None:
        lead = make_manager(session, "07700 900801", is_duty_lead=True)
        safe = with_phone(session, Role.SAFEGUARDING_LEAD, "07700 900802")
        admin = with_phone(session, Role.ADMINISTRATOR, "07700 900803")
        open_record(session, request_of(session, plant(session)), manager)
        assert tell(session) == 1
        assert tell(session) == 0
        found = texted(session)
        assert set(found) == {lead.id, safe.id, admin.id}
        assert found[safe.id] == found[admin.id] != found[lead.id]
        assert "ask the safeguarding lead or an administrator" in found[lead.id][0]

    def test_is_told_to_nobody_who_did_it(self, session: Session) -> None:
        make_shift(session)
        lead = make_manager(session, is_duty_lead=True)
        admin = with_phone(session, Role.ADMINISTRATOR, "07700 900803")
        open_record(session, request_of(session, plant(session)), lead)
        tell(session)
        assert set(texted(session)) == {admin.id}

    def test_again_on_the_same_day_is_one_text(self, session: Session, manager: Staff) -> None:
        with_phone(session, Role.ADMINISTRATOR, "07700 900803")
        request = request_of(session, plant(session))
        for _ in range(3):
            open_record(session, request, manager)
        assert tell(session) == 3
        assert sum(map(len, texted(session).values())) == 1

    def test_shows_on_no_page_of_texts(self, session: Session, manager: Staff) -> None:
        with_phone(session, Role.ADMINISTRATOR, "07700 900803")
        open_record(session, request_of(session, plant(session)), manager)
        tell(session)
        assert texted(session)
        assert messages.latest(session, messages.Chosen(), viewer_id=0, limit=10) == []
        assert messages.counts(session) == {}

    def test_is_seen_to_by_a_colleague_of_whoever_did_it(
        self, session: Session, manager: Staff
    ) -> None:
        admin = make_staff(session, role=Role.ADMINISTRATOR)
        safe = make_staff(session, role=Role.SAFEGUARDING_LEAD)
        decoy = plant(session)
        request_of(session, decoy).is_urgent = True
        open_record(session, request_of(session, decoy), safe)
        session.commit()
        [opening] = decoys.openings(session, limit=5)
        with pytest.raises(NotFound):
            decoys.see_to(session, opening.id, actor_id=safe.id, now=NOW)
        assert decoys.count_unseen(session) == 1
        decoys.see_to(session, opening.id, actor_id=admin.id, now=NOW)
        session.commit()
        assert decoys.count_unseen(session) == 0
        [opening] = decoys.openings(session, limit=5)
        assert (opening.who, opening.seen_by) == (safe.name, admin.name)

    def test_of_one_that_ended_is_none(self, session: Session, manager: Staff) -> None:
        decoy = plant(session)
        request = request_of(session, decoy)
        decoy_planting.withdraw(session, decoy.id, USUAL, now=NOW)
        open_record(session, request, manager)
        session.commit()
        assert not decoys.is_telling_due(session)


@pytest.mark.parametrize("reason", [decoys.NEWS_FOR_DUTY_LEAD, decoys.NEWS_FOR_OTHERS])
def test_a_text_of_it_says_nothing_of_us_in_one_segment(reason: str) -> None:
    body = wording(TextKind.AUDIT, reason=reason, reference="")
    assert forbidden_words(body, language=ENGLISH, also=("Callback", "decoy")) == []
    assert segments(body) == 1


def test_every_look_is_written_down_where_decoys_are_known() -> None:
    """A look that a service wrote down by itself would go past the decoys."""
    by_themselves = []
    for path in sorted(Path(services.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                said = ast.unparse(node)
                by_themselves += [(path.name, one) for one in audit.LOOKS if repr(one) in said]
    assert by_themselves == []


def test_commands_plant_list_and_withdraw(cli: FlaskCliRunner, session: Session) -> None:
    make_shift(session)
    session.commit()
    assert "There are none." in cli.invoke(args=["decoy", "list"]).output
    planted = cli.invoke(args=["decoy", "plant", "--name", "Robin"])
    assert planted.output == "Decoy 1 is planted.\n"
    [row] = decoys.list_decoys(session)
    assert f"Decoy 1: {row.reference}, planted" in cli.invoke(args=["decoy", "list"]).output
    assert cli.invoke(args=["decoy", "withdraw", "1"]).output == "Decoy 1 is withdrawn.\n"
    assert "Decoy 1: erased" in cli.invoke(args=["decoy", "list"]).output
    again = cli.invoke(args=["decoy", "withdraw", "1"])
    assert again.exit_code == 1
    assert "it has ended" in again.output
