"""Gaps that managers were told of: accepting one, with a reason, and taking that back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from callback_service import clock
from callback_service.domain.cover_words import who_in_words
from callback_service.domain.policy import Action
from callback_service.domain.wall_time import day_in_words
from callback_service.errors import BadInput
from callback_service.extensions import reading, transaction
from callback_service.services import cover_warnings
from callback_service.services.cover_warnings import WarningLine
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import Reason, zone

bp = Blueprint("gaps", __name__, url_prefix="/cover/gaps")


class MuteForm(FlaskForm):
    """Why a gap is accepted."""

    reason = Reason("Why this gap is accepted")


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap the managers know of, in words."""

    id: int
    words: str
    short: int
    told: str
    muted_reason: str | None


@bp.get("/<int:warning_id>/mute")
@requires(Action.EDIT_COVER)
def mute_form(warning_id: int) -> ResponseReturnValue:
    """Ask why a gap is accepted."""
    return _mute_page(warning_id, MuteForm(formdata=None))


@bp.post("/<int:warning_id>/mute")
@requires(Action.EDIT_COVER)
def mute(warning_id: int) -> ResponseReturnValue:
    """Accept a gap as it is."""
    form = MuteForm()
    if not form.validate_on_submit():
        return _mute_page(warning_id, form), BadInput.status
    with transaction() as session:
        cover_warnings.mute_gap(
            session,
            warning_id,
            reason=form.reason.data or "",
            actor_id=current_staff().id,
            now=clock.utc_now(),
        )
    flash("The gap is muted. You are told of it again only if it grows.", "success")
    return redirect(url_for("cover.week"), code=303)


@bp.post("/<int:warning_id>/unmute")
@requires(Action.EDIT_COVER)
def unmute(warning_id: int) -> ResponseReturnValue:
    """Have a gap told of again."""
    with transaction() as session:
        cover_warnings.unmute_gap(
            session, warning_id, actor_id=current_staff().id, now=clock.utc_now()
        )
    flash("The gap is no longer muted.", "success")
    return redirect(url_for("cover.week"), code=303)


def _mute_page(warning_id: int, form: MuteForm) -> str:
    with reading() as session:
        gap = cover_warnings.known_gap(session, warning_id)
    [row] = gap_rows([gap], clock.utc_now())
    return render_template("manager/mute_gap.html", form=form, gap=row)


def gap_rows(gaps: Iterable[WarningLine], now: datetime) -> list[GapRow]:
    """Gaps as a page says them."""
    return [
        GapRow(gap.id, _span(gap, now), gap.short, _told(gap), gap.muted_reason) for gap in gaps
    ]


def _span(gap: WarningLine, now: datetime) -> str:
    since = "now" if gap.start <= now else _moment(gap.start)
    who = f": somebody {who_in_words(gap.skill)}" if gap.skill else ""
    return f"{since} to {_moment(gap.end)}{' and on' if gap.goes_on else ''}{who}"


def _told(gap: WarningLine) -> str:
    first = _moment(gap.first_told_at)
    if gap.last_told_at == gap.first_told_at:
        return first
    return f"{first}, last {_moment(gap.last_told_at)}"


def _moment(instant: datetime) -> str:
    local = instant.astimezone(zone())
    return f"{day_in_words(local.date())}, {local:%H:%M}"
