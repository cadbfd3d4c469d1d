"""Whether the ticks run is read from the database, never guessed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.models.heartbeat import Heartbeat
from callback_service.services.heartbeat import STALE_AFTER, beat, stopped_ticks
from tests.support.builders import NOW

TICKS = ("offers", "plan", "texts")


def test_before_the_first_beat_every_tick_is_stopped(session: Session) -> None:
    assert stopped_ticks(session, TICKS, now=NOW) == ["offers", "plan", "texts"]


def test_a_tick_that_never_ran_is_named(session: Session) -> None:
    beat(session, {"plan": NOW, "texts": NOW})
    session.flush()
    assert stopped_ticks(session, TICKS, now=NOW) == ["offers"]


def test_a_tick_is_stopped_once_it_has_been_silent_too_long(session: Session) -> None:
    beat(session, dict.fromkeys(TICKS, NOW))
    session.flush()
    just_in_time = NOW + STALE_AFTER - timedelta(seconds=1)
    assert stopped_ticks(session, TICKS, now=just_in_time) == []
    assert stopped_ticks(session, TICKS, now=NOW + STALE_AFTER) == list(TICKS)


def test_a_beat_never_moves_back(session: Session) -> None:
    for at in (NOW, NOW - timedelta(hours=1)):
        beat(session, {"plan": at})
        session.flush()
    assert session.scalars(select(Heartbeat.succeeded_at)).all() == [NOW]
