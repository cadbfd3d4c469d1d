"""What is remembered of the database for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy.orm import Session

from callback_service.services.remembered import Remembered
from tests.support.builders import NOW

A_MOMENT = timedelta(milliseconds=1)
A_WHILE = timedelta(minutes=1)
Look = Callable[..., int]


@pytest.fixture
def look(session: Session) -> Look:
    """Which of the times that it was found is told."""
    remembered, times = Remembered[int](holds_for=A_WHILE), count(1)

    def at(now: datetime, about: str = "") -> int:
        return remembered.get(session, lambda: next(times), about=about, now=now)

    return at


def test_what_was_found_is_told_again_for_a_while(look: Look) -> None:
    assert (look(NOW), look(NOW + A_MOMENT), look(NOW + A_WHILE - A_MOMENT)) == (1, 1, 1)


def test_then_it_is_found_anew(look: Look) -> None:
    assert (look(NOW), look(NOW + A_WHILE)) == (1, 2)


def test_it_is_found_anew_at_the_same_instant_as_something_may_have_changed(look: Look) -> None:
    assert (look(NOW), look(NOW)) == (1, 2)


def test_it_is_found_anew_when_the_clock_was_set_back(look: Look) -> None:
    assert (look(NOW), look(NOW - A_MOMENT)) == (1, 2)


def test_what_is_about_something_else_is_found_for_itself(look: Look) -> None:
    assert (look(NOW, "Welsh"), look(NOW + A_MOMENT, "English")) == (1, 2)
