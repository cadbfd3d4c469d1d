"""Axe finds nothing on any page of a manager but those that change the rota."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.axe import ERRORS, OWN_ROTA, VIEWS, Findings, SignIn, fill_the_queue
from tests.browser.service import MANAGER, Service


def test_axe_finds_nothing_on_the_pages_of_a_manager(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    sign_in(MANAGER)
    for path in (
        "/cover",
        "/desk",
        "/rota",
        "/rota/patterns",
        "/rota/patterns/add",
        "/rota/patterns/1/change",
        "/rota/patterns/1/end",
        "/rota/people",
        "/rota/absences",
        *OWN_ROTA,
        "/rota/calendar",
        "/messages",
        "/desk/requests/1/history",
        "/desk/requests/1/record",
        "/looks",
        "/findings",
        "/personal-data",
        "/personal-data/figures",
        "/personal-data/holds/1",
        "/audit",
        "/audit?record=1&what=looks",
        "/rota?who=2",
        *VIEWS,
    ):
        found.look(service.url(path))
    page.goto(service.url("/cover"))
    page.get_by_role("button", name="Save").click()
    found.look_at(ERRORS, "cover with errors")
    assert found.violations == []
