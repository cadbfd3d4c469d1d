"""Passkeys against both databases, and what a thief would try with one."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.signing_in import Stage
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.staff import Passkey, SignIn, Staff
from callback_service.services import account_changes, passkeys, sign_in
from callback_service.services.passkeys import CHALLENGE_LIMIT, MOST_PASSKEYS, Site
from tests.support.builders import make_staff
from tests.support.soft_passkey import SoftPasskey

SITE = Site("callback.example.org", "https://callback.example.org", "Callback")


def full_sign_in(session: Session, staff: Staff, *, now: datetime) -> int:
    """A browser that ``staff`` is signed in with."""
    sign_in.start(session, staff, device="", now=now)
    row = session.scalars(select(SignIn).order_by(SignIn.id.desc())).first()
    assert row is not None
    sign_in.complete(session, row, staff, by="code", now=now)
    return row.id


def add_passkey(
    session: Session, sign_in_id: int, *, now: datetime, key: SoftPasskey | None = None
) -> SoftPasskey:
    key = key or SoftPasskey(SITE.host, SITE.origin)
    options = passkeys.begin_adding(session, sign_in_id, site=SITE, now=now)
    challenge = passkeys.spend_challenge(session, sign_in_id, now=now)
    answer = key.register(options)
    passkeys.add(session, sign_in_id, challenge, answer, name="my phone", site=SITE, now=now)
    return key


def begin(session: Session, *, now: datetime) -> tuple[int, str]:
    """A stranger's browser that asks for a passkey: its row, and the question."""
    token, question = passkeys.begin_sign_in(session, device="", site=SITE, now=now)
    visit = sign_in.visit_by_token(session, token, now=now)
    assert (visit.stage, visit.staff, visit.entering) == (Stage.START, None, None)
    assert visit.sign_in_id is not None
    return visit.sign_in_id, question


def send(session: Session, sign_in_id: int, answer: str, *, now: datetime) -> sign_in.Opened:
    challenge = passkeys.spend_challenge(session, sign_in_id, now=now)
    return passkeys.enter(session, sign_in_id, challenge, answer, site=SITE, now=now)


@pytest.fixture
def owner(session: Session) -> Staff:
    """A counsellor."""
    return make_staff(session, email="owner@example.org")


@pytest.fixture
def key(session: Session, owner: Staff, now: datetime) -> SoftPasskey:
    """The owner's passkey, which counts nothing."""
    return add_passkey(session, full_sign_in(session, owner, now=now), now=now)


def test_a_passkey_stands_for_both_steps(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    row_id, question = begin(session, now=now)
    opened = send(session, row_id, key.answer(question), now=now)
    assert (opened.staff.id, opened.stage) == (owner.id, Stage.FULL)
    visit = sign_in.visit_by_token(session, opened.token, now=now)
    assert visit.staff is not None
    assert visit.is_fresh


def test_the_question_names_nobody_and_wants_the_person_checked(
    session: Session, key: SoftPasskey, now: datetime
) -> None:
    _, question = begin(session, now=now)
    asked = json.loads(question)
    assert asked.get("allowCredentials", []) == []
    assert asked["userVerification"] == "required"
    assert asked["rpId"] == SITE.host


def test_an_answer_counts_once_also_from_a_key_that_counts_nothing(
    session: Session, key: SoftPasskey, now: datetime
) -> None:
    row_id, question = begin(session, now=now)
    answer = key.answer(question)
    send(session, row_id, answer, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, answer, now=now)
    another, _ = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, another, answer, now=now)


def test_an_answer_from_another_browser_is_refused(
    session: Session, key: SoftPasskey, now: datetime
) -> None:
    _, question = begin(session, now=now)
    another, _ = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, another, key.answer(question), now=now)


def test_a_refused_answer_spends_the_question_too(
    session: Session, key: SoftPasskey, now: datetime
) -> None:
    row_id, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, "{}", now=now)
    with pytest.raises(BadInput):
        send(session, row_id, key.answer(question), now=now)


def test_a_question_lasts_five_minutes(session: Session, key: SoftPasskey, now: datetime) -> None:
    row_id, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, key.answer(question), now=now + CHALLENGE_LIMIT)


@pytest.mark.parametrize(
    "change",
    [
        {"checks_person": False},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
    ],
)
def test_a_key_that_checked_nobody_or_answered_another_site_is_refused(
    session: Session, key: SoftPasskey, now: datetime, change: dict[str, object]
) -> None:
    for name, value in change.items():
        setattr(key, name, value)
    row_id, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, key.answer(question), now=now)


def test_a_copy_of_a_key_that_counts_is_found_out(
    session: Session, owner: Staff, now: datetime
) -> None:
    row_id = full_sign_in(session, owner, now=now)
    counting = SoftPasskey(SITE.host, SITE.origin, counter=7)
    add_passkey(session, row_id, now=now, key=counting)
    another, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, another, counting.answer(question), now=now)


def test_a_disabled_persons_passkey_opens_nothing_then_or_later(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    account_changes.disable(session, owner.id, actor_id=boss.id, now=now)
    row_id, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, key.answer(question), now=now)
    account_changes.enable(session, owner.id, actor_id=boss.id, now=now)
    row = session.get_one(SignIn, row_id)
    assert (row.stage, row.staff_id) == (Stage.START, None)


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"id": 5}', '{"id": "!"}', '{"id": "AAAA"}'])
def test_what_is_no_answer_is_refused(session: Session, now: datetime, answer: str) -> None:
    row_id, _ = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, answer, now=now)


def test_the_key_of_another_person_confirms_nothing(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    other = full_sign_in(session, make_staff(session), now=now)
    question = passkeys.begin_confirming(session, other, site=SITE, now=now)
    challenge = passkeys.spend_challenge(session, other, now=now)
    with pytest.raises(BadInput):
        passkeys.confirm(session, other, challenge, key.answer(question), site=SITE, now=now)


def test_ones_own_key_confirms(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    row_id = full_sign_in(session, owner, now=now)
    later = now + timedelta(minutes=20)
    question = passkeys.begin_confirming(session, row_id, site=SITE, now=later)
    challenge = passkeys.spend_challenge(session, row_id, now=later)
    opened = passkeys.confirm(
        session, row_id, challenge, key.answer(question), site=SITE, now=later
    )
    assert sign_in.visit_by_token(session, opened.token, now=later).is_fresh


def test_a_passkey_is_not_made_half_way_in(session: Session, owner: Staff, now: datetime) -> None:
    sign_in.start(session, owner, device="", now=now)
    row = session.scalars(select(SignIn)).one()
    with pytest.raises(Refused):
        passkeys.begin_adding(session, row.id, site=SITE, now=now)


def test_the_same_key_is_not_kept_twice_and_there_is_a_most(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    row_id = full_sign_in(session, owner, now=now)
    with pytest.raises(BadInput):
        add_passkey(session, row_id, now=now, key=key)
    for _ in range(MOST_PASSKEYS - 1):
        add_passkey(session, row_id, now=now)
    with pytest.raises(BadInput, match="already"):
        add_passkey(session, row_id, now=now)


def test_only_the_owner_removes_a_passkey_and_then_it_opens_nothing(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    passkey_id = session.scalars(select(Passkey.id)).one()
    here = full_sign_in(session, owner, now=now)
    with pytest.raises(NotFound):
        passkeys.remove(session, make_staff(session).id, passkey_id, keep=here, now=now)
    passkeys.remove(session, owner.id, passkey_id, keep=here, now=now)
    row_id, question = begin(session, now=now)
    with pytest.raises(BadInput):
        send(session, row_id, key.answer(question), now=now)


def test_adding_a_passkey_ends_the_owners_other_sign_ins(
    session: Session, owner: Staff, now: datetime
) -> None:
    here, _ = (full_sign_in(session, owner, now=now) for _ in range(2))
    strangers = full_sign_in(session, make_staff(session), now=now)
    add_passkey(session, here, now=now)
    assert set(session.scalars(select(SignIn.id))) == {here, strangers}


def test_removing_a_passkey_ends_the_owners_other_sign_ins(
    session: Session, owner: Staff, key: SoftPasskey, now: datetime
) -> None:
    here, _ = (full_sign_in(session, owner, now=now) for _ in range(2))
    strangers = full_sign_in(session, make_staff(session), now=now)
    passkey_id = session.scalars(select(Passkey.id)).one()
    passkeys.remove(session, owner.id, passkey_id, keep=here, now=now)
    assert set(session.scalars(select(SignIn.id))) == {here, strangers}
