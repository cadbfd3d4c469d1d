"""Pages as a browser without scripts sees them: forms are fetched before they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

_TOKEN = re.compile(r"<input[^>]*\bname=\"csrf_token\"[^>]*>")
_VALUE = re.compile(r"\bvalue=\"([^\"]+)\"")
_NONCE = re.compile(r" nonce=\"[^\"]+\"")
_SEEN = re.compile(r"name=\"seen_revision\" value=\"(\d+)\"")


def csrf_token(page: str) -> str:
    """The token in the first form of ``page``; fails the test where there is none."""
    field = _TOKEN.search(page)
    value = _VALUE.search(field.group()) if field else None
    assert value is not None, "the page has no form with a csrf_token"
    return value.group(1)


def submit(
    client: FlaskClient, path: str, data: Mapping[str, object], *, page: str | None = None
) -> TestResponse:
    """Fetch the form at ``page`` (or ``path``), then post ``data`` to ``path`` with its token.

    What it says that it saw of the rota goes with it too.
    """
    shown = client.get(page or path).get_data(as_text=True)
    seen = {"seen_revision": found.group(1)} if (found := _SEEN.search(shown)) else {}
    return client.post(path, data={**seen, **data, "csrf_token": csrf_token(shown)})


def without_chance(page: str) -> str:
    """``page`` without what differs each time it is made: tokens of forms, and the scripts' nonce.

    Two pages that are the same then tell nobody anything by their words.
    """
    return _NONCE.sub("", _TOKEN.sub("", page))
