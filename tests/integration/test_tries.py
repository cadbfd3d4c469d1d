"""Tries at passwords and codes: guessing is slow, and no stranger keeps the owner out."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.signing_in import Proof
from callback_service.errors import TooMany
from callback_service.models.staff import KnownDevice, SignInAttempt
from callback_service.services.tries import (
    KNOWN_FOR,
    STRANGERS_TRIES,
    TRIES_PER_ACCOUNT,
    Caller,
    know_device,
    note_try,
)
from tests.support.builders import make_staff

pytestmark = pytest.mark.traced_on_both

OWNER = "owner@example.org"
NETWORK = "192.0.2.7"


def try_password(session: Session, caller: Caller, *, now: datetime, account: str = OWNER) -> bool:
    """Whether a try is looked at."""
    try:
        note_try(session, account=account, caller=caller, now=now)
    except TooMany:
        return False
    return True


def known(session: Session, *, now: datetime, network: str = NETWORK) -> Caller:
    """The owner, at a browser she used before."""
    staff = make_staff(session, email=OWNER)
    return Caller(network, know_device(session, staff.id, None, now=now))


def test_a_thousand_tries_from_fifty_networks_keep_a_known_browser_in(
    session: Session, now: datetime
) -> None:
    owner = known(session, now=now)
    tries = [
        try_password(session, Caller(f"198.51.100.{number % 50}"), now=now)
        for number in range(1000)
    ]
    assert sum(tries) == STRANGERS_TRIES[Proof.PASSWORD]
    assert not try_password(session, Caller(NETWORK), now=now)
    assert try_password(session, owner, now=now)


def test_a_known_browser_gets_in_from_the_very_network_of_an_attack(
    session: Session, now: datetime
) -> None:
    owner = known(session, now=now)
    for _ in range(TRIES_PER_ACCOUNT):
        try_password(session, Caller(NETWORK), now=now)
    assert not try_password(session, Caller(NETWORK), now=now)
    assert try_password(session, owner, now=now)


def test_a_known_browser_guesses_no_faster_than_others(session: Session, now: datetime) -> None:
    owner = known(session, now=now)
    tries = [try_password(session, owner, now=now) for _ in range(30)]
    assert sum(tries) == TRIES_PER_ACCOUNT


def test_a_browser_known_to_one_account_is_a_stranger_to_another(
    session: Session, now: datetime
) -> None:
    owner = known(session, now=now)
    other = make_staff(session, email="other@example.org").email
    for number in range(STRANGERS_TRIES[Proof.PASSWORD]):
        try_password(session, Caller(f"198.51.100.{number}"), account=other, now=now)
    assert not try_password(session, owner, account=other, now=now)


def test_a_made_up_or_old_browser_is_a_stranger(session: Session, now: datetime) -> None:
    owner = known(session, now=now)
    for number in range(STRANGERS_TRIES[Proof.PASSWORD]):
        try_password(session, Caller(f"198.51.100.{number}"), now=now)
    assert not try_password(session, Caller(NETWORK, "made up"), now=now)
    later = now + KNOWN_FOR
    for number in range(STRANGERS_TRIES[Proof.PASSWORD]):
        try_password(session, Caller(f"198.51.100.{number}"), now=later)
    assert not try_password(session, owner, now=later)


def test_an_account_that_is_not_there_is_braked_the_same(session: Session, now: datetime) -> None:
    nobody = [
        try_password(session, Caller(f"198.51.100.{number % 50}"), account="x@example.org", now=now)
        for number in range(200)
    ]
    assert sum(nobody) == STRANGERS_TRIES[Proof.PASSWORD]


def test_tries_at_one_form_do_not_use_up_those_of_another(session: Session, now: datetime) -> None:
    caller = Caller(NETWORK)
    for _ in range(TRIES_PER_ACCOUNT):
        note_try(session, account=OWNER, caller=caller, proof=Proof.CODE, now=now)
    with pytest.raises(TooMany):
        note_try(session, account=OWNER, caller=caller, proof=Proof.CODE, now=now)
    assert try_password(session, caller, now=now)


def test_neither_the_browser_nor_its_token_is_readable_in_the_rows(
    session: Session, now: datetime
) -> None:
    owner = known(session, now=now)
    try_password(session, owner, now=now)
    assert owner.device is not None
    token = owner.device.encode()
    assert token not in session.scalars(select(KnownDevice.token_digest)).one()
    assert token not in session.scalars(select(SignInAttempt.network_key)).one()
