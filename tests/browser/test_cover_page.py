"""The cover page in the weeks when the clocks change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from callback_service.clock import utc_now
from tests.browser.service import MANAGER, Service

MARCH, OCTOBER = 3, 10
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SignIn = Callable[[str], Page]


def test_the_week_in_march_has_a_day_of_23_hours(service: Service, sign_in: SignIn) -> None:
    sunday = _last_sunday(MARCH)
    page = _week(service, sign_in, sunday)
    assert _headings(page) == ["Day", *(f"{hour:02}" for hour in range(24))]
    cells = _cells_of_sunday(page)
    assert len(cells) == 24
    assert [hour for hour, cell in enumerate(cells) if "/" not in cell] == [1]
    expect(page.get_by_text("has 23 hours: the clocks go forward")).to_be_visible()


def test_the_week_in_october_has_a_day_of_25_hours(service: Service, sign_in: SignIn) -> None:
    sunday = _last_sunday(OCTOBER)
    page = _week(service, sign_in, sunday)
    hours = ["00", "01", "01 (2nd)", *(f"{hour:02}" for hour in range(2, 24))]
    assert _headings(page) == ["Day", *hours]
    cells = _cells_of_sunday(page)
    assert len(cells) == 25
    assert all("/" in cell for cell in cells)
    expect(page.get_by_text("has 25 hours: the clocks go back")).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/cover",
        "/desk",
        "/rota",
        "/rota/patterns",
        "/rota/patterns/add-rotation",
        "/rota/changes",
        "/rota/history",
        "/rota/people",
        "/rota/calendar",
        "/rota?who=2",
        "/rota/four-weeks",
        "/rota/hours",
        "/rota/hours/week?week=2027-10-31",
        "/rota/print",
        "/messages",
    ],
)
def test_no_page_of_a_manager_scrolls_sideways_on_a_small_phone(
    service: Service, sign_in: SignIn, path: str
) -> None:
    service.take_request()
    service.tick()
    page = sign_in(MANAGER)
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(service.url(path))
    assert page.evaluate(SIDEWAYS) == 0


def _week(service: Service, sign_in: SignIn, day: date) -> Page:
    page = sign_in(MANAGER)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(service.url(f"/cover?week={day.isoformat()}"))
    return page


def _headings(page: Page) -> list[str]:
    return page.locator("table.app-cover thead th").all_inner_texts()


def _cells_of_sunday(page: Page) -> list[str]:
    return page.locator("table.app-cover tbody tr").last.locator("td").all_inner_texts()


def _last_sunday(month: int) -> date:
    """The last Sunday of ``month`` next year: the rota of the demo has no end."""
    last = date(utc_now().year + 1, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)
