"""The sender hears of a text as soon as it is committed, where the database can tell."""

from __future__ import annotations

import threading

import pytest
from flask import Flask

from callback_service.extensions import db
from callback_service.text_listener import TextListener
from tests.support.request_builders import make_request, make_shift, stored

pytestmark = pytest.mark.traced_on_both

WITHIN_S = 20


def test_a_text_that_is_committed_wakes_the_sender_on_postgresql_alone(app: Flask) -> None:
    heard = threading.Event()
    listener = TextListener(app, heard.set)
    listener.start()
    try:
        with app.app_context():
            is_told = db.engine.dialect.name == "postgresql"
        with stored(app) as session:
            make_shift(session)
        assert listener.is_alive() == is_told
        while is_told and not heard.wait(0.2):  # it may not listen yet when the first is written
            with stored(app) as session:
                make_request(session, may_text=True, phone=_next_number())
        assert heard.is_set() == is_told
    finally:
        listener.stop()


_numbers = iter(range(100))


def _next_number() -> str:
    return f"07700 900{next(_numbers):03}"


def test_a_text_that_is_taken_back_wakes_nobody(app: Flask) -> None:
    heard = threading.Event()
    with app.app_context():
        if db.engine.dialect.name != "postgresql":
            pytest.skip("SQLite tells nobody")
    listener = TextListener(app, heard.set)
    listener.start()
    try:
        with app.app_context():
            session = db.session()
            make_shift(session)
            make_request(session, may_text=True)
            session.rollback()
        assert not heard.wait(0.5)
    finally:
        listener.stop()
