"""Findings and the handover on a phone: nothing stands out to the side, and axe finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page

from callback_service.clock import utc_now
from callback_service.domain.auditing import FindingKind
from callback_service.domain.ticks import TICK_NAMES
from callback_service.extensions import transaction
from callback_service.models.finding import Finding
from tests.browser.axe import AXE, RULES, RUN
from tests.browser.service import MANAGER, Service

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SignIn = Callable[[str], Page]


def _find_everything(service: Service) -> None:
    """A request that is late by hours, and one finding of each kind and standing."""
    earlier = utc_now() - timedelta(hours=3)
    service.take_request("01632 960001", name=None, at=earlier)
    service.tick()
    request_id = service.requests()[0].id
    with service.app.app_context(), transaction() as session:
        for number, kind in enumerate(FindingKind):
            is_tick = kind is FindingKind.TICK_STOPPED
            session.add(
                Finding(
                    kind=kind,
                    request_id=None if is_tick else request_id,
                    detail=", ".join(TICK_NAMES) if is_tick else "",
                    found_at=earlier,
                    told_at=earlier if number % 2 else None,
                    repaired_at=earlier if number % 3 == 0 else None,
                    gone_at=earlier if number % 3 == 1 else None,
                )
            )


def test_on_a_phone_findings_and_handover_fit_and_axe_finds_nothing(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    sign_in(MANAGER)
    page.goto(service.url("/findings"))
    page.get_by_text("Nothing was found wrong.").wait_for()
    _find_everything(service)
    for path, words in (
        ("/findings", "A part of the scheduler has stopped"),
        ("/desk", "To hand over"),
    ):
        page.goto(service.url(path))
        page.get_by_text(words).first.wait_for()
        assert page.evaluate(SIDEWAYS) == 0, path
        page.evaluate(AXE)
        assert page.evaluate(RUN, RULES)["violations"] == [], path
