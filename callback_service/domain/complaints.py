"""Complaints about how personal data is used: by when we say that we have one, and how we may."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

#: Source: Data Protection Act 2018, section 164A (Data (Use and Access) Act 2025, section 103):
#: receipt is acknowledged within the period of 30 days that begins when the complaint is received.
#: So the day it comes is the first of them.
ACKNOWLEDGED_WITHIN: Final = timedelta(days=30)


class AnswerBy(StrEnum):
    """How somebody who complains allows us to answer. Nothing is sent that they did not allow."""

    NONE = "none"
    PHONE = "phone"
    WRITING = "writing"


class Acknowledged(StrEnum):
    """How somebody was told that we have their complaint."""

    RANG = "rang"
    WROTE = "wrote"
    SPOKE = "spoke"  # they rang us, or came
    NOT_WANTED = "not_wanted"  # they want no answer: the page told them that we have it


_WAYS: Final = {
    AnswerBy.NONE: (Acknowledged.NOT_WANTED, Acknowledged.SPOKE),
    AnswerBy.PHONE: (Acknowledged.RANG, Acknowledged.SPOKE),
    AnswerBy.WRITING: (Acknowledged.WROTE, Acknowledged.SPOKE),
}


def acknowledge_by(came_on: date) -> date:
    """The last day on which to say that we have a complaint that came on ``came_on``."""
    return came_on + ACKNOWLEDGED_WITHIN - timedelta(days=1)


def ways_to_acknowledge(answer_by: AnswerBy) -> tuple[Acknowledged, ...]:
    """How it may be done, by what they allowed; the likeliest first. Never by a text."""
    return _WAYS[answer_by]
