"""What taking a request writes down: the request, new or joined, and what was sent."""

from __future__ import annotations

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.newcomers import Quote
from callback_service.models.callback import CallbackRequest, ContactWindow, Submission
from callback_service.models.sealing import keyring
from callback_service.models.staff import new_uid
from callback_service.services import request_keys
from callback_service.services.asks import Ask
from callback_service.services.new_rows import NewRows

#: Spoken letters and digits that are not mistaken for each other.
REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCE_LENGTH: Final = 5
NOTE_LIMIT: Final = 1000  # characters of all notes together


def new_request(
    ask: Ask, promised: Window, rows: NewRows, *, request_id: int, now: datetime
) -> CallbackRequest:
    """A request as it was asked for; it and its key are among the ``rows`` to write."""
    request = CallbackRequest(
        id=request_id,
        uid=new_uid(),
        reference="".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH)),
        phone_index=keyring().blind_index("phone", ask.phone.e164),
        phone_kind=ask.phone.kind,
        may_text=ask.allowed.may_text,
        may_leave_voicemail=ask.allowed.may_leave_voicemail,
        created_at=now,
        ring_from=promised.start,
        due_at=promised.end,
        is_window=ask.window is not None,
    )
    key = request_keys.give(request)
    request.phone, request.name, request.note = ask.phone.e164, ask.name, ask.note
    request.wishes = ask.wishes
    rows.add(request)
    rows.add(key)
    return request


def join(request: CallbackRequest, ask: Ask, promised: Window) -> bool:
    """Add what was asked to a request that is open; whether it is rung at another time by that.

    Safe contact only ever gets stricter.
    """
    request.safe_contact = request.safe_contact.stricter(ask.allowed)
    request.name = request.name or ask.name
    request.wishes = ask.wishes.or_else(request.wishes)
    lines = [line for note in (request.note, ask.note) if note for line in note.split("\n")]
    request.note = "\n".join(dict.fromkeys(lines))[:NOTE_LIMIT] or None
    is_sooner = request.state is RequestState.WAITING and promised.end < request.due_at
    if is_sooner:
        request.ring_from, request.due_at = promised.start, promised.end
        request.is_window = ask.window is not None
    return is_sooner


def submission(
    ask: Ask, request: CallbackRequest, *, submission_id: int, now: datetime
) -> Submission:
    """What was sent, with the consent to it."""
    return Submission(
        id=submission_id,
        key_digest=sha256(ask.key.encode()).digest(),
        fingerprint=ask.fingerprint,
        request_id=request.id,
        consent_version=ask.consent_version,
        consented_at=now,
        may_text=ask.safe_contact.may_text,
        may_leave_voicemail=ask.safe_contact.may_leave_voicemail,
        wish_language=ask.wishes.language,
        wish_gender=ask.wishes.gender,
        wishes_same_counsellor=ask.wishes_same_counsellor,
        created_at=now,
    )


def open_window(
    ask: Ask, promised: Window, sent: Submission, *, quote: Quote | None = None
) -> ContactWindow:
    """A window that holds no place of those sold; with what its quote foresaw."""
    forecast = quote.forecast if quote else None
    return ContactWindow(
        request_id=sent.request_id,
        submission_id=sent.id,
        is_window=ask.window is not None,
        starts_at=promised.start,
        due_at=promised.end,
        foreseen_seconds=round(forecast.mean) if forecast else None,
        foreseen_sd_seconds=round(forecast.sd) if forecast else None,
    )
