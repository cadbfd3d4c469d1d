"""What a counsellor is doing: breaks, wrap-up, leaving early and coming back."""

from __future__ import annotations

from datetime import timedelta, tzinfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.policy import Action
from callback_service.domain.presence import BREAK_MINUTES
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import desk, presence
from callback_service.services.absence_preview import Moves, what_moves
from callback_service.web.access import current_staff, requires

bp = Blueprint("presence", __name__, url_prefix="/desk")


@bp.get("/break")
@requires(Action.BE_AWAY)
def choose_break() -> ResponseReturnValue:
    """How long a break may be, and what each moves."""
    return _page("desk/break.html", list(BREAK_MINUTES))


@bp.post("/break")
@requires(Action.BE_AWAY)
def start_break() -> ResponseReturnValue:
    """Begin a break now."""
    minutes = request.form.get("minutes", type=int, default=0)
    try:
        with transaction() as session:
            presence.start_break(
                session, current_staff().id, minutes=minutes, now=utc_now(), tz=_tz()
            )
    except (BadInput, Refused) as refusal:
        flash(refusal.message, "error")
    else:
        flash("Your break has begun. Nothing is offered to you until it ends.", "success")
    return redirect(url_for("desk.queue"), code=303)


@bp.get("/leave")
@requires(Action.BE_AWAY)
def choose_to_leave() -> ResponseReturnValue:
    """What leaving early moves."""
    return _page("desk/leave.html", [])


@bp.post("/leave")
@requires(Action.BE_AWAY)
def leave() -> ResponseReturnValue:
    """I am not here for the rest of my shift."""
    return _sign_off(
        current_staff().id, "You are marked as not here. Nothing more is offered to you."
    )


@bp.post("/people/<int:staff_id>/not-here")
@requires(Action.SIGN_OFF_COLLEAGUE)
def not_here(staff_id: int) -> ResponseReturnValue:
    """Somebody who should be on shift is not: nothing waits for them."""
    return _sign_off(staff_id, "They are marked as not here. What they had goes to colleagues.")


@bp.post("/back")
@requires(Action.BE_AWAY)
def back() -> ResponseReturnValue:
    """I am available."""
    with transaction() as session:
        presence.come_back(session, current_staff().id, now=utc_now())
    flash("You are available.", "success")
    return redirect(url_for("desk.queue"), code=303)


@bp.post("/more-time")
@requires(Action.BE_AWAY)
def more_time() -> ResponseReturnValue:
    """My wrap-up takes longer."""
    try:
        with transaction() as session:
            presence.more_time(
                session, current_staff().id, rests=current_settings().rests, now=utc_now()
            )
    except Refused as refusal:
        flash(refusal.message, "error")
    return redirect(url_for("desk.queue"), code=303)


def _sign_off(staff_id: int, said: str) -> ResponseReturnValue:
    try:
        with transaction() as session:
            presence.sign_off(
                session, staff_id, actor_id=current_staff().id, now=utc_now(), tz=_tz()
            )
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash(said, "success")
    return redirect(url_for("desk.queue"), code=303)


def _page(template: str, minutes: list[int]) -> ResponseReturnValue:
    """A page with what each length moves; without any, what leaving until the end does."""
    now, me, tz = utc_now(), current_staff(), _tz()
    try:
        with reading() as session:
            off_duty_at = presence.duty_ends(session, me.id, now=now, tz=tz)
            untils = [min(now + timedelta(minutes=one), off_duty_at) for one in minutes]
            moves = what_moves(session, me.id, untils or [off_duty_at], now=now, tz=tz)
            mine = next((one for one in desk.held(session) if one.counsellor_id == me.id), None)
    except Refused as refusal:
        flash(refusal.message, "note")
        return redirect(url_for("desk.queue"), code=303)
    options = [
        (length, until, in_words(moved))
        for length, until, moved in zip(minutes or [0], untils or [off_duty_at], moves, strict=True)
    ]
    return render_template(
        template, options=options, off_duty_at=off_duty_at, mine=mine, now=now, tz=tz
    )


def in_words(moves: Moves) -> list[str]:
    """What moves, in plain sentences."""
    said = []
    if moves.to_colleagues == 1:
        said.append("1 call is planned for you in that time; it goes to a colleague.")
    elif moves.to_colleagues:
        said.append(
            f"{moves.to_colleagues} calls are planned for you in that time; they go to colleagues."
        )
    if moves.later:
        waits = "1 call waits" if moves.later == 1 else f"{moves.later} calls wait"
        said.append(f"{waits} until you are back, and can still be made in time.")
    if moves.lost:
        said.append(f"Nobody else could take {', '.join(moves.lost)} in time.")
    return said or ["No call is planned for you in that time."]


def _tz() -> tzinfo:
    return current_settings().service_time_zone
