"""Erasing what nobody needs any more: one rule, or some, for each kind in ``domain.retention``.

The rules say what is due, so that a dry run counts exactly what a run erases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.retention import USUAL, Keeping, Kept
from callback_service.models.call import InboundCall
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.complaint import Complaint
from callback_service.models.form_post import FormPost
from callback_service.models.inbound import InboundText
from callback_service.models.number import LineLookup
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.privacy import DataRequest, LegalHold, RecordKind
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import HeldForm, KnownDevice, SignIn, SignInAttempt
from callback_service.services import (
    complaints,
    emptying,
    erasure_runs,
    gateway_records,
    leavers,
    request_keys,
    requests,
    second_step_resets,
)
from callback_service.services.emptying import empty_request, is_in_the_air
from callback_service.services.legal_holds import held_among, is_held
from callback_service.services.requests import lock_request

#: Rows of one rule erased in one run, so that a long backlog holds the database for a moment only.
ERASED_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Run:
    """What a run goes by."""

    keeping: Keeping
    now: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of one kind are due, by their ids, and how they are erased; how many were."""

    kind: Kept
    due: Callable[[Run], Select[int]]
    forget: Callable[[Session, Sequence[int], Run], int]


def erasure_is_due(session: Session, *, now: datetime, keeping: Keeping = USUAL) -> bool:
    """Whether there is anything to erase; a cheap look before any lock is taken."""
    run = Run(keeping, now)
    return second_step_resets.is_any_late(session, now=now) or any(
        session.scalar(rule.due(run).limit(1)) is not None for rule in RULES
    )


def count_due(session: Session, *, now: datetime, keeping: Keeping = USUAL) -> Counter[Kept]:
    """How many rows of each kind are due: what a run would erase. Changes nothing."""
    run, counts = Run(keeping, now), Counter(dict.fromkeys(Kept, 0))
    for rule in RULES:
        due = select(func.count()).select_from(rule.due(run).subquery())
        counts[rule.kind] += session.scalar(due) or 0
    return counts


def erase_old(session: Session, *, now: datetime, keeping: Keeping = USUAL) -> Counter[Kept]:
    """Erase what is due, up to so many rows of each rule; how many of each kind went.

    A request on hold is passed over, and one whose text or call is just on its way.
    """
    run, counts = Run(keeping, now), Counter(dict.fromkeys(Kept, 0))
    second_step_resets.end_late(session, now=now)
    for rule in RULES:
        ids = session.scalars(rule.due(run).limit(ERASED_AT_ONCE)).all()
        counts[rule.kind] += rule.forget(session, ids, run) if ids else 0
        session.flush()
    erasure_runs.note(session, counts.total(), now=now)
    return counts


def erase_copies(session: Session, *, now: datetime, keeping: Keeping = USUAL) -> int:
    """Empty requests that an older backup brought back after they were erased; how many.

    Their key is gone, so nobody can be rung: those that were open then are closed.
    """
    found = request_keys.erased_copies().order_by(CallbackRequest.id).limit(ERASED_AT_ONCE)
    copies = session.scalars(found.with_for_update(key_share=True)).all()
    for request in copies:
        if request.state is not RequestState.CLOSED:
            requests.close(session, request, Disposition.EXPIRED, now=now)
        empty_request(session, request, keeping=keeping, now=now)
    return len(copies)


def _closed_by(run: Run, kind: Kept) -> tuple[ColumnElement[bool], ...]:
    """Requests whose time of this kind is over and that nothing holds back."""
    return (
        CallbackRequest.state == RequestState.CLOSED,
        CallbackRequest.closed_at <= run.keeping.until(kind, now=run.now),
        CallbackRequest.phone_index.is_not(None),
        ~is_held(CallbackRequest.id),
    )


def _callers(run: Run) -> Select[int]:
    over = _closed_by(run, Kept.CALLERS)
    return select(CallbackRequest.id).where(*over).order_by(CallbackRequest.id)


def _notes(run: Run) -> Select[int]:
    words = select(Offer.id).where(
        Offer.request_id == CallbackRequest.id, Offer.words_sealed.is_not(None)
    )
    has_notes = CallbackRequest.closing_note_sealed.is_not(None) | words.exists()
    over = _closed_by(run, Kept.NOTES)
    return select(CallbackRequest.id).where(has_notes, *over).order_by(CallbackRequest.id)


def _free(session: Session, ids: Sequence[int]) -> list[CallbackRequest]:
    """Those of the requests that may be erased, held by their locks: looked at again under them."""
    locked = [lock_request(session, request_id) for request_id in sorted(ids)]
    held = held_among(session, list(ids))
    return [one for one in locked if one.id not in held and one.phone_index is not None]


def _empty(session: Session, ids: Sequence[int], run: Run) -> int:
    free = [one for one in _free(session, ids) if not is_in_the_air(session, one.id)]
    for request in free:
        empty_request(session, request, keeping=run.keeping, now=run.now)
    return len(free)


def _forget_notes(session: Session, ids: Sequence[int], _run: Run) -> int:
    free = _free(session, ids)
    for request in free:
        request.closing_note = None
    words = update(Offer).where(Offer.request_id.in_([request.id for request in free]))
    session.execute(words.values(words_sealed=None))
    return len(free)


def _texts_out(run: Run) -> Select[int]:
    return (
        select(OutboxMessage.id)
        .join(CallbackRequest, CallbackRequest.id == OutboxMessage.request_id)
        .where(OutboxMessage.body != "", *_closed_by(run, Kept.TEXTS))
        .order_by(OutboxMessage.id)
    )


def _texts_in(run: Run) -> Select[int]:
    return (
        select(InboundText.id)
        .join(CallbackRequest, CallbackRequest.id == InboundText.request_id)
        .where(InboundText.body_sealed.is_not(None), *_closed_by(run, Kept.TEXTS))
        .order_by(InboundText.id)
    )


def _strangers(run: Run) -> Select[int]:
    """Texts that came in from numbers without a request."""
    return select(InboundText.id).where(
        InboundText.request_id.is_(None),
        InboundText.phone_index.is_not(None),
        InboundText.received_at <= run.keeping.until(Kept.STRANGERS, now=run.now),
    )


def _answered_strangers(run: Run) -> Select[int]:
    return select(OutboxMessage.id).where(
        OutboxMessage.kind == TextKind.AUTO_REPLY,
        OutboxMessage.request_id.is_(None),
        OutboxMessage.to_sealed.is_not(None),
        OutboxMessage.created_at <= run.keeping.until(Kept.STRANGERS, now=run.now),
    )


def _staff_texts(run: Run) -> Select[int]:
    return select(OutboxMessage.id).where(
        OutboxMessage.staff_id.is_not(None),
        OutboxMessage.to_sealed.is_not(None),
        OutboxMessage.created_at <= run.keeping.until(Kept.STAFF_TEXTS, now=run.now),
    )


def _forget_texts(session: Session, ids: Sequence[int], run: Run) -> int:
    texts = _outbox(session, ids)
    for text in texts:
        _owe(session, text, run)
        emptying.forget_text(text)
    return len(texts)


def _forget_inbound(session: Session, ids: Sequence[int], run: Run) -> int:
    texts = session.scalars(select(InboundText).where(InboundText.id.in_(ids))).all()
    for text in texts:
        _owe(session, text, run)
        emptying.forget_inbound(text)
    return len(texts)


def _owe(session: Session, text: OutboxMessage | InboundText, run: Run) -> None:
    gateway_records.owe(
        session, RecordKind.TEXT, [text.provider_sid], request_id=text.request_id, now=run.now
    )


def _counted(run: Run) -> Select[int]:
    """Texts that nothing counts any more. While its number is kept, so is what finds it."""
    is_found_only = OutboxMessage.to_sealed.is_(None) & OutboxMessage.to_index.is_not(None)
    return select(OutboxMessage.id).where(
        is_found_only | OutboxMessage.network_index.is_not(None),
        OutboxMessage.created_at <= run.keeping.until(Kept.COUNTED, now=run.now),
    )


def _forget_counts(session: Session, ids: Sequence[int], _run: Run) -> int:
    texts = _outbox(session, ids)
    for text in texts:
        if text.to_sealed is None:
            emptying.forget_count(text)
        text.network_index = None
    return len(texts)


def _outbox(session: Session, ids: Sequence[int]) -> Sequence[OutboxMessage]:
    return session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.id.in_(ids))
        .order_by(OutboxMessage.id)
        .with_for_update()
    ).all()


def _inbound_calls(run: Run) -> Select[int]:
    until = run.keeping.until(Kept.INBOUND_CALLS, now=run.now)
    return select(InboundCall.id).where(InboundCall.started_at <= until)


def _forget_inbound_calls(session: Session, ids: Sequence[int], run: Run) -> int:
    gone = delete(InboundCall).where(InboundCall.id.in_(ids)).returning(InboundCall.sid)
    sids = session.scalars(gone).all()
    gateway_records.owe(session, RecordKind.CALL, sids, now=run.now)
    return len(sids)


def _lookups(run: Run) -> Select[int]:
    return select(LineLookup.id).where(LineLookup.expires_at <= run.now)


def _deleting(
    id_column: InstrumentedAttribute[int],
) -> Callable[[Session, Sequence[int], Run], int]:
    """Rows of the table of ``id_column`` go whole."""

    def forget(session: Session, ids: Sequence[int], _run: Run) -> int:
        gone = delete(id_column.class_).where(id_column.in_(ids)).returning(id_column)
        return len(session.scalars(gone).all())

    return forget


def _deleted_after(
    kind: Kept,
    id_column: InstrumentedAttribute[int],
    at_column: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
) -> Rule:
    """Rows go whole once ``at_column`` is longer ago than their kind is kept."""

    def due(run: Run) -> Select[int]:
        return select(id_column).where(at_column <= run.keeping.until(kind, now=run.now))

    return Rule(kind, due, _deleting(id_column))


def _leavers(run: Run) -> Select[int]:
    return leavers.left_by(run.keeping.until(Kept.LEAVERS, now=run.now))


def _forget_leavers(session: Session, ids: Sequence[int], run: Run) -> int:
    return sum(leavers.empty(session, staff_id, now=run.now) for staff_id in ids)


def _data_requests(run: Run) -> Select[int]:
    until = run.keeping.until(Kept.DATA_REQUESTS, now=run.now)
    is_left = DataRequest.phone_index.is_not(None) | DataRequest.words_sealed.is_not(None)
    return select(DataRequest.id).where(DataRequest.ended_at <= until, is_left)


def _forget_data_requests(session: Session, ids: Sequence[int], _run: Run) -> int:
    rows = update(DataRequest).where(DataRequest.id.in_(ids)).returning(DataRequest.id)
    nothing = {"phone_sealed": None, "phone_index": None, "words_sealed": None}
    return len(session.scalars(rows.values(nothing)).all())


def _holds(run: Run) -> Select[int]:
    until = run.keeping.until(Kept.DATA_REQUESTS, now=run.now)
    return select(LegalHold.id).where(
        LegalHold.ended_at <= until, LegalHold.reason_sealed.is_not(None)
    )


def _forget_reasons(session: Session, ids: Sequence[int], _run: Run) -> int:
    rows = update(LegalHold).where(LegalHold.id.in_(ids)).returning(LegalHold.id)
    return len(session.scalars(rows.values(reason_sealed=None)).all())


def _complaints(run: Run) -> Select[int]:
    until = run.keeping.until(Kept.DATA_REQUESTS, now=run.now)
    return select(Complaint.id).where(
        Complaint.ended_at <= until, Complaint.words_sealed.is_not(None)
    )


def _forget_complaints(session: Session, ids: Sequence[int], _run: Run) -> int:
    found = session.scalars(select(Complaint).where(Complaint.id.in_(ids))).all()
    for complaint in found:
        complaints.forget(complaint)
    return len(found)


def _networks(run: Run) -> Select[int]:
    """Complaints that nothing counts any more by where they came from."""
    return select(Complaint.id).where(
        Complaint.network_index.is_not(None),
        Complaint.received_at <= run.keeping.until(Kept.FORM_POSTS, now=run.now),
    )


def _forget_networks(session: Session, ids: Sequence[int], _run: Run) -> int:
    rows = update(Complaint).where(Complaint.id.in_(ids)).returning(Complaint.id)
    return len(session.scalars(rows.values(network_index=None)).all())


def _proofs(run: Run) -> Select[int]:
    return select(SecondStepReset.id).where(
        SecondStepReset.proof_sealed.is_not(None),
        SecondStepReset.ended_at <= run.keeping.until(Kept.PROOFS, now=run.now),
    )


def _forget_proofs(session: Session, ids: Sequence[int], _run: Run) -> int:
    rows = update(SecondStepReset).where(SecondStepReset.id.in_(ids)).returning(SecondStepReset.id)
    return len(session.scalars(rows.values(proof_sealed=None)).all())


RULES: Final = (
    Rule(Kept.NOTES, _notes, _forget_notes),
    Rule(Kept.TEXTS, _texts_out, _forget_texts),
    Rule(Kept.TEXTS, _texts_in, _forget_inbound),
    Rule(Kept.CALLERS, _callers, _empty),
    Rule(Kept.STRANGERS, _strangers, _forget_inbound),
    Rule(Kept.STRANGERS, _answered_strangers, _forget_texts),
    Rule(Kept.STAFF_TEXTS, _staff_texts, _forget_texts),
    Rule(Kept.COUNTED, _counted, _forget_counts),
    Rule(Kept.INBOUND_CALLS, _inbound_calls, _forget_inbound_calls),
    Rule(Kept.LOOKUPS, _lookups, _deleting(LineLookup.id)),
    _deleted_after(Kept.HELD_FORMS, HeldForm.id, HeldForm.held_at),
    _deleted_after(Kept.TRIES, SignInAttempt.id, SignInAttempt.at),
    _deleted_after(Kept.SIGN_INS, SignIn.id, SignIn.seen_at),
    _deleted_after(Kept.DEVICES, KnownDevice.id, KnownDevice.seen_at),
    Rule(Kept.LEAVERS, _leavers, _forget_leavers),
    Rule(Kept.DATA_REQUESTS, _data_requests, _forget_data_requests),
    Rule(Kept.DATA_REQUESTS, _holds, _forget_reasons),
    Rule(Kept.DATA_REQUESTS, _complaints, _forget_complaints),
    _deleted_after(Kept.FORM_POSTS, FormPost.id, FormPost.let_in_at),
    Rule(Kept.FORM_POSTS, _networks, _forget_networks),
    Rule(Kept.PROOFS, _proofs, _forget_proofs),
)
