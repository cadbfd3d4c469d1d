"""A name for each web request in the log."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service import logs
from callback_service.web.access import public


@pytest.mark.one_database
def test_all_lines_of_a_request_have_its_name_and_no_other_has(
    app: Flask, client: FlaskClient
) -> None:
    seen = []

    @public
    def look() -> str:
        seen.extend([logs.request_id.get(), logs.request_id.get()])
        return ""

    app.add_url_rule("/look", "look", look)
    client.get("/look")
    client.get("/look")
    assert seen[0] == seen[1] != seen[2]
    assert re.fullmatch(r"[0-9a-f]{8}", seen[0])
    assert logs.request_id.get() == "-"
