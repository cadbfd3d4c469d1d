"""The steps of signing in, and how codes from an app on a phone are judged."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import pyotp

from callback_service.domain.staff import Role

#: How long each code of an app is shown (RFC 6238).
CODE_STEP: Final = timedelta(seconds=30)
#: Codes just before and after count too: clocks differ, and people type slowly.
STEPS_AROUND: Final = 1
#: What is begun and not finished by then begins again.
HALF_WAY_LIMIT: Final = timedelta(minutes=10)
#: A second factor given this lately opens sensitive acts.
FRESH_FOR: Final = timedelta(minutes=10)
RECOVERY_CODES: Final = 8
#: At so many codes or fewer, their owner is told to make new ones.
FEW_CODES: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a sign-in lasts: without use, and at the very most."""

    idle: timedelta
    absolute: timedelta


#: Of 12 hours, as a shift may be that long. Accounts, and the records of people at risk, are
#: rarely worked on, and open more.
LIMITS: Final[Mapping[Role, Limits]] = {
    Role.COUNSELLOR: Limits(timedelta(minutes=30), timedelta(hours=12)),
    Role.MANAGER: Limits(timedelta(minutes=30), timedelta(hours=12)),
    Role.SAFEGUARDING_LEAD: Limits(timedelta(minutes=15), timedelta(hours=8)),
    Role.ADMINISTRATOR: Limits(timedelta(minutes=15), timedelta(hours=8)),
}
#: Before the idle time ends, the page says so this early.
WARNED_BEFORE: Final = timedelta(minutes=3)
#: A call that is not closed counts as use of the desk for so long.
CALL_IS_USE_FOR: Final = timedelta(hours=2)


class Stage(StrEnum):
    """How far a browser has come. Only ``FULL`` is signed in."""

    START = "start"  # asked for a passkey; it may be anybody
    PASSWORD = "password"  # nosec B105  # noqa: S105 - gave the password, and nothing else yet
    FULL = "full"


class Proof(StrEnum):
    """What a try is a try at; each is counted for itself."""

    PASSWORD = "password"  # nosec B105  # noqa: S105 - a word of the list
    CODE = "code"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    LINK = "link"


def step_of(now: datetime) -> int:
    """Which code of an app is shown at ``now``, counted from 1970."""
    return int(now.timestamp() // CODE_STEP.total_seconds())


def accepted_step(secret: str, code: str, *, after: int | None, now: datetime) -> int | None:
    """The step whose code ``code`` is, if it may be used at ``now``; None if it is not right.

    ``after`` is the last step that was used: only later ones count, so that a code works once
    (RFC 6238, 5.2). ``secret`` is in base32.
    """
    given = tidy_code(code)
    totp = pyotp.TOTP(secret)
    for step in usable_steps(after=after, now=now):
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode()):
            return step
    return None


def usable_steps(*, after: int | None, now: datetime) -> Iterator[int]:
    """The steps whose codes are good at ``now``, the present one first."""
    current = step_of(now)
    for step in (current, current - STEPS_AROUND, current + STEPS_AROUND):
        if after is None or step > after:
            yield step


def tidy_code(code: str) -> str:
    """``code`` as it is compared: without spaces and dashes, in lower case."""
    return "".join(code.split()).replace("-", "").lower()
