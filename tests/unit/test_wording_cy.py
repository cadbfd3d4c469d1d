"""Times in Welsh: the words are for a native speaker to approve, the grammar of "a" is a rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callback_service.domain.contact import Window
from callback_service.domain.told import Told, heard, spoken
from callback_service.domain.wording import day_name
from callback_service.domain.wording_cy import DAYS, MONTHS

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def said(told: Told) -> str:
    return spoken(told, language="cy", now=NOW, tz=LONDON)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told.between(Window(at(25, 21), at(25, 23))), "heno rhwng 9yh ac 11yh"),
        (Told.between(Window(at(25, 22), at(26, 0))), "heno rhwng 10yh a chanol nos"),
        (Told.between(Window(at(26, 11), at(26, 13))), "yfory rhwng 11yb ac 1yh"),
        (
            Told.between(Window(at(28, 8), at(28, 10))),
            "ddydd Sadwrn 28 Tachwedd rhwng 8yb a 10yb",
        ),
        (Told.by(at(25, 21, 40)), "erbyn 9:40yh heno"),
        (Told.by(at(26, 0)), "erbyn canol nos heno"),
        (Told.at(at(26, 12)), "am ganol dydd yfory"),
        (Told.at(at(25, 15, 5)), "am 3:05yh heddiw"),
    ],
)
def test_a_time_is_said_in_welsh(told: Told, words: str) -> None:
    assert said(told) == words


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told.by(at(25, 21, 40)), "erbyn 9:40 yr hwyr heno"),
        (Told.by(at(25, 15, 5)), "erbyn 3:05 y prynhawn heddiw"),
        (Told.by(at(25, 12, 30)), "erbyn 12:30 y prynhawn heddiw"),
        (Told.by(at(25, 18)), "erbyn 6 yr hwyr heno"),
        (Told.by(at(26, 0, 30)), "erbyn 12:30 y bore heno"),
        (Told.by(at(26, 0)), "erbyn canol nos heno"),
        (Told.between(Window(at(26, 11), at(26, 13))), "yfory rhwng 11 y bore ac 1 y prynhawn"),
    ],
)
def test_a_time_that_is_heard_has_no_short_forms(told: Told, words: str) -> None:
    assert heard(told, language="cy", now=NOW, tz=LONDON) == words


def test_the_day_is_named_by_the_same_rule_as_in_english() -> None:
    same = {"today": "heddiw", "tonight": "heno", "tomorrow": "yfory"}
    for now in (NOW, NOW + timedelta(hours=14)):
        for hours in range(60):
            moment = now + timedelta(hours=hours)
            english = day_name(moment, now=now, tz=LONDON)
            welsh = spoken(Told.by(moment), language="cy", now=now, tz=LONDON)
            assert welsh.endswith(same.get(english, "Tachwedd"))


def test_every_day_and_month_has_its_name() -> None:
    assert len(set(DAYS)) == 7
    assert len(set(MONTHS)) == 12
