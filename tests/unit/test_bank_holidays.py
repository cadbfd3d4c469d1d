"""Bank holidays of the four nations, against the dates that GOV.UK publishes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from callback_service.gateways.bank_holidays import bank_holidays, use_nation


@pytest.fixture(autouse=True)
def england_again() -> Iterator[None]:
    yield
    use_nation("ENG")


def days(nation: str, first: str = "2026-01-01", last: str = "2026-12-31") -> list[str]:
    found = bank_holidays(date.fromisoformat(first), date.fromisoformat(last), nation=nation)
    return [f"{day:%m-%d}" for day in found]


def test_england_and_wales_have_these_in_2026() -> None:
    of_2026 = ["01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-26", "12-28"]
    assert days("ENG") == of_2026
    assert days("WLS") == of_2026


def test_scotland_has_its_second_of_january_and_saint_andrew() -> None:
    scottish = days("SCT")
    assert {"01-02", "08-03", "11-30"} <= set(scottish)
    assert "04-06" not in scottish  # Easter Monday


def test_northern_ireland_has_saint_patrick_and_the_boyne() -> None:
    assert {"03-17", "07-13"} <= set(days("NIR"))  # the 12th of July 2026 is a Sunday


def test_only_the_days_asked_for_are_given_over_the_turn_of_a_year() -> None:
    assert days("ENG", "2026-12-26", "2027-01-01") == ["12-26", "12-28", "01-01"]


def test_the_nation_in_use_is_meant_where_none_is_named() -> None:
    may_be_scottish = date(2026, 11, 30)
    assert bank_holidays(may_be_scottish, may_be_scottish) == {}
    use_nation("SCT")
    assert list(bank_holidays(may_be_scottish, may_be_scottish)) == [may_be_scottish]


def test_a_nation_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="nation"):
        use_nation("FRA")
