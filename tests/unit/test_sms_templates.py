"""Every text we may send: short enough for one segment, and silent about who we are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment, UndefinedError, meta

from callback_service.domain.auditing import FindingKind
from callback_service.domain.contact import Window
from callback_service.domain.escalation import Reason
from callback_service.domain.languages import NAMES
from callback_service.domain.wording import (
    GSM_BASIC,
    forbidden_words,
    segments,
    time_spoken,
    window_spoken,
)
from callback_service.models.outbox import TextKind
from callback_service.services import auditor, escalation, texts
from callback_service.services.texts import TEMPLATES, wording

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
FILES: Final = sorted((Path(__file__).resolve().parents[2] / "templates" / "sms").glob("*"))
#: What a text may be told: times, who is missing, a reason of ours and a reference. No name and
#: no number.
FACTS: Final = {"when", "whom", "reason", "reference", "shows_number"}


@cache
def longest(kind: TextKind) -> dict[str, str]:
    """The longest facts that a kind of text is ever given."""
    wednesday = datetime(2026, 9, 23, 11, 55, tzinfo=UTC)  # no day of the year has a longer name
    window = Window(wednesday.replace(hour=21, minute=0), wednesday.replace(hour=23, minute=0))
    spoken = (
        window_spoken(window, now=NOW, tz=LONDON),
        f"by {time_spoken(wednesday, now=NOW, tz=LONDON)}",
        f"at {time_spoken(wednesday, now=NOW, tz=LONDON)}",
    )
    return {
        TextKind.CONFIRMATION: {"when": max(spoken, key=len)},
        TextKind.MISSED: {"when": max(spoken, key=len)},
        TextKind.CLOSING: {},
        TextKind.ESCALATION: {
            "reason": max(escalation._REASONS.values(), key=len),
            "reference": "MMMMMMMM",
        },
        TextKind.GAP: {
            "whom": f"somebody who speaks {max(NAMES.values(), key=len)}",
            "when": "at 999 times, first on Wednesday 23 September from 11:55am",
        },
        TextKind.ABSENCE: {},
        TextKind.OFFER: {"when": time_spoken(wednesday, now=NOW, tz=LONDON)},
        TextKind.SWAP_OFFERED: {},
        TextKind.SWAP_TAKEN: {},
        TextKind.SWAP_DECIDED: {},
        TextKind.LEAVE_DECIDED: {},
        TextKind.AUDIT: {
            "reason": max((auditor.said(kind, others=999) for kind in FindingKind), key=len),
            "reference": "MMMMMMMM",
        },
    }[kind]


def test_no_day_of_the_year_is_longer_than_the_one_these_tests_use() -> None:
    used = longest(TextKind.CONFIRMATION)["when"]
    assert used == "on Wednesday 23 September between 10pm and midnight"
    year = (NOW + timedelta(days=2 + day) for day in range(365))
    spoken = (window_spoken(Window(at, at), now=NOW, tz=LONDON) for at in year)
    assert max(len(text.partition(" between")[0]) for text in spoken) == len(
        used.partition(" between")[0]
    )


@pytest.mark.parametrize("kind", TextKind)
def test_a_text_with_the_longest_facts_is_one_segment_of_the_gsm_alphabet(kind: TextKind) -> None:
    body = wording(kind, **longest(kind))
    assert segments(body) == 1
    assert segments(body + "é" * (160 - len(body))) == 1, "not of the GSM alphabet"


def test_a_confirmation_says_what_the_call_shows_in_one_segment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = wording(TextKind.CONFIRMATION, **longest(TextKind.CONFIRMATION))
    assert body.endswith("The call may show as No caller ID.")
    monkeypatch.setitem(texts._WORDINGS.globals, "shows_number", True)
    body = wording(TextKind.CONFIRMATION, **longest(TextKind.CONFIRMATION))
    assert body.endswith("The call may show as No caller ID or an unknown number.")
    assert segments(body) == 1


@pytest.mark.parametrize("kind", TextKind)
def test_a_text_does_not_say_who_we_are(kind: TextKind) -> None:
    assert forbidden_words(wording(kind, **longest(kind)), also=("Callback",)) == []


def test_no_language_gives_a_caller_away_or_leaves_the_gsm_alphabet() -> None:
    names = " ".join(NAMES.values())
    assert forbidden_words(names) == []
    assert set(names) <= GSM_BASIC


@pytest.mark.parametrize("kind", TextKind)
def test_a_text_has_one_line_and_no_blank_to_fill_left(kind: TextKind) -> None:
    body = wording(kind, **longest(kind))
    assert body == " ".join(body.split())
    assert not re.search(r"[{}<>]|None|undefined", body)


@pytest.mark.parametrize("kind", [kind for kind in TextKind if longest(kind)])
def test_a_text_without_its_facts_is_not_written(kind: TextKind) -> None:
    with pytest.raises(UndefinedError):
        wording(kind)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_template_holds_no_link_no_name_and_no_number(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert forbidden_words(source) == []
    assert not re.search(r"://|\bwww|\.[a-z]{2,}/|\d{3}", source, re.IGNORECASE)
    assert meta.find_undeclared_variables(Environment().parse(source)) <= FACTS  # noqa: S701


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_template_asks_for_a_reply_that_the_gateway_takes_for_an_opt_out(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(STOP|CANCEL|END|QUIT|YES|START|UNSTOP)\b|reply", source)


def test_every_kind_of_text_has_its_template_and_no_file_is_a_stranger() -> None:
    names = {path.name for path in FILES}
    assert {f"{template}.txt" for template in TEMPLATES.values()} <= names
    assert set(TEMPLATES) == set(TextKind)
    assert all(re.fullmatch(r"[a-z_]+\.v\d+\.txt", name) for name in names)


def test_every_reason_of_an_escalation_has_its_words() -> None:
    assert set(escalation._REASONS) == set(Reason)
