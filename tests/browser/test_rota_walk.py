"""The rota as three people use it, one after the other: two counsellors and a manager."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from callback_service.services.demo import MANAGERS, email_of
from tests.browser.service import MANAGER, Service

SignIn = Callable[[str], Page]
GIVES = "Owen Clarke"  # nights from Thursday to Sunday
TAKES = "Amira Khan"  # days from Monday to Friday


def press(page: Page, name: str | re.Pattern[str]) -> None:
    page.get_by_role("main").get_by_role("button", name=name).first.click()


def change_person(page: Page, sign_in: SignIn, email: str) -> None:
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(email)


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_a_shift_goes_from_one_to_another_without_scripts_and_the_manager_takes_it_back(
    service: Service, sign_in: SignIn
) -> None:
    page = sign_in(email_of(GIVES))
    page.goto(service.url("/rota"))
    expect(page.get_by_text(re.compile("Your next shift|You are on shift"))).to_be_visible()
    page.get_by_role("link", name="When you cannot work").click()
    page.get_by_label("Saturday").check()
    page.get_by_label("All day").check()
    press(page, "Add this time")
    expect(page.get_by_text("You have these shifts then. They stay yours:")).to_be_visible()
    page.get_by_role("link", name="Offer a swap").click()
    press(page, "Continue")
    saturday = page.locator("#shift option", has_text=re.compile("^Saturday")).nth(1)
    page.locator("#shift").select_option(saturday.get_attribute("value"))
    press(page, "Offer this shift")

    change_person(page, sign_in, email_of(TAKES))
    page.goto(service.url("/rota/swaps"))
    page.get_by_role("button", name=re.compile(f"Look at it and take it.*{GIVES}")).click()
    press(page, "Take this shift")

    change_person(page, sign_in, MANAGER)
    page.goto(service.url("/rota"))
    expect(page.get_by_role("link", name="Swaps (2)")).to_be_visible()
    page.get_by_role("link", name="Swaps (2)").click()
    page.get_by_role("button", name=re.compile(f"Approve or decline.*{GIVES}")).click()
    press(page, "Approve the swap")
    nights = page.locator("tr", has_text=TAKES).get_by_text("23\u201307*")
    page.goto(service.url("/rota/four-weeks"))
    expect(nights).to_have_count(1)

    page.goto(service.url("/rota/history"))
    newest = page.get_by_role("article").first
    expect(newest).to_contain_text("Agreed a swap")
    newest.get_by_role("link", name="with the swaps").click()
    press(page, re.compile("Undo this swap"))
    page.goto(service.url("/rota/four-weeks"))
    expect(nights).to_have_count(0)
    page.goto(service.url("/rota/history"))
    training = page.get_by_role("article").filter(has_text="Kieran Doherty is away (training)")
    training.get_by_role("link", name="Undo").click()
    press(page, "Undo it")
    expect(training.get_by_text("Undone", exact=True)).to_be_visible()


def test_two_managers_collide_and_the_second_sees_what_the_first_did(
    service: Service, sign_in: SignIn
) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota/changes"))
    page.get_by_label("What").select_option("open")
    page.get_by_label("From, time").fill("09:00")
    page.get_by_label("Until, time").fill("17:00")
    press(page, "See what it would change")
    service.another_makes_an_open_shift()
    press(page, "Save the change")
    note = page.get_by_role("alert")
    expect(note).to_contain_text(MANAGERS[1][0])
    expect(note).to_contain_text("Added: Open shift")
    expect(page.get_by_label("From, time")).to_have_value("09:00")
    press(page, "Save anyway")
    expect(page.get_by_text("The rota is changed.")).to_be_visible()
