"""The form to complain with in a browser: without scripts, by keyboard, to axe, left in a hurry."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callback_service.models.complaint import Complaint
from tests.browser.axe import ERRORS, Findings, SignIn
from tests.browser.service import MANAGER, Service
from tests.support.request_builders import seen

NO_SCRIPTS = pytest.mark.browser_context_args(java_script_enabled=False)
WORDS = "You rang while my brother was here"
FOCUSED = "document.activeElement.id || document.activeElement.textContent.trim()"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def complaints(service: Service) -> list[tuple[str | None, str | None]]:
    """The words of each, and where to answer."""
    with seen(service.app) as session:
        rows = session.scalars(select(Complaint).order_by(Complaint.id))
        return [(one.words, one.answer_to) for one in rows]


def send(page: Page) -> None:
    page.get_by_role("button", name="Send it").click()


@NO_SCRIPTS
def test_it_works_without_scripts(page: Page, service: Service) -> None:
    page.goto(service.url("/complaint"))
    page.get_by_label("1. What went wrong?").fill(WORDS)
    page.get_by_role("radio", name="Yes, write to me").check()
    page.get_by_label("A postal or e-mail address").fill("9 High Street")
    send(page)
    page.wait_for_url("**/complaint/sent/*")
    expect(page.get_by_text(re.compile("Reference [A-Z0-9]{6}"))).to_be_visible()
    assert complaints(service) == [(WORDS, "9 High Street")]


@NO_SCRIPTS
def test_every_link_of_the_error_summary_hits_its_field_and_what_was_typed_stays(
    page: Page, service: Service
) -> None:
    page.goto(service.url("/complaint"))
    page.get_by_role("radio", name="Yes, ring me").check()
    page.get_by_label("A number that is safe to ring").fill("07700 9009")
    page.get_by_label("3. What number did you ask").fill("12")
    send(page)
    links = page.locator(".govuk-error-summary a").all()
    assert len(links) == 3
    for link in links:
        expect(page.locator(link.get_attribute("href") or "")).to_be_visible()
    expect(page.get_by_label("A number that is safe to ring")).to_have_value("07700 9009")
    expect(page.get_by_role("radio", name="Yes, ring me")).to_be_checked()


def test_it_is_sent_by_keyboard_alone_and_where_to_answer_opens_with_its_choice(
    page: Page, service: Service
) -> None:
    page.goto(service.url("/complaint"))
    expect(page.get_by_label("A number that is safe to ring")).to_be_hidden()
    tab_to(page, "words")
    page.keyboard.type(WORDS)
    tab_to(page, "answer_by")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    tab_to(page, "ring")
    page.keyboard.type("07700 900982")
    tab_to(page, "Send it")
    page.keyboard.press("Enter")
    page.wait_for_url("**/complaint/sent/*")
    assert complaints(service) == [(WORDS, "+447700900982")]


def tab_to(page: Page, target: str) -> None:
    for _ in range(40):
        if page.evaluate(FOCUSED) == target:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by keyboard")


@NO_SCRIPTS
def test_going_back_after_the_exit_shows_an_empty_form(
    page: Page, service: Service, elsewhere: str
) -> None:
    page.goto(service.url("/complaint"))
    page.get_by_label("1. What went wrong?").fill(WORDS)
    page.get_by_role("button", name="Exit this page").click()
    page.wait_for_url(elsewhere)
    page.go_back()
    expect(page.get_by_label("1. What went wrong?")).to_have_value("")


def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    page.goto(service.url("/complaint"))
    send(page)
    found.look_at(ERRORS, "the form with errors")
    page.get_by_label("1. What went wrong?").fill(WORDS)
    page.get_by_role("radio", name="Yes, ring me").check()
    page.get_by_label("A number that is safe to ring").fill("07700 900982")
    found.look_at("#ring", "the form with a number")
    send(page)
    found.look_at(".govuk-panel", "what happens next")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate(SIDEWAYS) == 0
    sign_in(MANAGER)
    found.look(service.url("/personal-data"))
    found.look(service.url("/personal-data/complaints/1"))
    page.get_by_role("button", name="They were told").click()
    found.look_at(ERRORS, "acknowledging with errors")
    page.get_by_label("We rang the number").check()
    page.get_by_role("button", name="They were told").click()
    found.look_at("#answer", "a complaint to be answered")
    page.get_by_role("button", name="Ask for the erasure").click()
    found.look_at("text=Another manager must confirm it", "an erasure that waits")
    page.goto(service.url("/personal-data/complaints/new"))
    page.get_by_role("button", name="Keep it").click()
    found.look_at(ERRORS, "writing down with errors")
    assert found.violations == []
