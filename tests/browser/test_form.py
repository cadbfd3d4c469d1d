"""The public form in a browser: without scripts, by keyboard, on a small phone, left in a hurry."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from callback_service.domain.wording import forbidden_words
from tests.browser.conftest import Watch
from tests.browser.public_pages import STATIC, ask_for_a_call, fill_in, send
from tests.browser.service import Service

NO_SCRIPTS = pytest.mark.browser_context_args(java_script_enabled=False)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = "document.activeElement.id || document.activeElement.textContent.trim()"


@NO_SCRIPTS
def test_the_form_works_without_scripts(page: Page, service: Service) -> None:
    ask_for_a_call(page, service)
    expect(page.get_by_text("ends in 982")).to_be_visible()
    assert len(service.requests()) == 1


@NO_SCRIPTS
def test_errors_without_scripts_keep_what_was_typed(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    page.get_by_label("1. What number should we call?").fill("07700 9009")
    page.get_by_label("2. What should we call you?").fill("Morgan")
    page.get_by_role("radio", name="As soon as you can").check()
    send(page)
    expect(page.get_by_label("1. What number should we call?")).to_have_value("07700 9009")
    expect(page.get_by_label("2. What should we call you?")).to_have_value("Morgan")
    expect(page.get_by_role("radio", name="As soon as you can")).to_be_checked()
    assert service.requests() == []


@NO_SCRIPTS
def test_every_link_of_the_error_summary_hits_its_field(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    send(page)
    links = page.locator(".govuk-error-summary a").all()
    assert len(links) == 4
    for link in links:
        target = page.locator(link.get_attribute("href") or "")
        expect(target).to_be_visible()


@NO_SCRIPTS
def test_another_time_can_be_chosen_without_scripts(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    fill_in(page)
    page.get_by_role("radio", name="Another time").check()
    page.get_by_label("Choose another time").select_option(index=3)
    send(page)
    page.wait_for_url("**/done/*")
    [request] = service.requests()
    assert request.is_window


@pytest.mark.parametrize("path", STATIC)
def test_no_page_scrolls_sideways_on_a_small_phone(page: Page, service: Service, path: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(service.url(path))
    assert page.evaluate(SIDEWAYS) == 0


def test_no_page_of_a_request_scrolls_sideways_on_a_small_phone(
    page: Page, service: Service
) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(service.url("/"))
    page.get_by_role("radio", name="Another time").check()
    send(page)
    assert page.evaluate(SIDEWAYS) == 0
    done = ask_for_a_call(page, service)
    assert page.evaluate(SIDEWAYS) == 0
    page.goto(service.url(done.replace("/done/", "/manage/")))
    assert page.evaluate(SIDEWAYS) == 0


def test_the_form_is_sent_by_keyboard_alone(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    _tab_to(page, "phone")
    page.keyboard.type("07700 900982")
    _tab_to(page, "name")
    _tab_to(page, "when")
    page.keyboard.press("Space")
    _tab_to(page, "messages")
    page.keyboard.press("Space")
    _tab_to(page, "note")
    _tab_to(page, "consent")
    page.keyboard.press("Space")
    _tab_to(page, "Ask for a call")
    page.keyboard.press("Enter")
    page.wait_for_url("**/done/*")
    [request] = service.requests()
    assert not request.may_text


def test_no_key_and_no_screen_reader_comes_to_the_field_for_programs(
    page: Page, service: Service
) -> None:
    page.goto(service.url("/"))
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"phone", "name", "note"} <= reached
    assert "comments" not in reached
    told = page.locator("form[novalidate]").aria_snapshot()
    assert "What number should we call?" in told
    assert "Leave this empty" not in told


def test_the_field_for_programs_is_out_of_sight_without_styles(
    page: Page, service: Service
) -> None:
    page.route("**/*.css*", lambda route: route.fulfill(body="", content_type="text/css"))
    page.goto(service.url("/"))
    expect(page.locator("#phone")).to_be_visible()
    expect(page.locator("#comments")).to_be_hidden()
    expect(page.get_by_text("Leave this empty")).to_be_hidden()


def test_the_first_keys_lead_past_the_header_and_out(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to main content"
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Exit this page"


def test_enter_in_a_field_sends_the_form(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    fill_in(page)
    page.get_by_label("2. What should we call you?").press("Enter")
    page.wait_for_url("**/done/*")
    assert len(service.requests()) == 1


def test_a_double_click_makes_one_request(page: Page, service: Service, watch: Watch) -> None:
    page.goto(service.url("/"))
    fill_in(page)
    page.get_by_role("button", name="Ask for a call").dblclick()
    page.wait_for_url("**/done/*")
    assert len(watch.posts) == 1
    assert len(service.requests()) == 1


def test_a_reload_of_the_answer_makes_no_second_request(
    page: Page, service: Service, watch: Watch
) -> None:
    ask_for_a_call(page, service)
    page.reload()
    expect(page.get_by_role("heading", name="We will call you")).to_be_visible()
    assert len(watch.posts) == 1
    assert len(service.requests()) == 1


def test_going_back_and_sending_again_makes_no_second_request(page: Page, service: Service) -> None:
    ask_for_a_call(page, service)
    page.go_back()
    fill_in(page)
    send(page)
    page.wait_for_url("**/done/*")
    assert len(service.requests()) == 1


def test_the_exit_leaves_the_form_for_good(page: Page, service: Service, elsewhere: str) -> None:
    page.goto(service.url("/safety"))
    page.goto(service.url("/"))
    fill_in(page)
    page.get_by_role("button", name="Exit this page").click()
    page.wait_for_url(elsewhere)
    page.go_back()
    assert page.url == service.url("/safety")


def test_the_shift_key_pressed_three_times_leaves(
    page: Page, service: Service, elsewhere: str
) -> None:
    page.goto(service.url("/"))
    fill_in(page)
    for _ in range(3):
        page.keyboard.press("Shift")
    page.wait_for_url(elsewhere)


@NO_SCRIPTS
def test_going_back_after_the_exit_shows_an_empty_form(
    page: Page, service: Service, elsewhere: str
) -> None:
    page.goto(service.url("/"))
    fill_in(page)
    page.get_by_role("button", name="Exit this page").click()
    page.wait_for_url(elsewhere)
    page.go_back()
    expect(page.get_by_label("1. What number should we call?")).to_have_value("")
    expect(page.get_by_label("2. What should we call you?")).to_have_value("")
    chosen = page.locator("input:checked:not([value=''])")  # "I do not mind" is where all begin
    assert chosen.count() == 0


def test_errors_take_the_focus_and_the_title_says_so(page: Page, service: Service) -> None:
    page.goto(service.url("/"))
    send(page)
    summary = page.locator(".govuk-error-summary")
    expect(summary).to_be_focused()
    expect(page).to_have_title("Error: Ask us to call you")


@pytest.mark.parametrize("path", STATIC)
def test_titles_and_addresses_give_nothing_away(page: Page, service: Service, path: str) -> None:
    page.goto(service.url(path))
    assert page.title()
    assert forbidden_words(f"{page.title()} {path}") == []


def test_the_pages_of_a_request_give_nothing_away(page: Page, service: Service) -> None:
    done = ask_for_a_call(page, service)
    titles = [page.title()]
    page.goto(service.url(done.replace("/done/", "/manage/")))
    titles.append(page.title())
    assert titles == ["We will call you", "Your call"]
    page.get_by_role("button", name="Cancel this call").click()
    expect(page).to_have_title("This call is cancelled")


def _tab_to(page: Page, target: str) -> None:
    """Press Tab until ``target`` (an id or a text) has the focus; it must be within ten steps."""
    seen = []
    for _ in range(10):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if seen[-1] == target:
            return
    pytest.fail(f"{target} is not among the next fields: {seen}")
