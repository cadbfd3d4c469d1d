"""Codes of an app: which are right, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from callback_service.domain.signing_in import CODE_STEP, accepted_step, step_of, tidy_code

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = datetime(2026, 11, 25, 20, 0, 10, tzinfo=UTC)


def code(steps: int = 0) -> str:
    return pyotp.TOTP(KEY).at(NOW + steps * CODE_STEP)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_and_its_neighbours_are_right(steps: int) -> None:
    assert accepted_step(KEY, code(steps), after=None, now=NOW) == step_of(NOW) + steps


@pytest.mark.parametrize("steps", [-2, 2, 200])
def test_codes_further_off_are_not(steps: int) -> None:
    assert accepted_step(KEY, code(steps), after=None, now=NOW) is None


def test_a_code_works_once_and_none_before_it_any_more() -> None:
    used = step_of(NOW)
    assert accepted_step(KEY, code(), after=used, now=NOW) is None
    assert accepted_step(KEY, code(-1), after=used, now=NOW) is None
    assert accepted_step(KEY, code(1), after=used, now=NOW) == used + 1


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "٠١٢٣٤٥", "\0" * 6])
def test_what_is_no_code_is_not_right(typed: str) -> None:
    assert accepted_step(KEY, typed, after=None, now=NOW) is None


def test_spaces_and_dashes_do_not_matter() -> None:
    typed = f" {code()[:3]} {code()[3:]} "
    assert accepted_step(KEY, typed, after=None, now=NOW) == step_of(NOW)
    assert tidy_code("ABCD-efgh 2345") == "abcdefgh2345"


def test_the_algorithm_is_that_of_rfc_6238() -> None:
    """Appendix B, the row of 1111111109 in seconds, the last 6 of its 8 digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime.fromtimestamp(1_111_111_109, UTC)
    assert accepted_step(secret, "081804", after=None, now=at) == step_of(at)
    assert accepted_step(secret, "081804", after=None, now=at + timedelta(minutes=2)) is None
