"""Axe finds nothing on any page or error state, on a phone and on a laptop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from callback_service.clock import utc_now
from callback_service.domain.wall_time import WEEKDAY_NAMES
from tests.browser.public_pages import STATIC, ask_for_a_call, send
from tests.browser.service import ADMINISTRATOR, MANAGER, Service

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"
ERRORS = ".govuk-error-summary"
VIEWS = ("/rota/four-weeks", "/rota/hours", "/rota/hours/week", "/rota/print")
LONG_NAME = "Alexandria-Wilhelmina Constantinopoulos-Featherstonehaugh III"

OWN_ROTA = (
    "/rota/swaps",
    "/rota/swaps/offer",
    "/rota/swaps/offer?to=0",
    "/rota/availability",
    "/rota/leave",
)

SIZES = pytest.mark.parametrize("width", [375, 1280])
SignIn = Callable[[str], Page]


@SIZES
def test_axe_finds_nothing_on_the_public_pages(page: Page, service: Service, width: int) -> None:
    found = _Findings(page, width)
    for path in STATIC:
        found.look(service.url(path))
    page.goto(service.url("/"))
    send(page)
    found.look_at(ERRORS, "the form with errors")
    page.get_by_role("radio", name="Another time").check()
    found.look_at("#later", "the form with further times")
    done = ask_for_a_call(page, service)
    found.look_at(".govuk-panel", "the answer")
    found.look(service.url(done.replace("/done/", "/manage/")))
    page.get_by_role("button", name="Cancel this call").click()
    found.look_at("text=We will not call you.", "a call that was cancelled")
    _ask_again(page, service, found)
    assert found.violations == []


def _ask_again(page: Page, service: Service, found: _Findings) -> None:
    """Nobody served a request in days: it is closed, and its caller comes back to its page."""
    key = service.take_request("07700 900984", at=utc_now() - timedelta(days=4))
    service.tick()
    found.look(service.url(f"/done/{key}"))
    page.get_by_role("button", name="Ask again").click()
    page.get_by_role("button", name="Ask again").click()
    found.look_at(ERRORS, "asking again with errors")


@SIZES
def test_axe_finds_nothing_on_the_pages_of_a_counsellor(
    page: Page, service: Service, sign_in: SignIn, width: int
) -> None:
    found = _Findings(page, width)
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
    _fill_the_queue(service)
    found.look(service.url("/desk"))
    _decline(page, found)
    page.goto(service.url("/desk"))
    _walk_through_a_call(page, found)
    page.goto(service.url("/desk/requests/999"))
    found.look_at(".govuk-notification-banner", "a call of somebody else")
    assert found.violations == []


@SIZES
def test_axe_finds_nothing_on_the_pages_of_a_manager(
    page: Page, service: Service, sign_in: SignIn, width: int
) -> None:
    found = _Findings(page, width)
    _fill_the_queue(service)
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
        "/findings",
        "/rota?who=2",
        *VIEWS,
    ):
        found.look(service.url(path))
    _add_a_rotation(page, service, found)
    _change_the_rota(page, service, found)
    _read_the_history(page, service, found)
    page.goto(service.url("/cover"))
    page.get_by_role("button", name="Save").click()
    found.look_at(ERRORS, "cover with errors")
    assert found.violations == []


def _add_a_rotation(page: Page, service: Service, found: _Findings) -> None:
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


def _change_the_rota(page: Page, service: Service, found: _Findings) -> None:
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


def _read_the_history(page: Page, service: Service, found: _Findings) -> None:
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


@SIZES
def test_axe_finds_nothing_on_the_pages_of_an_administrator(
    page: Page, service: Service, sign_in: SignIn, width: int
) -> None:
    found = _Findings(page, width)
    sign_in(ADMINISTRATOR)
    found.look(service.url("/staff"))
    page.get_by_role("button", name="Invite").click()
    found.look_at(ERRORS, "staff with errors")
    page.get_by_role("link", name="Change skills").first.click()
    found.look_at("text=Known to callers as", "skills")
    page.get_by_label("Other languages").fill("elvish")
    page.get_by_role("button", name="Save").click()
    found.look_at(ERRORS, "skills with errors")
    page.goto(service.url("/staff"))
    page.get_by_role("button", name="New link").first.click()
    found.look_at("#one-time-link", "a one-time link")
    link = page.locator("#one-time-link").input_value()
    page.get_by_role("button", name="Sign out").click()
    found.look_at("text=You are signed out.", "signed out")
    found.look(link)
    page.get_by_role("button", name="Save and sign in").click()
    found.look_at(ERRORS, "an invitation with errors")
    assert found.violations == []


class _Findings:
    """What axe found, page after page."""

    def __init__(self, page: Page, width: int) -> None:
        self._page = page
        self.violations: list[str] = []
        page.set_viewport_size({"width": width, "height": 812})

    def look(self, url: str) -> None:
        """Run axe on the page at ``url``."""
        self._page.goto(url)
        self._run(url)

    def look_at(self, selector: str, name: str) -> None:
        """Run axe on the open page once it shows ``selector``; findings are listed as ``name``."""
        self._page.locator(selector).first.wait_for()
        self._run(name)

    def _run(self, name: str) -> None:
        self._page.evaluate(AXE)
        result: dict[str, Any] = self._page.evaluate(RUN, RULES)
        for violation in result["violations"]:
            places = ", ".join(str(node["target"]) for node in violation["nodes"][:3])
            self.violations.append(f"{name}: {violation['id']} at {places}")


def _fill_the_queue(service: Service) -> None:
    """One request that is offered, one that is late, one for later, and a very long name."""
    now = utc_now()
    service.take_request("01632 960001", name=None, at=now - timedelta(hours=3))
    service.take_request(name=LONG_NAME, note="Hang up if someone else answers.")
    service.take_request("07700 900983", window=service.window_tomorrow())
    service.tick()


def _decline(page: Page, found: _Findings) -> None:
    """Look at declining, without doing it."""
    page.get_by_role("link", name="Decline").click()
    page.get_by_role("radio", name="Another reason").check()
    page.get_by_role("button", name="Decline").click()
    found.look_at(ERRORS, "declining with errors")


def _walk_through_a_call(page: Page, found: _Findings) -> None:
    page.get_by_role("button", name="Take call").first.click()
    page.get_by_text("Give it back").first.click()
    found.look_at("text=I know this person", "a call before it is rung")
    page.get_by_role("button", name="I am ringing now").click()
    found.look_at(".app-timer", "a call that is ringing")
    page.get_by_role("radio", name="We spoke").check()
    found.look_at("#disposition", "a call with its endings")
    page.get_by_role("button", name="Save and finish").click()
    found.look_at(ERRORS, "a call with errors")
    page.get_by_role("radio", name="Not safe to talk now").check()
    found.look_at("#again_at", "a call with another time")
    page.get_by_role("button", name="Save and finish").click()
    found.look_at(".govuk-notification-banner", "the desk after a call")
