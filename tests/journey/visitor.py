"""A browser without scripts, as far as the journey needs one: pages, hidden fields, forms."""

from __future__ import annotations

import re
from html import unescape

import requests

from tests.journey.processes import PATIENCE_S

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?')
_TAG = re.compile(r"<[^>]+>")
_CELL = re.compile(r'<td class="app-cover__\w+[^"]*">\s*(\d+)/(\d+)')


class Visitor:
    """Somebody with a browser: keeps cookies, sends forms with their hidden fields.

    ``address`` is where a proxy says that they come from.
    """

    def __init__(self, url: str, *, address: str | None = None) -> None:
        self._url = url
        self._http = requests.Session()
        if address is not None:
            self._http.headers["X-Forwarded-For"] = address
        self.page = ""
        self.path = ""

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def cookie(self, name: str) -> str:
        """The value of a cookie that this browser keeps."""
        return str(self._http.cookies[name])

    def open(self, path: str) -> str:
        """Fetch ``path``, go where it leads, and keep its page."""
        return self._arrive(self._http.get(self._url + path, timeout=PATIENCE_S))

    def get(self, path: str) -> requests.Response:
        """The bare reply to a fetch, as a script on the page gets it."""
        return self._http.get(self._url + path, allow_redirects=False, timeout=PATIENCE_S)

    def press(self, path: str, **answers: str) -> str:
        """Send a form of the page that is open to ``path``, and go where that leads."""
        reply = self.post(path, **answers)
        return self.open(reply.headers["Location"]) if reply.is_redirect else self._arrive(reply)

    def post(self, path: str, **answers: str) -> requests.Response:
        """Send a form of the page that is open; the bare reply, not followed."""
        hidden = {name: unescape(value or "") for name, value in _HIDDEN.findall(self.page)}
        return self._http.post(
            self._url + path, data={**hidden, **answers}, allow_redirects=False, timeout=PATIENCE_S
        )

    def sign_in(self, email: str, password: str, *, code: str | None = None) -> None:
        """Sign in at the usual page; without a ``code`` with the one that the demo's page shows."""
        self.open("/sign-in")
        self.press("/sign-in", email=email, password=password)
        code = code or self._code_of(email)
        self.open("/sign-in/code")
        self.press("/sign-in/code", code=code)
        assert "Sign out" in self.page, self.words

    def _code_of(self, email: str) -> str:
        """What the page of the demo says that the app of ``email`` shows now."""
        found = re.search(rf'data-code-of="{re.escape(email)}">(\d+)<', self.open("/demo"))
        assert found, self.words
        return found.group(1)

    @property
    def words(self) -> str:
        """What the open page says, without its markup."""
        return " ".join(unescape(_TAG.sub(" ", self.page)).split())

    @property
    def cover(self) -> list[tuple[int, int]]:
        """On shift and needed, hour after hour, from the table of the cover page."""
        return [(int(on), int(needed)) for on, needed in _CELL.findall(self.page)]

    def _arrive(self, reply: requests.Response) -> str:
        self.page = reply.text
        self.path = reply.url.removeprefix(self._url)
        return self.page
