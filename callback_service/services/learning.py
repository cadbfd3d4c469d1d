"""What the last calls and quotes say of the next ones."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import call_lengths, habits, quotes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.lifecycle import Outcome
from callback_service.domain.presence import WRAP_UP
from callback_service.domain.quotes import Came, Forecast
from callback_service.models.callback import (
    Attempt,
    CallbackRequest,
    ContactWindow,
    Offer,
    OfferEnding,
)


def learned_lengths(session: Session) -> CallLengths:
    """How long calls occupy a counsellor that reach the caller, wrap-up included: from the last."""
    rows = session.execute(
        select(Attempt.started_at, Attempt.ended_at)
        .where(Attempt.outcome == Outcome.ANSWERED)
        .order_by(Attempt.id.desc())
        .limit(call_lengths.MOST_CALLS)
    )
    lasted = (ended - started + WRAP_UP for started, ended in rows if ended is not None)
    return call_lengths.learned(lasted)


def learned_lapses(session: Session) -> float:
    """Which share of offers nobody takes in time: from the last ones."""
    last = (
        select(Offer.ending)
        .where(Offer.ending.in_((OfferEnding.ACCEPTED, OfferEnding.LAPSED)))
        .order_by(Offer.id.desc())
        .limit(habits.MOST_OFFERS)
        .subquery()
    )
    lapsed = func.count().filter(last.c.ending == OfferEnding.LAPSED)
    return habits.learned_lapses(*session.execute(select(lapsed, func.count(last.c.ending))).one())


def learned_z(session: Session) -> float:
    """How many standard deviations to add to a forecast, from what the last quotes came to.

    Only quotes that made a request count: who joins one that is open inherits its place. Who wishes
    for somebody waits for few, for a share of what was promised: that says nothing of how long
    everybody waits, and what is learned from it would make the next promises longer, and so on.
    """
    rows = session.execute(
        select(
            ContactWindow.starts_at,
            ContactWindow.foreseen_seconds,
            ContactWindow.foreseen_sd_seconds,
            ContactWindow.due_at,
            CallbackRequest.first_attempt_at,
        )
        .join(CallbackRequest, CallbackRequest.id == ContactWindow.request_id)
        .where(
            ContactWindow.foreseen_seconds.is_not(None),
            CallbackRequest.first_attempt_at.is_not(None),
            CallbackRequest.created_at == ContactWindow.starts_at,
            CallbackRequest.wish_language.is_(None),
            CallbackRequest.wish_gender.is_(None),
            CallbackRequest.wish_counsellor_id.is_(None),
        )
        .order_by(ContactWindow.id.desc())
        .limit(quotes.MOST_RESULTS)
    )
    return quotes.learned_z(
        [
            Came(Forecast(mean, sd).surprise(rung_at - asked_at), rung_at <= due_at)
            for asked_at, mean, sd, due_at, rung_at in rows
            if mean is not None and sd is not None and rung_at is not None
        ]
    )
