"""Axe finds nothing on any page of an administrator, nor on those of an invitation."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.axe import ERRORS, Findings, SignIn
from tests.browser.service import ADMINISTRATOR, Service


def test_axe_finds_nothing_on_the_pages_of_an_administrator(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    sign_in(ADMINISTRATOR)
    found.look(service.url("/audit"))
    found.look(service.url("/staff"))
    page.get_by_role("button", name="Invite").click()
    found.look_at(ERRORS, "staff with errors")
    page.get_by_role("link", name="Change skills").first.click()
    found.look_at("text=Known to callers as", "skills")
    page.get_by_label("Other languages").fill("elvish")
    page.get_by_role("button", name="Save").click()
    found.look_at(ERRORS, "skills with errors")
    page.goto(service.url("/staff"))
    page.get_by_role("link", name="Lost phones").click()
    found.look_at("text=Waiting for the second person", "lost phones")
    page.get_by_role("button", name="Ask for the reset").click()
    found.look_at(ERRORS, "a reset with errors")
    page.goto(service.url("/staff"))
    page.locator('tr:not(:has-text("You")) th a').first.click()
    found.look_at("text=What happened at this account", "an account")
    page.get_by_role("button", name="Change the address").click()
    found.look_at(ERRORS, "an account with errors")
    page.get_by_role("button", name="Make a new link").click()
    found.look_at("#one-time-link", "a one-time link")
    link = page.locator("#one-time-link").input_value()
    page.get_by_role("button", name="Sign out", exact=True).click()
    found.look_at("text=You are signed out.", "signed out")
    found.look(link)
    page.get_by_role("button", name="Save and go on").click()
    found.look_at(ERRORS, "an invitation with errors")
    assert found.violations == []
