"""Somebody else holds the database for too long: a sentence, what was typed, and another try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import OperationalError

from callback_service import extensions
from callback_service.domain.staff import Role
from callback_service.extensions import db, is_busy
from callback_service.models.callback import Submission
from callback_service.web.access import public
from tests.support.pages import submit
from tests.support.request_builders import make_request, make_shift, send_form, stored

SignInAs = Callable[..., FlaskClient]
SENTENCE = "We are busy just now, so this was not saved"


@pytest.fixture
def impatient(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An app whose next connections wait for nobody."""
    monkeypatch.setattr(extensions, "SQLITE_BUSY_TIMEOUT_MS", 0)
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=20ms")
    with app.app_context():
        db.engine.dispose()
    return app


@contextmanager
def held(app: Flask) -> Iterator[Connection]:
    """Meanwhile another process writes: everybody may read, and nobody else may write."""
    with app.app_context():
        url = db.engine.url
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if url.get_backend_name() == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")
            for table in ("callback_request", "submission", "plan_trigger"):
                connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")
    engine.dispose()


def test_the_form_comes_back_as_it_was_typed_and_one_more_press_sends_it(impatient: Flask) -> None:
    client = impatient.test_client()
    with held(impatient):
        answer = send_form(client, name="Canarina")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert f"{SENTENCE}. Send it again" in page
    assert 'value="Canarina"' in page
    assert send_form(client, name="Canarina").status_code == 303
    with stored(impatient) as session:
        assert len(session.scalars(select(Submission)).all()) == 1


def test_staff_are_told_to_try_again_in_their_own_frame(
    impatient: Flask, sign_in_as: SignInAs
) -> None:
    client = sign_in_as(Role.MANAGER)
    with stored(impatient) as session:
        make_shift(session)
        request_id = make_request(session).id
    with held(impatient):
        answer = submit(client, f"/desk/requests/{request_id}/accept", {}, page="/desk")
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert f"{SENTENCE}. Wait a moment, then try again." in page
    assert "Sign out" in page


def test_another_failure_of_the_database_is_not_taken_for_a_busy_one(app: Flask) -> None:
    error = OperationalError("SELECT 1", {}, Exception("server closed the connection"))
    assert not is_busy(error)

    def broken() -> str:
        raise error

    app.add_url_rule("/broken", "broken", public(broken))
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert "Retry-After" not in answer.headers
