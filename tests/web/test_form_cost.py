"""What sending the form costs the database: somebody waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.flood import FormLimits
from callback_service.extensions import db
from callback_service.services import promises
from callback_service.web.public_form import window_value
from tests.rota_builders import LONDON
from tests.support.pages import csrf_token
from tests.support.request_builders import (
    answers,
    make_shifts,
    mobile,
    send_form,
    stored,
    submission_key,
)

#: With the limits of posts and of texts, encryption, the quote, the audit row and its seal. Four of
#: the first are for the rota, where it was not read within the last second. SQLite takes the rows
#: one by one.
MOST_FOR_AS_SOON_AS_WE_CAN: Final = {"postgresql": 14, "sqlite": 22}
MOST_FOR_A_WINDOW: Final = {"postgresql": 12, "sqlite": 19}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, form_limits=FormLimits(100, 100, least_time=timedelta(0)))


@pytest.fixture
def caller(app: Flask) -> FlaskClient:
    """Somebody from an address that is counted, who is not the first."""
    with stored(app) as session:
        make_shifts(session, 2, "00:00", "00:00")
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = "81.2.69.1"
    assert send_form(client, phone=mobile(1), messages="text").status_code == 303
    return client


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    found: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", look)
    yield found
    event.remove(engine, "before_cursor_execute", look)


Sending = Callable[..., list[str]]


@pytest.fixture
def sending(app: Flask, caller: FlaskClient) -> Sending:
    """Send the form, which is open already; the statements of that alone."""

    def send(when: str) -> list[str]:
        page = caller.get("/").get_data(as_text=True)
        hidden = {"csrf_token": csrf_token(page), "submission_key": submission_key(page)}
        given = answers(phone=mobile(2), messages="text", when=when)
        with statements(app) as found:
            answer = caller.post("/", data={**hidden, **given})
        assert answer.status_code == 303
        return found

    return send


def dialect(app: Flask) -> str:
    with app.app_context():
        return db.engine.dialect.name


def a_window(app: Flask, now: datetime) -> str:
    with app.app_context():
        windows = promises.windows_with_room(db.session(), now=now, tz=LONDON)
    return window_value(windows[3])


def test_as_soon_as_we_can_asks_the_database_no_more_than_it_has_to(
    app: Flask, sending: Sending
) -> None:
    assert len(sending("asap")) <= MOST_FOR_AS_SOON_AS_WE_CAN[dialect(app)]


def test_a_window_asks_the_database_no_more_than_it_has_to(app: Flask, sending: Sending) -> None:
    assert len(sending(a_window(app, utc_now()))) <= MOST_FOR_A_WINDOW[dialect(app)]


def test_nothing_is_asked_twice(sending: Sending) -> None:
    asked = Counter(one for one in sending("asap") if one.lstrip("( ").startswith("SELECT"))
    assert [one for one, times in asked.items() if times > 1] == []
