"""Axe finds nothing on the pages of a call, from the queue to its end."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.axe import ERRORS, Findings, SignIn, fill_the_queue
from tests.browser.service import Service


def test_axe_finds_nothing_on_the_pages_of_a_call(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    sign_in(service.counsellor_on_shift())
    found.look(service.url("/desk"))
    _decline(page, found)
    page.goto(service.url("/desk"))
    _walk_through_a_call(page, found)
    page.goto(service.url("/desk/requests/999"))
    found.look_at("main h1", "a call that is not there")
    assert found.violations == []


def _decline(page: Page, found: Findings) -> None:
    """Look at declining, without doing it."""
    page.get_by_role("link", name="Decline").click()
    page.get_by_role("radio", name="Another reason").check()
    page.get_by_role("button", name="Decline").click()
    found.look_at(ERRORS, "declining with errors")


def _walk_through_a_call(page: Page, found: Findings) -> None:
    page.get_by_role("button", name="Take call").first.click()
    page.get_by_text("Give it back").first.click()
    found.look_at("text=I know this person", "a call before it is rung")
    page.get_by_role("button", name="I am ringing now").click()
    found.look_at(".app-timer", "a call that is ringing")
    page.get_by_role("radio", name="We spoke").check()
    found.look_at("#disposition", "a call with its endings")
    page.get_by_role("button", name="Save and finish").click()
    found.look_at(ERRORS, "a call with errors")
    page.get_by_role("radio", name="Not safe to talk now").check()
    found.look_at("#again_at", "a call with another time")
    page.get_by_role("button", name="Save and finish").click()
    found.look_at(".govuk-notification-banner", "the desk after a call")
