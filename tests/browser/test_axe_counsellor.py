"""Axe finds nothing on any page of a counsellor but those of a call."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.axe import ERRORS, OWN_ROTA, VIEWS, Findings, SignIn
from tests.browser.service import Service


def test_axe_finds_nothing_on_the_pages_of_a_counsellor(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    page.goto(service.url("/sign-in"))
    found.look_at("#email", "sign-in")
    page.get_by_role("button", name="Sign in").click()
    found.look_at(ERRORS, "sign-in with errors")
    sign_in(service.counsellor_on_shift())
    for path in ("/desk", "/desk/break", "/desk/leave", "/account/texts"):
        found.look(service.url(path))
    for path in ("/rota", "/account", "/cover", "/nowhere"):
        found.look(service.url(path))
    for path in ("/rota/open-shifts", "/rota/ill", *OWN_ROTA, "/rota?who=me", *VIEWS):
        found.look(service.url(path))
    page.goto(service.url("/rota/calendar"))
    page.get_by_role("button", name="make a link").first.click()
    found.look_at("#calendar-link", "a new link of a calendar")
    page.goto(service.url("/account"))
    page.get_by_role("button", name="Change password").click()
    found.look_at(ERRORS, "the account with errors")
    assert found.violations == []
