"""The address that the rooms of the rota share, and the words for duties."""

from __future__ import annotations

from flask import Blueprint

from callback_service.domain.rota import Duty

bp = Blueprint("rota", __name__, url_prefix="/rota")

DUTY_WORDS = {Duty.COUNSELLING: "Counselling", Duty.DUTY_LEAD: "Duty lead"}
