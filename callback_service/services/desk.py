"""What a counsellor sees at the desk, and taking a request from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.lifecycle import HELD, RequestState
from callback_service.domain.looks import mask
from callback_service.domain.planning import OFFER_LEAD
from callback_service.domain.policy import Action, Condition, Field
from callback_service.domain.staff import Role, StaffMember
from callback_service.errors import NotFound, Refused
from callback_service.models.callback import Attempt, CallbackRequest, Escalation, Offer
from callback_service.models.plan import PlanEntry
from callback_service.models.staff import Staff
from callback_service.services import (
    decoys,
    explanations,
    handover,
    presence,
    requests,
    sight,
    suppression,
)
from callback_service.services.conflicts import barred_from, check_not_barred
from callback_service.services.desk_texts import TextNews, text_news
from callback_service.services.inbound_texts import InboundRow, words_of
from callback_service.services.permission import allowed
from callback_service.services.requests import NO_SUCH
from callback_service.services.sight import Seen
from callback_service.services.who_is_free import counsellors_on_shift
from callback_service.services.wish_lines import WishLine, wish_lines
from callback_service.services.wishes_at_desk import check_wishes

#: A request that was taken must be rung within this time, or it goes back to the queue.
RING_WITHIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One waiting request as everybody on shift sees it: no name, no number."""

    request_id: int
    reference: str
    ring_from: datetime
    due_at: datetime
    tries: int
    may_text: bool
    may_leave_voicemail: bool
    planned_for: str | None  # the counsellor foreseen
    planned_at: datetime | None
    offered_to_id: int | None
    offer_lapses_at: datetime | None
    is_escalated: bool
    is_late: bool
    is_open_to_take: bool
    is_urgent: bool
    wishes: list[WishLine]
    why: str | None  # why the plan has them ring then
    is_for_managers: bool  # the number asked never to be rung
    texts: TextNews


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One request that a counsellor holds."""

    request_id: int
    reference: str
    state: RequestState
    counsellor_id: int
    counsellor: str
    since: datetime


def queue(session: Session, *, now: datetime, tz: tzinfo) -> list[QueueRow]:
    """Every waiting request: urgent and escalated first, then by due time."""
    escalated = select(Escalation.request_id).where(
        Escalation.request_id == CallbackRequest.id, Escalation.round == CallbackRequest.round
    )
    rows = session.execute(
        select(
            CallbackRequest, Staff.name, PlanEntry.starts_at, Offer.counsellor_id, Offer.lapses_at,
            escalated.exists(),
        )
        .outerjoin(PlanEntry, PlanEntry.request_id == CallbackRequest.id)
        .outerjoin(Staff, Staff.id == PlanEntry.counsellor_id)
        .outerjoin(Offer, (Offer.request_id == CallbackRequest.id) & Offer.ended_at.is_(None))
        .where(CallbackRequest.state == RequestState.WAITING)
    ).all()  # fmt: skip
    waiting = [row[0] for row in rows]
    why, texts = explanations.reasons(session, waiting, now=now, tz=tz), text_news(session, waiting)
    lines = wish_lines(session, waiting, now=now, tz=tz)
    silent = suppression.asked_for_silence(session, [request.id for request in waiting])
    found = [
        _queue_row(
            *row,
            wishes=lines[row[0].id],
            why=why.get(row[0].id),
            texts=texts[row[0].id],
            silent=silent,
            now=now,
        )
        for row in rows
    ]
    return sorted(
        found,
        key=lambda row: (not row.is_urgent, not row.is_escalated, row.due_at, row.request_id),
    )


def _queue_row(
    request: CallbackRequest,
    planned_for: str | None,
    planned_at: datetime | None,
    offered_to_id: int | None,
    offer_lapses_at: datetime | None,
    is_escalated: bool,
    *,
    wishes: list[WishLine],
    why: str | None,
    texts: TextNews,
    silent: set[int],
    now: datetime,
) -> QueueRow:
    return QueueRow(
        request_id=request.id,
        reference=request.reference,
        ring_from=request.ring_from,
        due_at=request.due_at,
        tries=request.tries,
        may_text=request.may_text,
        may_leave_voicemail=request.may_leave_voicemail,
        planned_for=planned_for,
        planned_at=planned_at,
        offered_to_id=offered_to_id,
        offer_lapses_at=offer_lapses_at,
        is_escalated=is_escalated,
        is_late=now > request.due_at,
        is_open_to_take=request.ring_from <= now + OFFER_LEAD,
        is_urgent=request.is_urgent,
        wishes=wishes,
        why=why,
        is_for_managers=request.id in silent,
        texts=texts,
    )


@dataclass(frozen=True, slots=True)
class Board:
    """The desk of one person. ``known`` are requests of callers whom they know."""

    rows: list[QueueRow]
    held: list[HeldRow]
    handover: list[handover.HandoverRow]
    known: set[int]


@allowed(Action.SEE_QUEUE)
def board(session: Session, *, staff: StaffMember, now: datetime, tz: tzinfo) -> Board:
    """What waits, is in hand and is to be handed over, without what is hidden from ``staff``.

    Requests of callers whom they know are hidden from counsellors, and inert for managers.
    """
    known = barred_from(session, staff.id)
    hidden = set[int]() if policy.may(staff.role, Action.SEE_RECORD) else known
    return Board(
        rows=[
            _bare(r) if r.request_id in known else r
            for r in queue(session, now=now, tz=tz)
            if r.request_id not in hidden
        ],
        held=[r for r in held(session) if r.request_id not in hidden],
        handover=[
            r for r in handover.handover_list(session, now=now, tz=tz) if r.request_id not in hidden
        ],
        known=known,
    )


def _bare(row: QueueRow) -> QueueRow:
    """A line without its caller: neither their wishes, nor what they allow or texted."""
    return replace(
        row, wishes=[], why=None, may_text=False, may_leave_voicemail=False, texts=TextNews(),
        is_for_managers=False,
    )  # fmt: skip


def held(session: Session) -> list[HeldRow]:
    """Every request that a counsellor holds, longest held first."""
    rows = session.execute(
        select(CallbackRequest, Staff)
        .join(Staff, Staff.id == CallbackRequest.assigned_to_id)
        .where(CallbackRequest.state.in_(HELD))
        .order_by(CallbackRequest.assigned_at)
    ).all()
    return [
        HeldRow(
            request_id=request.id,
            reference=request.reference,
            state=request.state,
            counsellor_id=staff.id,
            counsellor=staff.name,
            since=request.assigned_at or request.created_at,
        )
        for request, staff in rows
    ]


@allowed(Action.TAKE_REQUEST)
def accept(
    session: Session, request_id: int, *, staff: StaffMember, now: datetime, tz: tzinfo
) -> None:
    """Take a waiting request. Of two who press at once, one has it and the other is told who."""
    request = requests.lock_request(session, request_id)
    sight.check_on_desk(session, request, staff, now=now)
    if request.state in HELD:
        if request.assigned_to_id == staff.id:
            return  # the button was pressed twice
        raise Refused(_taken_by(request, now))
    if request.state is RequestState.CLOSED:
        raise Refused("This request is closed. The caller may have withdrawn it.")
    if request.ring_from > now + OFFER_LEAD:
        local = request.ring_from.astimezone(tz)
        raise Refused(f"This caller asked not to be rung before {local:%H:%M}.")
    _check_may_take(session, staff, now=now, tz=tz)
    if staff.role is not Role.MANAGER and suppression.asked_for_silence(session, [request.id]):
        raise Refused("This number asked us never to ring it. The duty lead decides.")
    check_wishes(session, request, staff, now=now, tz=tz)
    presence.take_up_work(session, staff.id, now=now)
    check_not_barred(session, request.id, staff.id)  # who bars them just now held them till then
    try:
        with session.begin_nested():
            requests.assign(
                session, request, counsellor_id=staff.id, hold_until=now + RING_WITHIN, now=now
            )
    except IntegrityError as error:
        raise Refused("You already hold a request. Finish it or give it back first.") from error


@allowed(Action.MARK_URGENT)
def mark_urgent(
    session: Session, request_id: int, *, is_urgent: bool, staff: StaffMember, now: datetime
) -> None:
    """Put a request before all others, or back among them. For an open request, by any of us."""
    request = requests.lock_request(session, request_id)
    sight.check_on_desk(session, request, staff, now=now)
    if request.state is RequestState.CLOSED:
        raise Refused("This request is closed. The caller may have withdrawn it.")
    requests.set_urgent(session, request, is_urgent=is_urgent, actor_id=staff.id, now=now)


def _check_may_take(session: Session, staff: StaffMember, *, now: datetime, tz: tzinfo) -> None:
    """Counsellors take requests on shift; managers whenever they step in."""
    is_here = staff.id in counsellors_on_shift(session, now=now, tz=tz)
    met = {Condition.ON_SHIFT} if is_here else set[Condition]()
    if policy.permits(staff.role, Action.TAKE_REQUEST, met):
        return
    raise Refused("You are not on shift, so you cannot take a request now.")


def _taken_by(request: CallbackRequest, now: datetime) -> str:
    name = request.assigned_to.name if request.assigned_to else "Somebody else"
    if request.assigned_at is None:
        return f"{name} took this call."
    seconds = max(int((now - request.assigned_at).total_seconds()), 0)
    ago = (
        f"{seconds} second{'' if seconds == 1 else 's'}" if seconds < 60 else f"{seconds // 60} min"
    )
    return f"{name} took this call {ago} ago."


class NumberShown(StrEnum):
    """Whether a look at a request shows the caller's number."""

    ALWAYS = "always"  # they dial it themselves
    NEVER = "never"
    ON_ASKING = "on_asking"


@dataclass(frozen=True, slots=True)
class CallSheet:
    """All a counsellor needs for one call."""

    request_id: int
    reference: str
    state: RequestState
    is_own: bool  # the one who looks holds it; False for a manager who steps in
    is_whole: bool  # what the caller told us is shown; False for a manager without a reason
    phone: str  # E.164; empty where it is masked, or shown only on asking
    phone_masked: str
    phone_kind: str
    name: str | None
    note: str | None
    notes_so_far: str | None
    may_text: bool
    may_leave_voicemail: bool
    wishes: list[str]  # whom they asked for
    is_urgent: bool
    due_at: datetime
    tries: int
    calling_since: datetime | None
    hold_until: datetime | None
    attempts: list[Attempt]
    texts: TextNews
    written: list[InboundRow]  # what they texted to us
    asked_for_silence: bool  # never to be rung again


@allowed(Action.OPEN_CALL)
def call_sheet(
    session: Session,
    request_id: int,
    *,
    staff: StaffMember,
    now: datetime,
    number: NumberShown = NumberShown.ALWAYS,
) -> CallSheet:
    """Name, what is safe and the number, for whoever holds the request.

    Each look is an audit row with why it was allowed, and whether the number was shown; so is each
    asking for the number where it is not shown anyway.
    """
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    action = Action.SHOW_NUMBER if number is NumberShown.ON_ASKING else Action.OPEN_CALL
    seen = sight.seen_by(session, request, staff, action, now=now)
    decoys.record_look(
        session,
        "request.number_read" if number is NumberShown.ON_ASKING else "request.read",
        request.id,
        actor_id=staff.id,
        now=now,
        why="own_call" if request.assigned_to_id == staff.id else "stepped_in",
        shows_number=number is not NumberShown.NEVER,
    )
    is_own = request.assigned_to_id == staff.id
    return _sheet(session, request, seen, number, is_own=is_own, now=now)


def _sheet(
    session: Session,
    request: CallbackRequest,
    seen: Seen,
    number: NumberShown,
    *,
    is_own: bool,
    now: datetime,
) -> CallSheet:
    attempts = list(request.attempts)
    return CallSheet(
        request_id=request.id,
        reference=request.reference,
        state=request.state,
        is_own=is_own,
        is_whole=seen.is_whole,
        phone=_number(seen, request, number),
        phone_masked=mask(request.phone),
        phone_kind=request.phone_kind,
        name=seen.whole(Field.NAME, request.name),
        note=seen.whole(Field.SAFE_CONTACT, request.note),
        notes_so_far=seen.whole(Field.NOTES, request.closing_note),
        may_text=request.may_text,
        may_leave_voicemail=request.may_leave_voicemail,
        wishes=explanations.wishes_in_words(request),
        is_urgent=request.is_urgent,
        due_at=request.due_at,
        tries=request.tries,
        calling_since=next((a.started_at for a in attempts if a.ended_at is None), None),
        hold_until=request.hold_until,
        attempts=attempts,
        texts=text_news(session, [request])[request.id],
        written=seen.whole(Field.TEXTS_IN, words_of(session, request.id)) or [],
        asked_for_silence=bool(suppression.asked_for_silence(session, [request.id])),
    )


def _number(seen: Seen, request: CallbackRequest, number: NumberShown) -> str:
    """The whole number, for who sees it and is shown it now; where the service rings, a manager
    who took a look is: they step in by hand.
    """
    asks = number is not NumberShown.NEVER or Condition.HOLDS not in seen.met
    phone = seen.whole(Field.NUMBER, request.phone)
    return (phone or "") if asks else ""
