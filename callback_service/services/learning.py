"""What the last calls and quotes say of the next ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import Select, func, select
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
from callback_service.services import plain_rows
from callback_service.services.remembered import Remembered


@dataclass(frozen=True, slots=True)
class Learned:
    """What the last calls, offers and quotes say: see the functions below."""

    lengths: CallLengths
    lapses: float
    z: float


#: What hundreds of calls say is much the same a little later, and reading them takes a while.
_learned: Final = Remembered[Learned](holds_for=timedelta(minutes=1))


def learned(session: Session, *, now: datetime) -> Learned:
    """All of it, as it is or was a minute ago at most."""

    def look() -> Learned:
        return Learned(learned_lengths(session), learned_lapses(session), learned_z(session))

    return _learned.get(session, look, now=now)


def learned_lengths(session: Session) -> CallLengths:
    """How long calls occupy a counsellor that reach the caller, wrap-up included: from the last."""
    rows = plain_rows.rows(session, _last_calls())
    lasted = (ended - started + WRAP_UP for started, ended in rows if ended is not None)
    return call_lengths.learned(lasted)


@cache
def _last_calls() -> Select[datetime, datetime | None]:
    return (
        select(Attempt.started_at, Attempt.ended_at)
        .where(Attempt.outcome == Outcome.ANSWERED)
        .order_by(Attempt.id.desc())
        .limit(call_lengths.MOST_CALLS)
    )


def learned_lapses(session: Session) -> float:
    """Which share of offers nobody takes in time: from the last ones."""
    return habits.learned_lapses(*plain_rows.row(session, _last_offers()))


@cache
def _last_offers() -> Select[int, int]:
    """How many of the last offers lapsed, and of how many."""
    last = (
        select(Offer.ending)
        .where(Offer.ending.in_((OfferEnding.ACCEPTED, OfferEnding.LAPSED)))
        .order_by(Offer.id.desc())
        .limit(habits.MOST_OFFERS)
        .subquery()
    )
    lapsed = func.count().filter(last.c.ending == OfferEnding.LAPSED)
    return select(lapsed, func.count(last.c.ending))


def learned_z(session: Session) -> float:
    """How many standard deviations to add to a forecast, from what the last quotes came to.

    Only quotes that made a request count: who joins one that is open inherits its place. Who wishes
    for somebody waits for few, for a share of what was promised: that says nothing of how long
    everybody waits, and what is learned from it would make the next promises longer, and so on.
    """
    return quotes.learned_z(
        [
            Came(Forecast(mean, sd).surprise(rung_at - asked_at), rung_at <= due_at)
            for asked_at, mean, sd, due_at, rung_at in plain_rows.rows(session, _last_quotes())
            if mean is not None and sd is not None and rung_at is not None
        ]
    )


@cache
def _last_quotes() -> Select[datetime, int | None, int | None, datetime, datetime | None]:
    return (
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
