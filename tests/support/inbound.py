"""Texts to the service, taken in as its webhook does."""

from __future__ import annotations

from datetime import datetime
from itertools import count

from sqlalchemy.orm import Session

from callback_service.services import inbound_texts
from callback_service.services.inbound_texts import Arrived
from tests.support.builders import NOW

OURS = "+447700900999"
SENDER = "+447700900123"
_numbers = count(1)


def new_sid() -> str:
    """An id as the gateway gives them."""
    return f"SM{next(_numbers):032x}"


def text_us(
    session: Session,
    body: str,
    *,
    sender: str = SENDER,
    sid: str | None = None,
    now: datetime = NOW,
) -> bool:
    """Somebody texts the service; whether it was taken."""
    taken = inbound_texts.take_text(
        session,
        Arrived(sid=sid or new_sid(), sender=sender, to=OURS, body=body),
        our_numbers=frozenset({OURS}),
        allow_drama=True,
        now=now,
    )
    session.commit()
    return taken
