"""What we text to callers, word for word: the sender's own templates with times as examples."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.retention import LONDON
from callback_service.domain.told import Told, spoken
from callback_service.models.outbox import TextKind
from callback_service.services import text_wording

#: An evening, so that both "tonight" and "tomorrow" are shown.
AT: Final = datetime(2026, 11, 25, 20, 0, tzinfo=LONDON)
_TONIGHT: Final = Told.between(Window(AT + timedelta(hours=1), AT + timedelta(hours=3)))
_TOMORROW: Final = Told.between(Window(AT + timedelta(hours=13), AT + timedelta(hours=15)))
#: Each text to a caller: what it is for, and the time in it as its sender tells it.
EXAMPLES: Final = (
    (TextKind.CONFIRMATION, "When you ask for a call", Told.by(AT + timedelta(minutes=100))),
    (TextKind.CHANGE, "If the time changes", _TOMORROW),
    (TextKind.REMINDER, "If you ask for a reminder", _TONIGHT),
    (TextKind.MISSED, "If we rang and could not reach you", Told.at(AT + timedelta(minutes=160))),
    (TextKind.CLOSING, "If we could not reach you at all", None),
    (TextKind.AUTO_REPLY, "If you text us", None),
)


def in_language(language: str) -> list[tuple[str, str]]:
    """Why each text goes, in English, and its words in ``language``."""
    return [
        (why, text_wording.wording(kind, language=language, **_facts(told, language)))
        for kind, why, told in EXAMPLES
    ]


def _facts(told: Told | None, language: str) -> dict[str, str]:
    return {"when": spoken(told, language=language, now=AT, tz=LONDON)} if told else {}
