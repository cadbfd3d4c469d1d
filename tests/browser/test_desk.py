"""The desk in a browser: it renews itself in peace, and keeps numbers to itself."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.service import Service

SignIn = Callable[[str], Page]

A_POLL_MS = 10_500
PAST_STALE_MS = 45_000
NOT_UPDATING = "[data-not-updating]"


def test_the_queue_renews_itself_and_keeps_the_focus(service: Service, sign_in: SignIn) -> None:
    service.take_request()
    service.tick()
    page = _desk(service, sign_in)
    button = page.get_by_role("button", name="Take call")
    button.focus()
    page.evaluate("window.isSamePage = true")
    service.take_request("07700 900983")
    service.tick()
    with page.expect_response("**/desk"):
        page.clock.fast_forward(A_POLL_MS)
    expect(page.locator("#queue-counts")).to_contain_text("2 waiting")
    expect(button.first).to_be_focused()
    assert page.evaluate("window.isSamePage")


def test_a_paused_queue_stays_as_it_is(service: Service, sign_in: SignIn) -> None:
    page = _desk(service, sign_in)
    page.get_by_role("button", name="Pause updates").click()
    service.take_request()
    page.clock.fast_forward(A_POLL_MS)
    expect(page.locator("#queue-counts")).to_contain_text("0 waiting")
    with page.expect_response("**/desk"):
        page.get_by_role("button", name="Resume updates").click()
        page.clock.fast_forward(A_POLL_MS)
    expect(page.locator("#queue-counts")).to_contain_text("1 waiting")


def test_the_queue_holds_no_number_and_no_name(service: Service, sign_in: SignIn) -> None:
    service.take_request(name="Morgan")
    service.tick()
    page = _desk(service, sign_in)
    digits = re.sub(r"\D", "", page.content())
    assert "900982" not in digits
    assert "Morgan" not in page.content()


def test_the_number_can_be_copied_once_the_call_is_taken(service: Service, sign_in: SignIn) -> None:
    service.take_request()
    service.tick()
    page = _desk(service, sign_in)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Take call").click()
    page.get_by_role("button", name="Copy number").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "07700 900982"


def test_the_desk_says_so_when_the_service_is_gone(
    service: Service, sign_in: SignIn, watch: Watch
) -> None:
    # One that was under way is given up when the clock jumps, if it has not failed before that.
    watch.forgiven.extend(["ERR_INTERNET_DISCONNECTED", "Failed to fetch", "htmx:error: timeout"])
    page = _desk(service, sign_in)
    expect(page.locator(NOT_UPDATING)).to_be_hidden()
    page.context.set_offline(True)
    page.clock.fast_forward(PAST_STALE_MS)
    expect(page.locator(NOT_UPDATING)).to_contain_text("no answer from the service")
    page.context.set_offline(False)
    page.clock.fast_forward(A_POLL_MS)
    expect(page.locator(NOT_UPDATING)).to_be_hidden()


def test_a_desk_that_was_signed_out_never_shows_the_sign_in_page_inside(
    service: Service, sign_in: SignIn
) -> None:
    page = _desk(service, sign_in)
    page.context.clear_cookies()
    with page.expect_response("**/desk"):
        page.clock.fast_forward(A_POLL_MS)
    expect(page.locator(NOT_UPDATING)).to_contain_text("Not updating")
    assert page.get_by_label("Password").count() == 0


def _desk(service: Service, sign_in: SignIn) -> Page:
    """The desk of a counsellor on shift, with the browser's clock in the test's hand."""
    page = sign_in(service.counsellor_on_shift())
    page.clock.install()
    page.goto(service.url("/desk"))
    return page


def test_a_break_by_keyboard_alone_says_what_it_moves_and_shows_on_the_desk(
    service: Service, sign_in: SignIn
) -> None:
    service.take_request()
    service.tick()
    page = _desk(service, sign_in)
    page.get_by_role("link", name="Decline").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Decline request")).to_be_visible()
    page.get_by_label("Not able just now").focus()
    page.keyboard.press("ArrowUp")  # from the first to the last: another reason
    page.keyboard.press("Tab")
    page.keyboard.type("On the other line")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You declined it.")).to_be_visible()
    page.get_by_role("button", name="Take a break").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start a break of 15 minutes").focus()
    page.keyboard.press("Enter")
    mine = page.locator("#my-state")
    expect(mine).to_contain_text("On a break")
    back = page.get_by_role("button", name="End the break")
    back.focus()
    with page.expect_response("**/desk"):
        page.clock.fast_forward(A_POLL_MS)
    expect(back).to_be_focused()
    page.keyboard.press("Enter")
    expect(mine).to_contain_text("Available")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
