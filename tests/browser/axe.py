"""Axe on the pages of the service, on a phone and on a laptop.

The walks are in files of their own, since the tests of one file run one after the other: a file of
all of them was still running when everything else was done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from callback_service.clock import utc_now
from tests.browser.service import Service

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"
WIDTHS = (375, 1280)
ERRORS = ".govuk-error-summary"
VIEWS = ("/rota/four-weeks", "/rota/hours", "/rota/hours/week", "/rota/print")
LONG_NAME = "Alexandria-Wilhelmina Constantinopoulos-Featherstonehaugh III"
OWN_ROTA = (
    "/rota/swaps",
    "/rota/swaps/offer",
    "/rota/swaps/offer?to=0",
    "/rota/availability",
    "/rota/leave",
)

SignIn = Callable[[str], Page]


class Findings:
    """What axe found, page after page, at each width."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.violations: list[str] = []
        self._resize(WIDTHS[0])

    def look(self, url: str) -> None:
        """Run axe on the page at ``url``."""
        self._page.goto(url)
        self._run(url)

    def look_at(self, selector: str, name: str) -> None:
        """Run axe on the open page once it shows ``selector``; findings are listed as ``name``."""
        self._page.locator(selector).first.wait_for()
        self._run(name)

    def _run(self, name: str) -> None:
        """Axe at one width after the other: a page takes longer to get than to look at."""
        self._page.evaluate(AXE)
        for width in reversed(WIDTHS):
            self._resize(width)
            result: dict[str, Any] = self._page.evaluate(RUN, RULES)
            for violation in result["violations"]:
                places = ", ".join(str(node["target"]) for node in violation["nodes"][:3])
                self.violations.append(f"{name} at {width}: {violation['id']} at {places}")

    def _resize(self, width: int) -> None:
        self._page.set_viewport_size({"width": width, "height": 812})


def fill_the_queue(service: Service) -> None:
    """One request that is offered, one that is late, one for later, and a very long name."""
    now = utc_now()
    service.take_request("01632 960001", name=None, at=now - timedelta(hours=3))
    service.take_request(name=LONG_NAME, note="Hang up if someone else answers.")
    service.take_request("07700 900983", window=service.window_tomorrow())
    service.tick()
