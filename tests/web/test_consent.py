"""What callers agree to: never ticked for them, kept with its version, and in words that stand."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.models.callback import Submission
from callback_service.services.inbound_calls import SPOKEN_CONSENT
from callback_service.web.public_form import CONSENT_VERSION, CONSENT_WORDING
from tests.support.request_builders import make_shift, seen, send_form, stored

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "consent.md").read_text(encoding="utf-8")
BOX = re.compile(r'<input[^>]*name="consent"[^>]*>')


def words_of(version: str) -> list[str]:
    """What the paper quotes under a version."""
    section = PAPER.partition(f"### {version}\n")[2].partition("\n#")[0]
    return re.findall(r"(?m)^> (.*)$", section)


def test_the_words_of_the_present_version_are_those_of_the_form(client: FlaskClient) -> None:
    assert words_of(CONSENT_VERSION) == list(CONSENT_WORDING)
    page = unescape(client.get("/").text)
    assert all(words in page for words in CONSENT_WORDING)


@pytest.mark.one_database
def test_the_words_of_the_present_version_are_those_that_the_phone_line_says() -> None:
    said = [
        (ROOT / "templates" / "voice" / "en" / f"{line}.txt").read_text(encoding="utf-8").strip()
        for line in ("greeting", "read_back")
    ]
    assert words_of(SPOKEN_CONSENT) == said


@pytest.mark.one_database
def test_the_box_is_never_ticked_beforehand(client: FlaskClient) -> None:
    [box] = BOX.findall(client.get("/?consent=y").text)
    assert "checked" not in box
    [box] = BOX.findall(send_form(client, phone="07", consent="").text)
    assert "checked" not in box


def test_without_it_nothing_is_kept_and_with_it_its_version_is(
    app: Flask, client: FlaskClient
) -> None:
    with stored(app) as session:
        make_shift(session)
    assert send_form(client, consent="").status_code == 422
    with seen(app) as session:
        assert session.scalars(select(Submission.id)).all() == []
    assert send_form(client).status_code == 303
    with seen(app) as session:
        assert session.scalars(select(Submission.consent_version)).all() == [CONSENT_VERSION]
