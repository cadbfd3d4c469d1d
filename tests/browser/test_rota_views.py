"""The views of the rota in a browser: by keyboard, on a phone, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.service import MANAGER, Service

SignIn = Callable[[str], Page]
STOPS = (
    "document.querySelectorAll('main a:not([tabindex=\"-1\"]), main select, main button').length"
)
ALL_STOPS = """[...document.querySelectorAll('a[href], button, select, input, [tabindex="0"]')]
    .filter(one => one.checkVisibility() && one.type !== 'hidden').length"""
FOCUSED = """() => {
    const at = document.activeElement, box = at.getBoundingClientRect();
    if (at === document.body) return null;
    return box.width > 0 && box.height > 0 ? 'seen' : at.outerHTML;
}"""
A4_PAGE = rb"/Type\s*/Page\b"


def test_the_rota_of_all_has_one_stop_for_each_person_and_that_of_one_has_them_all(
    service: Service, sign_in: SignIn
) -> None:
    page = sign_in(MANAGER)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(service.url("/rota"))
    page.get_by_role("link", name="After").press("Enter")
    assert page.evaluate(STOPS) < 60  # 17 people and the days of two duties; not 119 cells
    page.get_by_role("link", name="Amira Khan").press("Enter")
    page.get_by_role("link", name=re.compile("change this shift of Amira Khan")).first.press(
        "Enter"
    )
    expect(page.get_by_label("What")).to_have_value("replace")
    expect(page.get_by_label("From, time")).to_have_value("07:00")
    expect(page.locator("#staff_id option:checked")).to_have_text("Amira Khan")


@pytest.mark.parametrize("path", ["/rota/four-weeks", "/rota/hours", "/rota/calendar"])
def test_every_stop_of_a_page_is_reached_by_the_keyboard_and_seen(
    service: Service, sign_in: SignIn, path: str
) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url(path))
    stops = page.evaluate(ALL_STOPS)
    reached = 0
    for _ in range(stops + 1):
        page.keyboard.press("Tab")
        seen = page.evaluate(FOCUSED)
        if seen is None:
            break
        assert seen == "seen"
        reached += 1
    assert reached == stops > 8


def test_a_calendar_link_is_made_and_ended_by_keyboard(service: Service, sign_in: SignIn) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota/calendar"))
    page.get_by_role("button", name="make a link").first.press("Enter")
    expect(page.locator("#calendar-link")).to_have_value(re.compile("^http"))
    page.get_by_role("button", name="End this link").press("Enter")
    expect(page.get_by_text("You have no calendar link.")).to_be_visible()


def test_a_day_of_the_four_weeks_is_named_on_a_phone(service: Service, sign_in: SignIn) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota/four-weeks"))
    cell = page.locator("td[data-day]").first
    words = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert re.match(r'"[A-Z][a-z]{2} \d+ "', words)
    expect(page.locator("table.rota-short thead").first).to_be_hidden()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_a_week_is_filtered_and_printed_without_scripts(service: Service, sign_in: SignIn) -> None:
    page = sign_in(MANAGER)
    page.goto(service.url("/rota"))
    page.get_by_label("Duty", exact=True).select_option("counselling")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Duty lead", level=3)).to_have_count(0)
    page.get_by_role("link", name="Print the week").click()
    expect(page.get_by_role("heading", name="Rota", exact=True)).to_be_visible()
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(A4_PAGE, paper)) == 1
    assert b"/MediaBox [0 0 841" in paper  # landscape
