"""Writing a text into the outbox, in the transaction of the change it tells of, where it may go."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain import texting
from callback_service.domain.contact import Window
from callback_service.domain.languages import ENGLISH
from callback_service.domain.texting import TextPolicy
from callback_service.domain.told import Told, spoken
from callback_service.models.callback import CallbackRequest, ContactWindow, Submission
from callback_service.models.outbox import FOR_CALLERS, OutboxMessage, OutboxState, TextKind
from callback_service.models.staff import Staff, new_uid
from callback_service.services import lines, plain_rows, suppression, text_limits
from callback_service.services.new_rows import NewRows
from callback_service.services.text_reasons import TELL_THE_TIME, Number, number_of
from callback_service.services.text_wording import template_of, wording

CLOSING_LASTS: Final = timedelta(hours=1)
AUTO_REPLY_LASTS: Final = timedelta(minutes=10)

_policy = TextPolicy()


def use_policy(policy: TextPolicy) -> None:
    """Write texts by ``policy`` from now on. Called once, by ``create_app``."""
    global _policy  # noqa: PLW0603 - one process, one service, one policy
    _policy = policy


def policy() -> TextPolicy:
    """What this installation is set to send."""
    return _policy


def confirm(
    session: Session,
    request: CallbackRequest,
    told: Told,
    *,
    number: Number,
    rows: NewRows,
    network: str | None = None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Tell the caller when we ring, by one of the new ``rows``.

    ``network``: where the form came from. The ``number`` is held: see ``text_limits.hold``.
    """
    _text_caller(
        session, request, TextKind.CONFIRMATION, now=now, tz=tz, told=told,
        once_key=f"confirmation:{request.uid}", expires_at=told.window.end, network=network,
        number=number, rows=rows,
    )  # fmt: skip


def tell_of_change(
    session: Session,
    request: CallbackRequest,
    told: Told,
    *,
    network: str | None = None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Tell a caller who was told a time that it is another one now."""
    if _was_told(session, request):
        _text_caller(
            session, request, TextKind.CHANGE, now=now, tz=tz, told=told,
            expires_at=told.window.end, network=network,
            once_key=f"change:{request.uid}:{int(now.timestamp())}",
        )  # fmt: skip


def _was_told(session: Session, request: CallbackRequest) -> bool:
    untold = (OutboxState.DROPPED, OutboxState.FAILED)
    told = select(OutboxMessage.id).where(
        OutboxMessage.request_id == request.id,
        OutboxMessage.kind.in_(TELL_THE_TIME),
        OutboxMessage.state.not_in(untold),
    )
    return session.scalar(told.limit(1)) is not None


def remind(
    session: Session, request: CallbackRequest, window: Window, *, now: datetime, tz: tzinfo
) -> None:
    """Keep a reminder for a while before a window, for who asked for one early enough."""
    due = texting.reminder_at(window, asked_at=now, remind_before=_policy.remind_before)
    if due is not None:
        _text_caller(
            session, request, TextKind.REMINDER, now=now, tz=tz,
            told=Told.between(window), send_at=due, expires_at=window.start,
            once_key=f"reminder:{request.uid}:{int(window.start.timestamp())}",
        )  # fmt: skip


def tell_of_missed_call(
    session: Session,
    request: CallbackRequest,
    *,
    attempt: int,
    again_at: datetime,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Tell the caller that we rang and when we ring again; only in the times they gave."""
    _text_later(
        session, request, TextKind.MISSED, now=now, tz=tz, told=Told.at(again_at),
        once_key=f"missed:{request.uid}:{attempt}", expires_at=again_at,
    )  # fmt: skip


def tell_of_closing(
    session: Session, request: CallbackRequest, *, now: datetime, tz: tzinfo
) -> None:
    """Tell the caller that we did not reach them; only in the times they gave."""
    _text_later(
        session, request, TextKind.CLOSING, now=now, tz=tz,
        once_key=f"closing:{request.uid}", expires_at=now + CLOSING_LASTS,
    )  # fmt: skip


def reply_automatically(
    session: Session, to: str, request: CallbackRequest | None, *, once_key: str, now: datetime
) -> None:
    """Answer a text that came in, in words that say nothing about anybody."""
    language = ENGLISH if request is None else language_of(request)
    message = OutboxMessage(
        once_key=once_key,
        kind=TextKind.AUTO_REPLY,
        template=template_of(TextKind.AUTO_REPLY, language),
        body=wording(TextKind.AUTO_REPLY, language=language),
        request_id=request.id if request else None,
        request=request,
        send_after=now,
        expires_at=now + AUTO_REPLY_LASTS,
        created_at=now,
    )
    _queue(session, message, to=to)


def language_of(request: CallbackRequest) -> str:
    """The language to text a caller in: the one they wish to speak, where texts may be in it."""
    wished = (request.wish_language or ENGLISH).partition("-")[0]
    return wished if wished in _policy.languages else ENGLISH


def _text_later(
    session: Session,
    request: CallbackRequest,
    kind: TextKind,
    *,
    once_key: str,
    expires_at: datetime,
    now: datetime,
    tz: tzinfo,
    told: Told | None = None,
) -> None:
    """Queue a text that the caller does not wait for, where it goes in the times they gave."""
    until = texting.may_text_until(_times_given(session, request), now=now)
    if until is not None:
        _text_caller(
            session, request, kind, now=now, tz=tz,
            once_key=once_key, expires_at=min(expires_at, until), told=told,
        )  # fmt: skip


def _times_given(session: Session, request: CallbackRequest) -> list[Window]:
    rows = session.execute(
        select(ContactWindow.starts_at, ContactWindow.due_at, ContactWindow.is_window)
        .join(Submission, Submission.id == ContactWindow.submission_id)
        .where(ContactWindow.request_id == request.id, Submission.withdrawn_at.is_(None))
    )
    asked = [(Window(start, end), is_chosen) for start, end, is_chosen in rows]
    return texting.times_given(asked, agreed_from=request.agreed_from)


def _text_caller(
    session: Session,
    request: CallbackRequest,
    kind: TextKind,
    *,
    once_key: str,
    expires_at: datetime,
    now: datetime,
    tz: tzinfo,
    told: Told | None = None,
    send_at: datetime | None = None,
    network: str | None = None,
    number: Number | None = None,
    rows: NewRows | None = None,
) -> None:
    """Queue a text to the caller, if they allowed texts and their number may be sent one.

    One beyond a limit is kept as dropped, with the reason. ``number``, if it has been looked at
    already. With ``rows`` it is held already too, and the text is one of them.
    """
    number = number or number_of(session, request, now=now)
    if not number.may_be_texted(request):
        return
    language, goes_at = language_of(request), send_at or now
    facts = {"when": spoken(told, language=language, now=goes_at, tz=tz)} if told else {}
    message = OutboxMessage(
        once_key=once_key,
        kind=kind,
        template=template_of(kind, language),
        body=wording(kind, language=language, **facts),
        request_id=request.id,
        request=request,  # whose key the number is sealed by
        send_after=max(goes_at, now + _patience(session, request, now=now)),
        expires_at=expires_at,
        created_at=now,
        network_index=text_limits.network_index(network),
    )
    _queue(session, message, to=request.phone, rows=rows)


def _patience(session: Session, request: CallbackRequest, *, now: datetime) -> timedelta:
    """How long a text waits to hear what line its number is."""
    if not _policy.looks_numbers_up or lines.is_known(session, request, now=now):
        return timedelta(0)
    return lines.PATIENCE


def text_staff(
    session: Session,
    staff: Staff,
    kind: TextKind,
    *,
    once_key: str,
    expires_at: datetime,
    now: datetime,
    offer_id: int | None = None,
    **facts: str,
) -> None:
    """Queue a notice to a member of staff who has given a number; true as long as its offer is."""
    message = OutboxMessage(
        once_key=once_key,
        kind=kind,
        template=template_of(kind, ENGLISH),
        body=wording(kind, **facts),
        staff_id=staff.id,
        offer_id=offer_id,
        send_after=now,
        expires_at=expires_at,
        created_at=now,
    )
    _queue(session, message, to=staff.phone)


def _queue(
    session: Session, message: OutboxMessage, *, to: str | None, rows: NewRows | None = None
) -> None:
    if to is None:
        return
    message.to_index = suppression.index_of(to)
    if rows is None:
        text_limits.hold(session, message)
    sent = text_limits.count(session, message, now=message.created_at)
    if sent.is_known:
        return
    if message.kind in FOR_CALLERS:
        message.reason = text_limits.beyond(sent, message)
        message.state = OutboxState.DROPPED if message.reason else OutboxState.QUEUED
    message.uid = new_uid()  # the sealed number is tied to it
    message.to = to
    if rows is None:
        plain_rows.put(session, message)
    else:
        rows.add(message)
