"""Axe finds nothing on the pages that change the rota, through every step of them."""

from __future__ import annotations

from playwright.sync_api import Page

from callback_service.domain.wall_time import WEEKDAY_NAMES
from tests.browser.axe import ERRORS, Findings, SignIn, fill_the_queue
from tests.browser.service import MANAGER, Service


def test_axe_finds_nothing_on_the_pages_that_change_the_rota(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    sign_in(MANAGER)
    _add_a_rotation(page, service, found)
    _change_the_rota(page, service, found)
    _read_the_history(page, service, found)
    assert found.violations == []


def _add_a_rotation(page: Page, service: Service, found: Findings) -> None:
    """A rotation that breaks rest, through every page of it, and then the end of a pattern."""
    page.goto(service.url("/rota/patterns/add"))
    page.get_by_role("button", name="See what it would change").click()
    found.look_at(ERRORS, "a pattern with errors")
    page.goto(service.url("/rota/patterns/add-rotation"))
    page.get_by_role("button", name="See what it would change").click()
    found.look_at(ERRORS, "a rotation with errors")
    page.get_by_role("button", name="Add a person (turn 1)").click()
    for day in WEEKDAY_NAMES:
        page.get_by_label(day).check()
    page.get_by_label("Starts at").fill("03:00")
    page.get_by_label("Ends at").fill("04:00")
    page.locator("#turn-1-who-1").select_option(label="Amira Khan")
    page.get_by_role("button", name="See what it would change").click()
    found.look_at("text=This breaks a rule of rest.", "a rotation to confirm")
    page.get_by_role("button", name="Save").click()
    found.look_at(ERRORS, "a rotation without a reason")
    page.get_by_label("Why this is allowed").fill("Agreed")
    page.get_by_role("button", name="Save").click()
    found.look_at("text=Added:", "the list with a rotation")
    page.get_by_role("link", name="Change the rotation").first.click()
    page.get_by_role("button", name="Continue").click()
    found.look_at("text=Until now", "a rotation to change")
    page.goto(service.url("/rota/patterns/1/end"))
    page.get_by_role("button", name="See what it would change").click()
    found.look_at("text=Save this?", "the end of a pattern to confirm")


def _change_the_rota(page: Page, service: Service, found: Findings) -> None:
    """An open shift tomorrow, through every page of a change."""
    page.goto(service.url("/rota/changes"))
    page.get_by_role("button", name="See what it would change").click()
    found.look_at(ERRORS, "a change with errors")
    page.get_by_label("What").select_option("open")
    page.get_by_label("From, time").fill("09:00")
    page.get_by_label("Until, time").fill("17:00")
    page.get_by_role("button", name="See what it would change").click()
    found.look_at("text=Save this change?", "a change to confirm")
    page.get_by_role("button", name="Save the change").click()
    found.look_at("text=The rota is changed.", "the list of changes")
    found.look(service.url("/rota/open-shifts"))
    page.goto(service.url("/rota/changes"))
    page.get_by_role("link", name="Cancel").first.click()
    found.look_at("text=Cancel this change?", "a change to cancel")


def _read_the_history(page: Page, service: Service, found: Findings) -> None:
    """The history after another manager made an open shift behind the page of a new one."""
    page.goto(service.url("/rota/changes"))
    page.get_by_label("What").select_option("open")
    page.get_by_label("From, time").fill("09:00")
    page.get_by_label("Until, time").fill("17:00")
    service.another_makes_an_open_shift()
    page.get_by_role("button", name="See what it would change").click()
    page.get_by_role("button", name="Save the change").click()
    found.look_at("text=while you had this page open", "a change that was not saved")
    found.look(service.url("/rota/history"))
    page.get_by_role("link", name="Undo").first.click()
    found.look_at("text=Undo this?", "an edit to undo")
