"""The words of every text: a template for each kind, with a version, in each language it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callback_service.domain.languages import ENGLISH
from callback_service.models.outbox import TextKind

FOLDER: Final = Path(__file__).parents[2] / "templates" / "sms"

#: The wording in use for each kind; an older version stays as long as a row may name it.
TEMPLATES: Final = {
    TextKind.CONFIRMATION: "confirmation.v2",
    TextKind.CHANGE: "change.v1",
    TextKind.REMINDER: "reminder.v1",
    TextKind.MISSED: "missed.v1",
    TextKind.CLOSING: "closing.v1",
    TextKind.AUTO_REPLY: "auto_reply.v1",
    TextKind.ESCALATION: "escalation.v1",
    TextKind.GAP: "gap.v1",
    TextKind.ABSENCE: "absence.v1",
    TextKind.OFFER: "offer.v1",
    TextKind.SWAP_OFFERED: "swap_offered.v1",
    TextKind.SWAP_TAKEN: "swap_taken.v1",
    TextKind.SWAP_DECIDED: "swap_decided.v1",
    TextKind.LEAVE_DECIDED: "leave_decided.v2",
    TextKind.AUDIT: "audit.v1",
    TextKind.ACCOUNT: "account.v1",
}

_WORDINGS = Environment(
    loader=FileSystemLoader(FOLDER),
    undefined=StrictUndefined,
    auto_reload=False,  # whoever sends the form waits: the files are not looked at for each text
    autoescape=False,  # nosec B701  # noqa: S701 - plain text for a phone, and no typed words go in
)
_WORDINGS.globals["shows_number"] = False


def use_caller_id(*, shows_number: bool) -> None:
    """Say from now on what a call shows on the caller's phone. Called once, by ``create_app``."""
    _WORDINGS.globals["shows_number"] = shows_number


def template_of(kind: TextKind, language: str) -> str:
    """The name of a wording: its language, kind and version, as "cy/confirmation.v1"."""
    return f"{language}/{TEMPLATES[kind]}"


def wording(kind: TextKind, *, language: str = ENGLISH, **facts: str) -> str:
    """The words of a text. ``facts`` are times and references, never names or numbers."""
    template = _WORDINGS.get_template(f"{template_of(kind, language)}.txt")
    return template.render(facts).strip()
