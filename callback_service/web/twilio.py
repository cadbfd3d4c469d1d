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
    url = signed_url(request.environ, settings.public_base_url)
    signature = request.headers.get("X-Twilio-Signature")
    if not is_signed_by_twilio(url, request.form, signature, settings.twilio_auth_tokens):
        abort(403)


@bp.post("/texts/<uid>/status")
@public
def text_status(uid: str) -> ResponseReturnValue:
    """A delivery receipt. Unknown, repeated and late ones are taken and change nothing."""
    code = request.form.get("ErrorCode", "")
    with transaction() as session:
        receipts.take_receipt(
            session,
            uid,
            sid=request.form.get("MessageSid", "")[:64],
            status=request.form.get("MessageStatus", "")[:16],
            error_code=int(code) if code.isdecimal() and len(code) < 9 else None,
            now=utc_now(),
        )
    return "", 204


@bp.post("/texts/inbound")
@public
def inbound_text() -> ResponseReturnValue:
    """A text to our number. The same one twice is one; an answer, if any, goes by the outbox."""
    settings = current_settings()
    form = request.form
    arrived = inbound_texts.Arrived(
        sid=form.get("MessageSid", "")[:64],
        sender=form.get("From", "")[:40],
        to=form.get("To", "")[:40],
        body=form.get("Body", ""),
        opt_out_type=form.get("OptOutType", ""),
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
