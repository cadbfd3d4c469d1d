"""Whom to tell of a hole: the fields that RFC 9116 asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
import time_machine
from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.config import Settings

PATH = "/.well-known/security.txt"
pytestmark = pytest.mark.one_database


@time_machine.travel("2026-11-25 20:00:00Z", tick=False)
def test_the_file_has_the_fields_that_the_standard_asks_for(settings: Settings) -> None:
    told = replace(
        settings,
        security_contact="mailto:security@example.org",
        public_base_url="https://callback.example.org",
    )
    answer = create_app(told).test_client().get(PATH)
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; charset=utf-8"
    lines = answer.get_data(as_text=True).splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields == {
        "Contact": "mailto:security@example.org",
        "Expires": "2027-02-23T00:00:00Z",
        "Preferred-Languages": "en",
        "Canonical": f"https://callback.example.org{PATH}",
    }
    assert datetime.fromisoformat(fields["Expires"]) > datetime.fromisoformat("2026-11-26T00Z")


def test_without_a_contact_there_is_no_such_page(client: FlaskClient) -> None:
    assert client.get(PATH).status_code == 404
