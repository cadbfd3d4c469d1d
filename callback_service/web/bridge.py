""" "Ring now" at the desk: the service rings the counsellor, and then the caller.

The web request itself asks the gateway, right after its commit: the counsellor waits at the desk.
"""

from __future__ import annotations

import logging

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.calls import CallState, Leg
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.errors import NotFound, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.gateways.voice_base import CallUnclearError, VoiceGateway
from callback_service.services import bridge_view, calls
from callback_service.services.calls import Placing
from callback_service.web.access import current_staff, requires
from callback_service.web.desk import OUTCOMES, OutcomeForm, call_page
from callback_service.web.twilio_calls import status_url, webhook

logger = logging.getLogger(__name__)

bp = Blueprint("bridge", __name__, url_prefix="/desk/requests/<int:request_id>")


@bp.post("/ring-now")
@requires(Action.RING)
def ring_now(request_id: int) -> ResponseReturnValue:
    """Ring my phone, then the caller's."""
    try:
        gateway = _gateway()
        with transaction() as session:
            placing = calls.start(
                session,
                request_id,
                staff=current_staff(),
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
        if placing is not None:
            _place(gateway, placing)
    except Refused as refusal:
        flash(refusal.message, "error")
    return _to_call(request_id)


def _place(gateway: VoiceGateway, placing: Placing) -> None:
    """Ask the gateway once, with no transaction open, and write down what it said."""
    placed = calls.place(
        gateway,
        placing,
        answer_url=webhook(f"{placing.uid}/answer"),
        status_url=status_url(placing.uid, Leg.OWN),
    )
    with transaction() as session:
        called_off = calls.record_placed(session, placing, placed, now=utc_now())
    hang_up(called_off)


@bp.post("/stop-ringing")
@requires(Action.RING)
def stop(request_id: int) -> ResponseReturnValue:
    """Stop before the caller is dialled."""
    with transaction() as session:
        sid = calls.call_off(session, request_id, staff=current_staff(), now=utc_now())
    hang_up(sid)
    return _to_call(request_id)


@bp.post("/ring")
@requires(Action.RING)
def ring_by_hand(request_id: int) -> ResponseReturnValue:
    """I am ringing now, from a phone of my own."""
    try:
        with transaction() as session:
            sid = calls.ring_by_hand(session, request_id, staff=current_staff(), now=utc_now())
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(url_for("desk.queue"), code=303)
    hang_up(sid)
    return _to_call(request_id)


@bp.post("/number")
@requires(Action.SHOW_NUMBER)
def show_number(request_id: int) -> str:
    """The caller's number, on asking; each time is an audit row."""
    return call_page(request_id, OutcomeForm(formdata=None), asks_for_number=True)


@bp.get("/bridge/<seen>")
@requires(Action.OPEN_CALL)
def progress(request_id: int, seen: str) -> ResponseReturnValue:
    """How the call stands, asked for again by a page that was rendered in state ``seen``.

    The page is loaded anew once it would look otherwise; never while notes may be typed on it.
    """
    with reading() as session:
        try:
            desk_call = bridge_view.desk_call(
                session, request_id, staff=current_staff(), now=utc_now()
            )
        except NotFound:
            return "", 200, {"HX-Redirect": url_for("desk.queue")}
    is_over = desk_call.bridge is None or desk_call.bridge.state is CallState.ENDED
    if desk_call.state != seen or (is_over and desk_call.state is RequestState.ASSIGNED):
        return "", 200, {"HX-Refresh": "true"}
    return render_template("desk/_bridge.html", desk_call=desk_call, OUTCOMES=OUTCOMES)


def _gateway() -> VoiceGateway:
    """The gateway; raises Refused where there is none, and no page has the button."""
    gateway: VoiceGateway | None = current_app.extensions["voice_gateway"]
    if gateway is None:
        raise Refused("The service cannot ring from here. Ring by hand.")
    return gateway


def hang_up(sid: str | None) -> None:
    """End a call that was called off. If that fails it rings out, and no key has any effect."""
    if sid is None:
        return
    try:
        _gateway().hang_up(sid)
    except CallUnclearError as error:
        logger.warning("a call was not hung up: %s", error.message)


def _to_call(request_id: int) -> ResponseReturnValue:
    return redirect(url_for("desk.call", request_id=request_id), code=303)
