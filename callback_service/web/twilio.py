"""Twilio's webhooks: the only routes without a CSRF token, each signed instead."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.extensions import csrf, current_settings, transaction
from callback_service.gateways.signature import is_signed_by_twilio, signed_url
from callback_service.services import inbound_texts, receipts
from callback_service.web.access import public

bp = Blueprint("twilio", __name__, url_prefix="/twilio")
csrf.exempt(bp)

BODY_LIMIT = 16 * 1024  # bytes


@bp.before_request
def check_signature() -> None:
    """Let only Twilio in: signed for the configured public address, whatever ``Host`` says."""
    settings = current_settings()
    request.max_content_length = BODY_LIMIT
    if "\x00" in request.path:
        abort(404)  # no id of ours has one, and PostgreSQL takes none, not even to look
    url = signed_url(request.environ, settings.public_base_url)
    signature = request.headers.get("X-Twilio-Signature")
    if not is_signed_by_twilio(url, request.form, signature, settings.twilio_auth_tokens):
        abort(403)


def posted(name: str, longest: int = 64) -> str:
    """One field of the webhook, cut short."""
    return request.form.get(name, "").replace("\x00", "")[:longest]


@bp.post("/texts/<uid>/status")
@public
def text_status(uid: str) -> ResponseReturnValue:
    """A delivery receipt. Unknown, repeated and late ones are taken and change nothing."""
    code = posted("ErrorCode", 9)
    with transaction() as session:
        receipts.take_receipt(
            session,
            uid,
            sid=posted("MessageSid"),
            status=posted("MessageStatus", 16),
            error_code=int(code) if code.isdecimal() and len(code) < 9 else None,
            now=utc_now(),
        )
    return "", 204


@bp.post("/texts/inbound")
@public
def inbound_text() -> ResponseReturnValue:
    """A text to our number. The same one twice is one; an answer, if any, goes by the outbox."""
    settings = current_settings()
    arrived = inbound_texts.Arrived(
        sid=posted("MessageSid"),
        sender=posted("From", 40),
        to=posted("To", 40),
        body=posted("Body", BODY_LIMIT),
        opt_out_type=posted("OptOutType"),
    )
    with transaction() as session:
        inbound_texts.take_text(
            session,
            arrived,
            our_numbers=settings.own_numbers,
            allow_drama=settings.allows_drama_numbers,
            countries=settings.countries,
            now=utc_now(),
        )
    return "", 204
