"""A request in a browser, from a phone to the desk to the manager, with a picture of each stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.public_pages import fill_in, send
from tests.browser.service import MANAGER, Service
from tests.support.settings import ROOT

PICTURES = ROOT / "test-results"
LAPTOP = {"width": 1280, "height": 900}
SignIn = Callable[[str], Page]


def test_a_request_goes_from_a_phone_to_the_desk_and_is_closed(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    _ask(page, service)
    page.set_viewport_size({"width": LAPTOP["width"], "height": LAPTOP["height"]})
    sign_in(service.counsellor_on_shift())
    _take_and_finish(page, service)
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(MANAGER)
    expect(page.get_by_role("heading", name="Cover")).to_be_visible()
    _keep(page, "7-cover")
    page.get_by_role("link", name="Messages").click()
    expect(page.get_by_role("cell", name="ends in 982")).to_be_visible()
    _keep(page, "8-messages")


def _ask(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    _keep(page, "1-form")
    fill_in(page)
    send(page)
    expect(page.get_by_role("heading", name="We will call you")).to_be_visible()
    _keep(page, "2-done")
    service.tick()


def _take_and_finish(page: Page, service: Service) -> None:
    [request] = service.requests()
    page.goto(service.url("/desk"))
    expect(page.get_by_role("row", name=request.reference)).to_be_visible()
    _keep(page, "3-desk")
    page.get_by_role("button", name=f"Take call {request.reference}").click()
    expect(page.get_by_role("link", name="07700 900982")).to_be_visible()
    _keep(page, "4-call")
    page.get_by_role("button", name="I am ringing now").click()
    page.get_by_role("radio", name="We spoke").check()
    page.get_by_role("radio", name="Talked it through").check()
    _keep(page, "5-ringing")
    page.get_by_role("button", name="Save and finish").click()
    expect(page.get_by_text(f"Request {request.reference} is closed.")).to_be_visible()
    _keep(page, "6-closed")
    [closed] = service.requests()
    assert (closed.state, closed.disposition) == ("closed", "helped")


def _keep(page: Page, name: str) -> Path:
    """A picture of the whole page, for people to look at."""
    path = PICTURES / f"journey-{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
