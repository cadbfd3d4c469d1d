"""The public form as somebody fills it in, and the ways to each of its states."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.service import Service

STATIC = (
    "/",
    "/safety",
    "/privacy",
    "/erased",
    "/cookies",
    "/accessibility",
    "/complaint",
    "/security",
    "/done/nowhere",
    "/nowhere",
)


def fill_in(page: Page, *, phone: str = "07700 900982") -> None:
    """Answer every question that must be answered, and the name."""
    page.get_by_label("1. What number should we call?").fill(phone)
    page.get_by_label("2. What should we call you?").fill("Morgan")
    page.get_by_role("radio", name="As soon as you can").check()
    page.get_by_role("radio", name="Yes, a short text that does not say who we are").check()
    page.get_by_label("I agree to this").check()


def send(page: Page) -> None:
    """Press the button of the form."""
    page.get_by_role("button", name="Ask for a call").click()


def ask_for_a_call(page: Page, service: Service) -> str:
    """From the empty form to the page that says what happens next; its path."""
    page.goto(service.url("/"))
    fill_in(page)
    send(page)
    page.wait_for_url("**/done/*")
    return page.url.removeprefix(service.url(""))
