"""The forms of swaps: offering a shift, approving a swap, declining one."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import SelectField
from wtforms.validators import Optional

from callback_service.domain.rota import Duty
from callback_service.services.swap_lists import OfferedShift
from callback_service.web.weekly import OneOf, Reason, choice


class OfferForm(FlaskForm):
    """Which shift is offered, and which is wanted for it."""

    shift = OneOf("Shift", sentence="Choose a shift of the list.")
    wanted = SelectField("Shift in return", validators=[Optional()], validate_choice=False)

    def offer_choices(self, own: list[OfferedShift], theirs: list[OfferedShift]) -> None:
        """Let one of ``own`` be offered, and one of ``theirs`` be asked for."""
        nothing = choice("", "Nothing in return")
        self.shift.choices = [choice("", "Choose a shift"), *_choices(own)]
        self.wanted.choices = [nothing, *_choices(theirs)]
        self.has_own = bool(own)
        self.listed = {key_of(one): one for one in [*own, *theirs]}


class DeclineForm(FlaskForm):
    """Why a swap is declined."""

    reason = Reason("Why it is declined")


class ApproveForm(FlaskForm):
    """Why a swap that breaks a rule of rest is approved."""

    rest_reason = Reason("Why this is allowed", is_needed=False)


def key_of(shift: OfferedShift) -> str:
    """What names a shift in a list."""
    return f"{shift.duty} {shift.start.isoformat()} {shift.end.isoformat()}"


def _choices(shifts: list[OfferedShift]) -> list[Any]:
    lead = {Duty.DUTY_LEAD: ", duty lead"}
    return [choice(key_of(one), f"{one.words}{lead.get(one.duty, '')}") for one in shifts]
