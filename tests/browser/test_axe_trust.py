"""Axe finds nothing on the pages that guard callers: decoys, conflicts, cases, kept forms."""

from __future__ import annotations

import re

from playwright.sync_api import Page
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.domain.flood import FormLimits
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from callback_service.services import decoy_planting, decoys, form_posts, held_forms
from callback_service.services.held_forms import Held
from tests.browser.axe import ERRORS, LONG_NAME, Findings, SignIn, fill_the_queue
from tests.browser.service import ADMINISTRATOR, MANAGER, SAFEGUARDING_LEAD, Service
from tests.rota_builders import LONDON
from tests.support.request_builders import an_ask, stored


def test_axe_finds_nothing_where_somebody_is_kept_away(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    sign_in(MANAGER)
    found.look(service.url("/desk/requests/2/keep-away"))
    page.get_by_role("button", name="Keep away").click()
    found.look_at(ERRORS, "keeping away with errors")
    page.get_by_label("Who?").select_option(index=1)
    page.get_by_role("button", name="Keep away").click()
    found.look_at(".govuk-notification-banner", "somebody kept away")
    found.look(service.url("/desk/requests/2/history"))
    assert found.violations == []


def test_axe_finds_nothing_on_the_pages_of_decoys(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    sign_in(ADMINISTRATOR)
    found.look(service.url("/decoys"))
    with stored(service.app) as session:
        for _ in range(2):
            decoy_planting.plant(
                session, name=LONG_NAME, note=None, consent_version="test", now=utc_now(), tz=LONDON
            )
        manager_id = session.scalars(select(Staff.id).where(Staff.email == MANAGER)).one()
        request_id = session.scalars(
            select(CallbackRequest.id).order_by(CallbackRequest.id)
        ).first()
        decoys.record_look(
            session, "request.record_read", request_id or 0, actor_id=manager_id, now=utc_now()
        )
    found.look(service.url("/decoys"))
    page.get_by_role("button", name=re.compile("seen to")).first.click()
    found.look_at("main h1", "a look that was seen to")
    page.context.clear_cookies()
    sign_in(SAFEGUARDING_LEAD)
    found.look(service.url("/decoys"))
    assert found.violations == []


def test_axe_finds_nothing_on_the_page_of_a_form_that_waits(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    with stored(service.app) as session:
        staff_id = session.scalars(select(Staff.id).where(Staff.email == MANAGER)).one()
        fields = [("words", "Spoke of her sister\nand her mother"), ("kind", "other")]
        held_forms.hold(session, staff_id, Held("/desk/requests/1/outcome", fields, utc_now()))
    sign_in(MANAGER)
    found.look(service.url("/account/held"))
    assert found.violations == []


def test_axe_finds_nothing_on_the_pages_of_a_case(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    sign_in(MANAGER)
    page.goto(service.url("/personal-data"))
    page.get_by_role("button", name=re.compile("Find")).first.click()
    found.look_at(ERRORS, "finding with errors")
    page.locator("[name=phone]").fill("07700 900982")
    page.locator("[name=words]").fill("Rang us, and knew the reference")
    page.locator("[name=about][type=radio]").first.check()
    page.get_by_role("button", name=re.compile("Find")).first.click()
    found.look_at("#held", "a case")
    case = page.url
    page.get_by_role("link", name=re.compile("Put something right")).first.click()
    found.look_at("main h1", "a correction")
    page.locator("main form button").first.click()
    found.look_at("main h1", "a correction with errors")
    page.goto(case)
    page.get_by_role("link", name=re.compile("Keep it from being erased")).first.click()
    page.locator("main form button").first.click()
    found.look_at(ERRORS, "a hold with errors")
    assert found.violations == []


def test_axe_finds_nothing_where_posts_wait_and_where_lists_are_narrowed(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    found = Findings(page)
    fill_the_queue(service)
    keep_a_post_aside(service)
    sign_in(MANAGER)
    for path in ("/waiting-outside", "/waiting-outside/1/discard", "/messages?state=failed",
                 "/messages?state=unclear", "/audit?what=refusals", "/audit?who=1"):  # fmt: skip
        found.look(service.url(path))
    page.goto(service.url("/audit"))
    page.locator("main details summary").first.click()
    page.locator("[name=reference]").fill("NOSUCH")
    page.locator("main form button").first.click()
    found.look_at(ERRORS, "the audit with errors")
    page.goto(service.url("/desk/requests/2/record"))
    page.get_by_role("button", name="Show the record").click()
    found.look_at(ERRORS, "a record with errors")
    page.get_by_label("Somebody may be at risk").check()
    page.get_by_role("button", name="Show the record").click()
    found.look_at("text=Shown in whole until", "a whole record")
    assert found.violations == []


def keep_a_post_aside(service: Service) -> None:
    """A post that seems to be a program's."""
    with stored(service.app) as session:
        form_posts.take(
            session, an_ask("07700 900555", name=LONG_NAME), address="198.51.100.7",
            limits=FormLimits(), is_by_program=True, now=utc_now(), tz=LONDON,
        )  # fmt: skip
