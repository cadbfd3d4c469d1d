"""Adding a rotation with the keyboard alone, and without scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.service import MANAGER, Service

SignIn = Callable[[str], Page]
#: More presses of the Tab key than any form of ours needs from one field to another.
FAR = 60


def tab_to(page: Page, wanted: Locator) -> None:
    """Press the Tab key until ``wanted`` has the focus."""
    for _ in range(FAR):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the Tab key does not reach it")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_a_rotation_is_added_with_the_keyboard_alone(service: Service, sign_in: SignIn) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota/patterns/add-rotation"))
    for day in ("Monday", "Tuesday"):
        tab_to(page, page.get_by_label(day))
        page.keyboard.press("Space")
    tab_to(page, page.get_by_label("Starts at"))
    page.keyboard.type("03:00")
    tab_to(page, page.get_by_label("Ends at"))
    page.keyboard.type("03:30")
    tab_to(page, page.locator("#turn-1-who-1"))
    page.keyboard.type("Amira")
    tab_to(page, button(page, "Add a person (turn 1)"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(service.url("/rota/patterns/add-rotation#turn-1"))
    tab_to(page, page.locator("#turn-1-who-2"))
    page.keyboard.type("Ben")
    tab_to(page, page.locator("#turn-1-length"))
    page.keyboard.press("Enter")  # as in any form: the button that looks ahead, not one of a turn
    expect(page.get_by_role("heading", name="Save this?")).to_be_visible()
    expect(page.get_by_text("Amira Khan and Ben Okafor, 1 week")).to_be_visible()
    if page.get_by_label("Why this is allowed").count():
        tab_to(page, page.get_by_label("Why this is allowed"))
        page.keyboard.type("Agreed")
    tab_to(page, button(page, "Save"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Added: Monday and Tuesday, 03:00 to 03:30")).to_be_visible()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_turns_are_moved_and_taken_away_without_scripts(service: Service, sign_in: SignIn) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota/patterns/add-rotation"))
    page.locator("#turn-1-who-1").select_option(label="Amira Khan")
    page.locator("#turn-2-who-1").select_option(label="Ben Okafor")
    page.get_by_label("Ends at").fill("half past")
    button(page, "Add a turn").click()
    page.locator("#turn-3-who-1").select_option(label="Dai Pugh")
    button(page, "Move up (turn 3)").click()
    button(page, "Remove (turn 1)").click()
    chosen = page.locator("#turns select option:checked")
    expect(chosen).to_have_text(["Dai Pugh", "Ben Okafor"])  # waits for the page
    expect(page.get_by_label("Ends at")).to_have_value("half past")
