"""What callers read about their data, and erasing it by their own link."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.domain.wording import forbidden_words
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import FOR_CALLERS
from callback_service.services import intake
from callback_service.ticks import erase as erase_tick
from callback_service.web.text_examples import EXAMPLES, in_language
from tests.support.builders import NOW
from tests.support.pages import csrf_token
from tests.support.request_builders import an_ask, make_shift, seen, stored, take
from tests.support.settings import make_settings


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def key(app: Flask) -> str:
    """The key of somebody's form."""
    with stored(app) as session:
        make_shift(session)
        key = intake.new_key()
        take(session, an_ask(key=key, name="Robin", note="Hang up", may_text=True))
    return key


def words(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def erase(client: FlaskClient, key: str) -> TestResponse:
    token = csrf_token(client.get("/").get_data(as_text=True))
    return client.post(f"/manage/{key}/erase", data={"csrf_token": token})


class TestErasing:
    def test_a_link_on_the_page_of_the_call_leads_to_it(
        self, client: FlaskClient, key: str
    ) -> None:
        assert f'href="/manage/{key}/erase"' in words(client.get(f"/manage/{key}"))
        page = words(client.get(f"/manage/{key}/erase"))
        assert "ends in 123" in page
        assert "Robin" not in page

    def test_looking_changes_nothing(self, app: Flask, client: FlaskClient, key: str) -> None:
        client.get(f"/manage/{key}/erase")
        with seen(app) as session:
            assert session.scalars(select(CallbackRequest.phone_sealed)).one() is not None

    def test_the_link_is_dead_at_once_and_all_is_gone_after_the_tick(
        self, app: Flask, client: FlaskClient, key: str
    ) -> None:
        answer = erase(client, key)
        assert answer.location == "/erased"
        assert "gone within a few minutes" in words(client.get("/erased"))
        for page in (f"/manage/{key}", f"/done/{key}", f"/manage/{key}/erase"):
            assert client.get(page).status_code == 404, page
        with app.app_context():
            assert erase_tick(app) == 1
        with seen(app) as session:
            assert session.scalars(select(CallbackRequest.phone_sealed)).one() is None

    def test_a_key_that_is_none_and_one_that_was_answer_alike(
        self, client: FlaskClient, key: str
    ) -> None:
        erase(client, key)
        was, never = erase(client, key), erase(client, intake.new_key())
        assert (was.status_code, was.data) == (never.status_code, never.data) == (404, never.data)

    def test_it_needs_its_token(self, client: FlaskClient, key: str) -> None:
        assert client.post(f"/manage/{key}/erase").status_code == 400


class TestPrivacyPage:
    def test_every_text_to_a_caller_is_shown_word_for_word(self, client: FlaskClient) -> None:
        page = words(client.get("/privacy"))
        assert {kind for kind, *_ in EXAMPLES} == set(FOR_CALLERS)
        for _, text in in_language("en"):
            assert text in page

    def test_the_times_are_those_that_hold_here(self, database_url: str, tmp_path: Path) -> None:
        chosen = {
            "KEEP_CALLERS_DAYS": "21",
            "KEEP_NOTES_DAYS": "9",
            "KEEP_TEXTS_DAYS": "1",
            "COMPLAINTS_CONTACT": "data@example.org",
        }
        client = create_app(make_settings(database_url, tmp_path, **chosen)).test_client()
        page = words(client.get("/privacy"))
        for said in ("21 days after your call", "9 days after it", "1 day after it",
                     "data@example.org", "within 30 days"):  # fmt: skip
            assert said in page

    def test_its_title_gives_nothing_away(self, client: FlaskClient) -> None:
        title = words(client.get("/privacy")).partition("<title>")[2].partition("</title>")[0]
        assert title.strip() == "Privacy"
        assert forbidden_words(title) == []
