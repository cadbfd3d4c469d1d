"""Axe finds nothing on any public page or error state."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Page

from callback_service.clock import utc_now
from tests.browser.axe import ERRORS, WIDTHS, Findings
from tests.browser.public_pages import STATIC, ask_for_a_call, send
from tests.browser.service import Service


def test_axe_finds_nothing_on_the_public_pages(page: Page, service: Service) -> None:
    found = Findings(page)
    for path in STATIC:
        found.look(service.url(path))
    page.goto(service.url("/"))
    send(page)
    found.look_at(ERRORS, "the form with errors")
    page.get_by_role("radio", name="Another time").check()
    found.look_at("#later", "the form with further times")
    done = ask_for_a_call(page, service)
    found.look_at(".govuk-panel", "the answer")
    found.look(service.url(done.replace("/done/", "/manage/")))
    page.get_by_role("button", name="Cancel this call").click()
    found.look_at("text=We will not call you.", "a call that was cancelled")
    _ask_again(page, service, found)
    assert found.violations == []


def test_axe_finds_what_is_wrong_at_each_width(page: Page, service: Service) -> None:
    found = Findings(page)
    page.goto(service.url("/"))
    page.evaluate("document.documentElement.removeAttribute('lang')")
    found.look_at("h1", "a page without a language")
    assert [one.split(": ")[:2] for one in found.violations] == [
        [f"a page without a language at {width}", "html-has-lang at ['html']"]
        for width in reversed(WIDTHS)
    ]


def _ask_again(page: Page, service: Service, found: Findings) -> None:
    """Nobody served a request in days: it is closed, and its caller comes back to its page."""
    key = service.take_request("07700 900984", at=utc_now() - timedelta(days=4))
    service.tick()
    found.look(service.url(f"/done/{key}"))
    page.get_by_role("button", name="Ask again").click()
    page.get_by_role("button", name="Ask again").click()
    found.look_at(ERRORS, "asking again with errors")
