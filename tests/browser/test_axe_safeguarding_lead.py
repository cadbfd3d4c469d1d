"""Axe finds nothing on the pages of a safeguarding lead."""

from __future__ import annotations

from playwright.sync_api import Page

from callback_service.services.requests import lock_request
from tests.browser.axe import ERRORS, Findings, SignIn, fill_the_queue
from tests.browser.service import SAFEGUARDING_LEAD, Service
from tests.support.request_builders import stored


def test_axe_finds_nothing_on_the_pages_of_a_safeguarding_lead(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    with stored(service.app) as session:
        lock_request(session, 1).is_urgent = True
    sign_in(SAFEGUARDING_LEAD)
    found.look(service.url("/flagged"))
    page.locator("tbody a").first.click()
    found.look_at("text=Show all of it", "a masked record")
    page.get_by_role("button", name="Show the record").click()
    found.look_at(ERRORS, "a record with errors")
    page.get_by_label("Somebody may be at risk").check()
    page.get_by_role("button", name="Show the record").click()
    found.look_at("text=Shown in whole until", "a whole record")
    assert found.violations == []
