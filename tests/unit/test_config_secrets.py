"""Secrets: which are refused, where they may come from, and what keeps an older one good."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from callback_service.config import Settings
from callback_service.domain.flood import FormLimits
from callback_service.errors import SettingsError
from tests.support.settings import make_settings

NEWER, OLDER, OLDEST = (secrets.token_urlsafe(32) for _ in range(3))
NOBODY = "postgresql://localhost/none"


def load(tmp_path: Path, **environ: str) -> Settings:
    return make_settings(NOBODY, tmp_path, **environ)


@pytest.mark.parametrize("between", [",", "\n", " ,\n "])
def test_older_keys_are_read_newest_first_and_the_present_one_signs(
    tmp_path: Path, between: str
) -> None:
    settings = load(
        tmp_path, SECRET_KEY=NEWER, SECRET_KEY_FALLBACKS=f"{OLDER}{between}{OLDEST}{between}"
    )
    assert settings.secret_key_fallbacks == (OLDER, OLDEST)
    assert settings.signing_keys == (OLDEST, OLDER, NEWER)


def test_older_keys_may_be_in_a_file_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "older").write_text(f"{OLDER}\n{OLDEST}\n", encoding="utf-8")
    settings = load(tmp_path, SECRET_KEY_FALLBACKS_FILE=str(tmp_path / "older"))
    assert settings.secret_key_fallbacks == (OLDER, OLDEST)
    assert OLDER not in repr(settings)


@pytest.mark.parametrize("weak", ["br13f", "a" * 40, "change-me-to-something-else-please-now"])
def test_a_weak_older_key_is_refused_and_not_repeated(tmp_path: Path, weak: str) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY_FALLBACKS is too short or a sample") as no:
        load(tmp_path, SECRET_KEY_FALLBACKS=f"{OLDER},{weak}")
    assert weak not in no.value.message
    assert OLDER not in no.value.message


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "DEBUG"])
@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_a_debugger_is_refused_outside_a_demonstration(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be off"):
        load(tmp_path, **{name: value})
    assert load(tmp_path, DEMO="1", PUBLIC_BASE_URL="http://127.0.0.1:8000", **{name: value}).demo


@pytest.mark.parametrize("value", ["0", "False", "no", "off", ""])
def test_a_debugger_that_is_off_is_no_matter(tmp_path: Path, value: str) -> None:
    assert not load(tmp_path, FLASK_DEBUG=value).demo


@pytest.mark.parametrize("contact", ["mailto:security@example.org", "https://example.org/report"])
def test_who_is_told_of_a_hole_is_an_address(tmp_path: Path, contact: str) -> None:
    assert load(tmp_path, SECURITY_CONTACT=contact).security_contact == contact


@pytest.mark.parametrize(
    "contact",
    ["security@example.org", "mailto:", "http://example.org", "mailto:a@b\nExpires: never"],
)
def test_any_other_contact_is_refused(tmp_path: Path, contact: str) -> None:
    with pytest.raises(SettingsError, match="SECURITY_CONTACT must be"):
        load(tmp_path, SECURITY_CONTACT=contact)


def test_the_limits_of_the_form_are_numbers(tmp_path: Path) -> None:
    assert load(tmp_path).form_limits == FormLimits(a_network=5, in_all=100)
    given = load(tmp_path, FORMS_PER_NETWORK="20", FORMS_PER_HOUR="400").form_limits
    assert given == FormLimits(a_network=20, in_all=400)
    with pytest.raises(SettingsError, match="FORMS_PER_HOUR must be a whole number"):
        load(tmp_path, FORMS_PER_HOUR="0")


def test_how_fast_nobody_is_can_be_set_and_turned_off(tmp_path: Path) -> None:
    assert load(tmp_path).form_limits.least_time == timedelta(seconds=3)
    assert not load(tmp_path, FORM_LEAST_SECONDS="0").form_limits.least_time
    with pytest.raises(SettingsError, match="FORM_LEAST_SECONDS must be a whole number"):
        load(tmp_path, FORM_LEAST_SECONDS="31")


def test_the_log_has_two_kinds_of_lines(tmp_path: Path) -> None:
    load(tmp_path, LOG_LINES="plain")
    with pytest.raises(SettingsError, match="LOG_LINES is json or plain"):
        load(tmp_path, LOG_LINES="xml")
