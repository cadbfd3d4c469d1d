"""The names of the scheduler's ticks, for those who run them and those who watch that they run."""

from __future__ import annotations

from enum import StrEnum


class TickName(StrEnum):
    """One kind of run of the scheduler."""

    PLAN = "plan"
    REPLAN = "replan"
    OFFERS = "offers"
    ESCALATION = "escalation"
    HANDOVER = "handover"
    LOOKUPS = "lookups"
    TEXTS = "texts"
    STAFF_TEXTS = "staff_texts"
    CALLS = "calls"
    FORM_POSTS = "form_posts"
    RETENTION = "retention"
    RECORDS = "records"
    COVER = "cover"
    SWAPS = "swaps"
    AUDIT = "audit"
    SHIPPING = "shipping"
    DECOYS = "decoys"


TICK_NAMES = tuple(TickName)
