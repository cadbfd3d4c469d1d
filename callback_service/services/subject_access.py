"""What we hold of one number, whole and in order, for the person it is about."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.domain.retention import Keeping, Kept
from callback_service.errors import NotFound
from callback_service.models.call import BridgedCall, InboundCall
from callback_service.models.callback import CallbackRequest, ContactWindow, Submission
from callback_service.models.inbound import InboundText
from callback_service.models.number import LineLookup, Suppression
from callback_service.models.outbox import OutboxMessage
from callback_service.models.privacy import DataRequest
from callback_service.services import (
    audit,
    complaints,
    conflicts,
    data_requests,
    decoys,
    form_posts,
    legal_holds,
)
from callback_service.services.asks import Ask
from callback_service.services.permission import allowed


@dataclass(frozen=True, slots=True)
class Asked:
    """One posting of the form: when, what was agreed to, when to ring, what was wished."""

    at: datetime
    consent_version: str
    ring_from: datetime
    ring_by: datetime
    is_window: bool
    is_promise_kept: bool | None
    may_text: bool
    may_leave_voicemail: bool
    language: str | None
    counsellor: str | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """One try to reach them."""

    at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """One text, to them or from them."""

    at: datetime
    words: str
    state: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the telephone service made for us."""

    at: datetime
    seconds: int | None


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """One request with all that belongs to it. Staff are not named: that is their own data."""

    reference: str
    state: str
    ended_at: datetime | None
    ended_as: str | None
    name: str | None
    note: str | None
    counsellors_note: str | None
    line: str
    may_text: bool
    may_leave_voicemail: bool
    is_urgent: bool
    asked: list[Asked]
    tries: list[Tried]
    texts_to_them: list[Text]
    texts_from_them: list[Text]
    calls: list[Call]
    erased_from: date | None  # the day from which a clock erases it; None while it is open


@dataclass(frozen=True, slots=True)
class WaitingForm:
    """A form that they sent and that is not let into the queue yet."""

    at: datetime
    name: str | None
    note: str | None
    ring_from: datetime | None  # None: as soon as we can
    ring_by: datetime | None
    may_text: bool
    may_leave_voicemail: bool
    consent_version: str


@dataclass(frozen=True, slots=True)
class Complained:
    """A complaint in which this number was given as the one that somebody asked from."""

    reference: str
    came_on: date
    words: str
    answer_to: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holding:
    """All that is found under one number."""

    number: str = field(repr=False)
    requests: list[HeldRequest]
    waiting: list[WaitingForm]
    complaints: list[Complained]
    line_looked_up: str | None
    texts_stopped_since: datetime | None
    never_rung_since: datetime | None
    calls_to_us: int
    earlier_cases: list[date]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held but that somebody asked."""
        others = self.line_looked_up, self.texts_stopped_since, self.calls_to_us
        lists = self.requests, self.waiting, self.complaints
        return not any(lists) and not any(others)


@dataclass(frozen=True, slots=True)
class Case:
    """One open case as its page shows it: to staff, so with what its subject is not told."""

    case_id: int
    about: str
    words: str | None
    opened_at: datetime
    opened_by: str | None
    due_on: date
    asked_at: datetime | None
    asked_by: str | None
    asked_by_id: int | None
    stop_texts: bool
    stop_calls: bool
    holding: Holding
    request_ids: dict[str, int]  # by reference
    on_hold: set[str]  # references


@allowed(Action.HANDLE_DATA_REQUESTS)
def look(session: Session, case_id: int, keeping: Keeping, *, actor_id: int, now: datetime) -> Case:
    """An open case with all that is held. The look is written down at each request it shows."""
    case, holding, rows = _opened(session, case_id, keeping, actor_id=actor_id)
    _note(session, "data_request.read", case, rows, actor_id=actor_id, now=now)
    held = legal_holds.held_among(session, [row.id for row in rows])
    return Case(
        case_id=case.id,
        about=case.about,
        words=case.words,
        opened_at=case.opened_at,
        opened_by=case.opened_by.name if case.opened_by else None,
        due_on=case.due_on,
        asked_at=case.asked_at,
        asked_by=case.asked_by.name if case.asked_by else None,
        asked_by_id=case.asked_by_id,
        stop_texts=case.stop_texts,
        stop_calls=case.stop_calls,
        holding=holding,
        request_ids={row.reference: row.id for row in rows},
        on_hold={row.reference for row in rows if row.id in held},
    )


@allowed(Action.HANDLE_DATA_REQUESTS)
def export(
    session: Session, case_id: int, keeping: Keeping, *, actor_id: int, now: datetime
) -> Holding:
    """All that is held, to hand over to the person. The export is written down."""
    case, holding, rows = _opened(session, case_id, keeping, actor_id=actor_id)
    _note(session, "data_request.exported", case, rows, actor_id=actor_id, now=now)
    return holding


def as_json(holding: Holding) -> dict[str, Any]:
    """The same, of plain types: instants in ISO 8601, UTC."""
    plain: dict[str, Any] = _plain(asdict(holding))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def _opened(
    session: Session, case_id: int, keeping: Keeping, *, actor_id: int
) -> tuple[DataRequest, Holding, list[CallbackRequest]]:
    """A case, and what is held. To whoever is barred from the caller it is as a number we do not
    know: that there is something would tell them that the person asked us for help."""
    case = session.get(DataRequest, case_id)
    if case is None or case.ended_at is not None or case.phone is None:
        raise NotFound("There is no such case, or it has ended.")
    rows = data_requests.requests_of(session, case.phone_index)
    if conflicts.is_any_barred(session, rows, actor_id):
        return case, _nothing(case.phone), []
    return case, _holding(session, case, case.phone, rows, keeping), rows


def _nothing(number: str) -> Holding:
    return Holding(
        number=number,
        requests=[],
        waiting=[],
        complaints=[],
        line_looked_up=None,
        texts_stopped_since=None,
        never_rung_since=None,
        calls_to_us=0,
        earlier_cases=[],
    )


def _holding(
    session: Session,
    case: DataRequest,
    number: str,
    rows: list[CallbackRequest],
    keeping: Keeping,
) -> Holding:
    index = case.phone_index
    stopped = session.scalar(select(Suppression).where(Suppression.phone_index == index))
    rang_us = select(func.count()).select_from(InboundCall).where(InboundCall.phone_index == index)
    earlier = select(DataRequest.opened_at).where(
        DataRequest.phone_index == index, DataRequest.id != case.id
    )
    return Holding(
        number=number,
        requests=[_request(session, row, keeping) for row in rows],
        waiting=[_waiting(at, ask) for at, ask in form_posts.waiting_under(session, index)],
        complaints=_complaints(session, index),
        line_looked_up=session.scalar(
            select(LineLookup.kind).where(LineLookup.phone_index == index)
        ),
        texts_stopped_since=stopped.since if stopped else None,
        never_rung_since=stopped.since if stopped and stopped.no_calls else None,
        calls_to_us=session.scalar(rang_us) or 0,
        earlier_cases=[at.date() for at in session.scalars(earlier.order_by(DataRequest.id))],
    )


def _request(session: Session, row: CallbackRequest, keeping: Keeping) -> HeldRequest:
    closed_at = row.closed_at if row.state is RequestState.CLOSED else None
    erased = (closed_at + keeping.lasts(Kept.CALLERS)).date() if closed_at else None
    return HeldRequest(
        reference=row.reference,
        state=row.state,
        ended_at=row.closed_at,
        ended_as=row.disposition,
        name=row.name,
        note=row.note,
        counsellors_note=row.closing_note,
        line=row.phone_kind,
        may_text=row.may_text,
        may_leave_voicemail=row.may_leave_voicemail,
        is_urgent=row.is_urgent,
        asked=_asked(session, row.id),
        tries=[Tried(one.started_at, one.ended_at, one.outcome) for one in row.attempts],
        texts_to_them=_texts_out(session, row.id),
        texts_from_them=_texts_in(session, row.id),
        calls=_calls(session, row.id),
        erased_from=erased,
    )


def _waiting(at: datetime, ask: Ask) -> WaitingForm:
    return WaitingForm(
        at=at,
        name=ask.name,
        note=ask.note,
        ring_from=ask.window.start if ask.window else None,
        ring_by=ask.window.end if ask.window else None,
        may_text=ask.safe_contact.may_text,
        may_leave_voicemail=ask.safe_contact.may_leave_voicemail,
        consent_version=ask.consent_version,
    )


def _complaints(session: Session, index: bytes | None) -> list[Complained]:
    return [
        Complained(
            reference=one.reference,
            came_on=one.came_on,
            words=one.words or "",
            answer_to=one.answer_to,
            ended_at=one.ended_at,
        )
        for one in complaints.under(session, index)
    ]


def _asked(session: Session, request_id: int) -> list[Asked]:
    rows = session.execute(
        select(Submission, ContactWindow)
        .join(ContactWindow, ContactWindow.submission_id == Submission.id)
        .where(Submission.request_id == request_id)
        .order_by(Submission.id)
    )
    return [
        Asked(
            at=one.created_at,
            consent_version=one.consent_version,
            ring_from=window.starts_at,
            ring_by=window.due_at,
            is_window=window.is_window,
            is_promise_kept=window.kept,
            may_text=one.may_text,
            may_leave_voicemail=one.may_leave_voicemail,
            language=one.wish_language,
            counsellor=one.wish_gender,
            withdrawn_at=one.withdrawn_at,
        )
        for one, window in rows
    ]


def _texts_out(session: Session, request_id: int) -> list[Text]:
    rows = session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.request_id == request_id, OutboxMessage.to_sealed.is_not(None))
        .order_by(OutboxMessage.id)
    )
    return [Text(row.sent_at or row.created_at, row.body, row.state) for row in rows]


def _texts_in(session: Session, request_id: int) -> list[Text]:
    rows = session.scalars(
        select(InboundText).where(InboundText.request_id == request_id).order_by(InboundText.id)
    )
    return [Text(row.received_at, row.body or "", row.kind) for row in rows]


def _calls(session: Session, request_id: int) -> list[Call]:
    rows = session.scalars(
        select(BridgedCall)
        .where(BridgedCall.request_id == request_id, BridgedCall.dialled_at.is_not(None))
        .order_by(BridgedCall.id)
    )
    return [Call(row.dialled_at or row.started_at, row.seconds) for row in rows]


def _note(
    session: Session,
    action: str,
    case: DataRequest,
    rows: list[CallbackRequest],
    *,
    actor_id: int,
    now: datetime,
) -> None:
    """A row for the case, and one for each request, so that its own trail is whole."""
    audit.record(
        session, action, subject="data_request", subject_id=case.id, actor_id=actor_id,
        now=now, case_id=case.id,
    )  # fmt: skip
    for row in rows:
        decoys.record_look(session, action, row.id, actor_id=actor_id, now=now, case_id=case.id)
