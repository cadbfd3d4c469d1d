"""A row with something unmistakable in every sealed column there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.complaints import AnswerBy
from callback_service.domain.inbound import InboundKind
from callback_service.domain.lifecycle import LetGo
from callback_service.domain.looks import LookReason
from callback_service.domain.resets import LossReason
from callback_service.domain.signing_in import Stage
from callback_service.models.base import Base
from callback_service.models.call import InboundCall
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.models.complaint import Complaint
from callback_service.models.decoy import Decoy
from callback_service.models.form_post import FormPost
from callback_service.models.inbound import InboundText
from callback_service.models.look import Look
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.privacy import About, DataRequest, LegalHold
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import keyring
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import HeldForm, SignIn, Staff, new_uid
from callback_service.services import keys, request_keys
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_request, phone_of

#: What is put into each sealed attribute, by ``Model.attribute``.
CANARIES: Final = {
    "CallbackRequest.phone": "+447700900871",
    "CallbackRequest.name": "Canaryname Quetzal",
    "CallbackRequest.note": "Canarynote heron at the blue door",
    "CallbackRequest.closing_note": "Canaryclosing ibis on Tuesday",
    "Decoy.request": "Canarydecoy wigeon",
    "Look.words": "Canarylook merganser",
    "Offer.words": "Canarywords kestrel",
    "OutboxMessage.to": "+447700900871",
    "InboundText.body": "Canarybody lapwing",
    "InboundCall.keyed": "+447700900872",
    "Staff.phone": "+447700900873",
    "Staff.totp_secret": "CANARYTOTPSECRETAAAAAAAAAAAAAAAA",
    "SignIn.pending_totp": "CANARYTOTPPENDINGBBBBBBBBBBBBBBB",
    "FormPost.ask": "Canaryask nightjar",
    "LegalHold.reason": "Canaryhold osprey",
    "Complaint.words": "Canarycomplaint whimbrel",
    "Complaint.answer_to": "Canaryaddress 9 Dunlin Street",
    "Complaint.phone": "+447700900876",
    "DataRequest.phone": "+447700900875",
    "DataRequest.words": "Canarycase plover",
    "SecondStepReset.proof": "Canaryproof redstart",
    "HeldForm.fields": '[["note", "Canaryheld merlin"]]',
}


def sealed_columns() -> list[Any]:
    """Every column that holds something sealed, the keys of requests among them."""
    columns: list[Any] = [RequestKey.wrapped]
    for mapper in Base.registry.mappers:
        fields = keys.sealed_fields(mapper.class_).values()
        columns += [getattr(mapper.class_, field.column) for field in fields]
    return columns


def one_of_each(session: Session) -> CallbackRequest:
    """A request with all that can hang on it, and somebody of staff with all of theirs; flushed."""
    staff = make_staff(session, name="Alex Marsh", app_key=CANARIES["Staff.totp_secret"])
    staff.phone = CANARIES["Staff.phone"]
    request = make_request(
        session,
        phone_of(CANARIES["CallbackRequest.phone"]).e164,
        name=CANARIES["CallbackRequest.name"],
        note=CANARIES["CallbackRequest.note"],
        may_text=True,
    )
    request.closing_note = CANARIES["CallbackRequest.closing_note"]
    inbound = InboundText(
        provider_sid=f"SM{new_uid()}",
        kind=InboundKind.WORDS,
        request_id=request.id,
        received_at=NOW,
    )
    offer = Offer(
        request_id=request.id,
        counsellor_id=staff.id,
        round=1,
        made_at=NOW,
        lapses_at=NOW,
        ended_at=NOW,
        ending=OfferEnding.DECLINED,
        reason=LetGo.OTHER,
    )
    sign_in = SignIn(
        token_digest=new_uid().encode(), staff_id=staff.id, stage=Stage.FULL,
        created_at=NOW, seen_at=NOW,
    )  # fmt: skip
    held = HeldForm(staff_id=staff.id, path="/desk", held_at=NOW)
    call = InboundCall(sid=f"CA{new_uid()}", started_at=NOW)
    session.add_all([inbound, offer, sign_in, held, call])
    session.flush()
    inbound.body = CANARIES["InboundText.body"]
    offer.words = CANARIES["Offer.words"]
    sign_in.pending_totp = CANARIES["SignIn.pending_totp"]
    held.fields = CANARIES["HeldForm.fields"]
    call.keyed = CANARIES["InboundCall.keyed"]
    session.flush()
    _of_managers(session, request, staff)
    return request


def _of_managers(session: Session, request: CallbackRequest, staff: Staff) -> None:
    """What is written about a request and a number by those who look after them."""
    phone_index = request.phone_index or b""
    look = Look(
        request_id=request.id, staff_id=staff.id, reason=LookReason.OTHER, on_day=NOW.date(),
        number=1, is_beyond=False, at=NOW,
    )  # fmt: skip
    hold = LegalHold(
        request_id=request.id, review_on=NOW.date(), placed_by_id=staff.id, placed_at=NOW
    )
    case = DataRequest(
        phone_index=phone_index, about=About.ACCESS, opened_at=NOW, due_on=NOW.date()
    )
    post = FormPost(
        key_digest=bytes(32), network_index=bytes(16), phone_index=phone_index, posted_at=NOW
    )
    reset = SecondStepReset(
        staff_id=staff.id, reason=LossReason.LOST, asked_by_id=staff.id, asked_at=NOW
    )
    decoy = Decoy(uid=new_uid(), planted_at=NOW)
    decoy.request = CANARIES["Decoy.request"]
    session.add_all([look, hold, case, post, reset, decoy, _complaint(phone_index)])
    session.flush()
    look.words = CANARIES["Look.words"]
    hold.reason = CANARIES["LegalHold.reason"]
    case.phone = CANARIES["DataRequest.phone"]
    case.words = CANARIES["DataRequest.words"]
    post.ask = CANARIES["FormPost.ask"]
    reset.proof = CANARIES["SecondStepReset.proof"]
    session.flush()


def _complaint(phone_index: bytes) -> Complaint:
    """What somebody complained of, with the number of a request."""
    complaint = Complaint(
        uid=new_uid(), reference="CANARY", answer_by=AnswerBy.WRITING, phone_index=phone_index,
        is_by_program=False, received_at=NOW, came_on=NOW.date(),
    )  # fmt: skip
    complaint.words = CANARIES["Complaint.words"]
    complaint.answer_to = CANARIES["Complaint.answer_to"]
    complaint.phone = CANARIES["Complaint.phone"]
    return complaint


def of_strangers(session: Session) -> OutboxMessage:
    """A text about no request."""
    message = OutboxMessage(
        once_key="answer:stranger",
        kind=TextKind.AUTO_REPLY,
        template="en/auto_reply.v1",
        body="Thank you.",
        send_after=NOW,
        expires_at=NOW + timedelta(hours=1),
        created_at=NOW,
    )
    session.add(message)
    session.flush()
    message.to = "+447700900874"
    session.flush()
    return message


def opened(session: Session) -> list[str]:
    """Every sealed text, opened through its model."""
    session.expire_all()
    found = []
    for mapper in Base.registry.mappers:
        names = keys.sealed_fields(mapper.class_)
        for row in session.scalars(select(mapper.class_)) if names else ():
            found += [text for name in names if (text := getattr(row, name)) is not None]
    return sorted(found)


def seal_by_service(session: Session, request: CallbackRequest) -> None:
    """Seal a request and what hangs on it with a key of the service, as it was once."""
    for mapper in Base.registry.mappers:
        fields = keys.sealed_fields(mapper.class_)
        for row in session.scalars(select(mapper.class_)) if fields else ():
            for name, field in fields.items():
                if (text := getattr(row, name)) is not None:
                    place = f"{row.__tablename__}.{name}:{row.uid}"
                    setattr(row, field.column, keyring().seal(text, context=place))
    request_keys.destroy(session, request)
