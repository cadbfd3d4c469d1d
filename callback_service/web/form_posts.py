"""The managers' page of requests that wait outside the queue, because so many came at once."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain import flood
from callback_service.domain.policy import Action
from callback_service.errors import NotFound
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import form_posts
from callback_service.web.access import current_staff, fresh, requires

bp = Blueprint("form_posts", __name__, url_prefix="/waiting-outside")


@bp.get("")
@requires(Action.LET_POSTS_IN)
def page() -> str:
    """What waits, by the network it came from. Nobody's name or number is shown."""
    settings = current_settings()
    with reading() as session:
        groups = form_posts.groups(session)
    return render_template(
        "manager/form_posts.html",
        groups=groups,
        limits=settings.form_limits,
        held_minutes=int(flood.HELD_FOR.total_seconds()) // 60,
        now=utc_now(),
        tz=settings.service_time_zone,
    )


@bp.post("/<int:post_id>/let-in")
@requires(Action.LET_POSTS_IN)
def let_in(post_id: int) -> ResponseReturnValue:
    """Put all of one network into the queue."""
    with transaction() as session:
        moved = form_posts.let_in(
            session,
            post_id,
            actor_id=current_staff().id,
            now=utc_now(),
            tz=current_settings().service_time_zone,
        )
    flash(f"{_requests(moved)} in the queue now.", "success")
    return redirect(url_for("form_posts.page"), code=303)


@bp.get("/<int:post_id>/discard")
@requires(Action.LET_POSTS_IN)
def confirm_discard(post_id: int) -> str:
    """Ask before anything is thrown away."""
    with reading() as session:
        found = [one for one in form_posts.groups(session) if one.post_id == post_id]
    if not found:
        raise NotFound("These requests do not wait any more.")
    return render_template(
        "manager/form_posts_discard.html",
        group=found[0],
        now=utc_now(),
        tz=current_settings().service_time_zone,
    )


@bp.post("/<int:post_id>/discard")
@requires(Action.DISCARD_POSTS)
@fresh
def discard(post_id: int) -> ResponseReturnValue:
    """Throw all of one network away: nobody will be rung for them."""
    with transaction() as session:
        gone = form_posts.discard(session, post_id, actor_id=current_staff().id, now=utc_now())
    flash(f"{_requests(gone)} thrown away.", "success")
    return redirect(url_for("form_posts.page"), code=303)


def _requests(count: int) -> str:
    return "One request is" if count == 1 else f"{count} requests are"
