"""What an administrator changes at somebody else's account, and what that ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import parse_phone
from callback_service.domain.signing_in import Proof
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused, TooMany
from callback_service.models.outbox import OutboxMessage
from callback_service.models.plan import PlanTrigger
from callback_service.models.staff import SignIn, Staff
from callback_service.services import (
    account_changes,
    account_events,
    accounts,
    second_step,
    sign_in,
    tries,
)
from callback_service.services.account_events import LISTED, NEWS, TEXTED
from callback_service.services.tries import TRIES_PER_ACCOUNT, Caller
from tests.support.builders import PASSWORD, make_staff
from tests.support.signing_in import code_at

KEY = "a key for links that opens nothing else"
HERE = Caller("192.0.2.7")
STEP = timedelta(seconds=30)

Deed = Callable[..., None]


@pytest.fixture
def boss(session: Session) -> Staff:
    return make_staff(session, role=Role.ADMINISTRATOR, name="Sam Field")


@pytest.fixture
def owner(session: Session) -> Staff:
    staff = make_staff(session, email="owner@example.org", name="Robin Vale")
    staff.phone = "+447700900101"
    return staff


def enter(session: Session, staff: Staff, *, now: datetime) -> str:
    """Sign ``staff`` in; the token."""
    proven = sign_in.check_password(session, email=staff.email, password=PASSWORD)
    half = sign_in.open_sign_in(session, proven, caller=HERE, device="Firefox on Linux", now=now)
    visit = sign_in.visit_by_token(session, half.token, now=now)
    staff.totp_last_step = None
    return second_step.give_code(
        session, visit.sign_in_id or 0, code_at(now), caller=HERE, now=now
    ).token


def is_in(session: Session, token: str, *, now: datetime) -> bool:
    return sign_in.visit_by_token(session, token, now=now).staff is not None


def texts(session: Session) -> list[str]:
    return list(session.scalars(select(OutboxMessage.body).order_by(OutboxMessage.id)))


def to_manager(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    account_changes.change_role(session, staff_id, Role.MANAGER, actor_id=actor_id, now=now)


def to_another_address(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    account_changes.change_email(session, staff_id, "Else@Example.org ", actor_id=actor_id, now=now)


CHANGES = pytest.mark.parametrize("change", [to_manager, to_another_address])


@CHANGES
def test_a_change_ends_sign_ins_and_links_and_texts_the_owner(
    session: Session, boss: Staff, owner: Staff, now: datetime, change: Deed
) -> None:
    token = enter(session, owner, now=now)
    link = accounts.make_link(session, owner.id, secret_key=KEY, actor_id=boss.id, now=now)
    change(session, owner.id, actor_id=boss.id, now=now)
    assert not is_in(session, token, now=now)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, link, secret_key=KEY, now=now)
    assert "was changed. If this was not you" in texts(session)[-1]


@CHANGES
def test_nobody_changes_their_own(
    session: Session, boss: Staff, now: datetime, change: Deed
) -> None:
    make_staff(session, role=Role.ADMINISTRATOR)
    with pytest.raises(Refused, match="your own"):
        change(session, boss.id, actor_id=boss.id, now=now)
    assert boss.role is Role.ADMINISTRATOR


@CHANGES
def test_a_disabled_account_is_not_changed(
    session: Session, boss: Staff, owner: Staff, now: datetime, change: Deed
) -> None:
    owner.is_active = False
    with pytest.raises(Refused, match="disabled"):
        change(session, owner.id, actor_id=boss.id, now=now)


def test_a_role_holds_from_the_next_sign_in_and_the_plan_is_made_anew(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    to_manager(session, owner.id, actor_id=boss.id, now=now)
    member = sign_in.visit_by_token(session, enter(session, owner, now=now), now=now).staff
    assert member is not None
    assert member.role is Role.MANAGER
    assert session.scalar(select(PlanTrigger.id).limit(1)) is not None


def test_the_same_role_again_is_refused(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    with pytest.raises(Refused, match="already"):
        account_changes.change_role(session, owner.id, Role.COUNSELLOR, actor_id=boss.id, now=now)


@pytest.mark.parametrize("change", [account_changes.disable, to_manager])
def test_the_last_administrator_who_can_sign_in_stays(
    session: Session, boss: Staff, now: datetime, change: Deed
) -> None:
    invited = make_staff(session, role=Role.ADMINISTRATOR)
    invited.password_hash = None
    with pytest.raises(Refused, match="last administrator"):
        change(session, boss.id, actor_id=invited.id, now=now)
    invited.password_hash = boss.password_hash
    change(session, boss.id, actor_id=invited.id, now=now)


def test_an_address_is_kept_in_lower_case_and_opens_nothing_by_itself(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    had = owner.password_hash, owner.totp_secret
    to_another_address(session, owner.id, actor_id=boss.id, now=now)
    assert owner.email == "else@example.org"
    assert (owner.password_hash, owner.totp_secret) == had
    with pytest.raises(BadInput):
        sign_in.check_password(session, email="owner@example.org", password=PASSWORD)
    proven = sign_in.check_password(session, email="else@example.org", password=PASSWORD)
    assert proven.staff_id == owner.id


def test_who_gets_the_address_somebody_had_gets_nothing_of_theirs(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    to_another_address(session, owner.id, actor_id=boss.id, now=now)
    accounts.invite(
        session, email="owner@example.org", name="New", role=Role.COUNSELLOR,
        secret_key=KEY, actor_id=boss.id, now=now,
    )  # fmt: skip
    with pytest.raises(BadInput):
        sign_in.check_password(session, email="owner@example.org", password=PASSWORD)


@pytest.mark.parametrize("email", ["taken@example.org", "TAKEN@example.org", "owner@example.org"])
def test_an_address_that_somebody_has_is_refused_and_nothing_changes(
    session: Session, boss: Staff, owner: Staff, now: datetime, email: str
) -> None:
    make_staff(session, email="taken@example.org")
    token = enter(session, owner, now=now)
    with pytest.raises(BadInput) as refusal:
        account_changes.change_email(session, owner.id, email, actor_id=boss.id, now=now)
    assert set(refusal.value.fields) == {"email"}
    assert owner.email == "owner@example.org"
    assert is_in(session, token, now=now)


def test_tries_that_were_counted_follow_the_account_to_its_new_address(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        tries.note_try(session, account=owner.email, caller=HERE, now=now)
    to_another_address(session, owner.id, actor_id=boss.id, now=now)
    with pytest.raises(TooMany):
        tries.note_try(session, account="else@example.org", caller=HERE, now=now)
    tries.note_try(session, account="owner@example.org", caller=HERE, now=now)


def test_one_browser_of_somebody_is_signed_out_and_the_other_stays(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    first, second = enter(session, owner, now=now), enter(session, owner, now=now + STEP)
    rows = sign_in.still_open(session, owner.id, now=now + STEP)
    assert [row.device for row in rows] == ["Firefox on Linux"] * 2
    account_changes.end_sign_in(session, owner.id, rows[1].id, actor_id=boss.id, now=now)
    assert not is_in(session, first, now=now + STEP)
    assert is_in(session, second, now=now + STEP)


def test_a_sign_in_is_not_ended_by_way_of_another_account(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    enter(session, owner, now=now)
    sign_in_id = session.scalars(select(SignIn.id)).one()
    with pytest.raises(NotFound):
        account_changes.end_sign_in(session, boss.id, sign_in_id, actor_id=boss.id, now=now)


def test_a_link_that_waited_is_dead_after_disabling_and_enabling(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    link = accounts.make_link(session, owner.id, secret_key=KEY, actor_id=boss.id, now=now)
    account_changes.disable(session, owner.id, actor_id=boss.id, now=now)
    account_changes.enable(session, owner.id, actor_id=boss.id, now=now)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, link, secret_key=KEY, now=now)


def test_only_the_newest_link_works(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    old, new = (
        accounts.make_link(session, owner.id, secret_key=KEY, actor_id=boss.id, now=now)
        for _ in range(2)
    )
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, old, secret_key=KEY, now=now)
    assert accounts.staff_by_link(session, new, secret_key=KEY, now=now) is owner


# What the owner hears


def test_a_browser_the_account_did_not_know_is_texted_but_for_the_first(
    session: Session, owner: Staff, now: datetime
) -> None:
    device = tries.know_device(session, owner.id, None, now=now)
    tries.know_device(session, owner.id, device, now=now)
    assert texts(session) == []
    tries.know_device(session, owner.id, None, now=now)
    [body] = texts(session)
    assert body == (
        "About your staff account: a browser we did not know signed in. "
        "If this was not you, tell an administrator at once."
    )


def test_a_new_number_for_texts_is_told_to_the_old_one(
    session: Session, owner: Staff, now: datetime
) -> None:
    new = parse_phone("07700 900102", allow_drama=True)
    accounts.choose_texts(session, owner.id, phone=new, texts_offers=False, now=now)
    [message] = session.scalars(select(OutboxMessage))
    assert message.to == "+447700900101"
    accounts.choose_texts(session, owner.id, phone=new, texts_offers=True, now=now)
    assert len(texts(session)) == 1


def test_who_gave_no_number_gets_no_text_and_reads_it_on_the_page(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    owner.phone = None
    to_manager(session, owner.id, actor_id=boss.id, now=now)
    assert texts(session) == []
    [event] = account_events.recent(session, owner.id)
    assert (event.what, event.by) == ("The role was changed", "Sam Field")


def test_every_change_of_password_and_second_step_is_texted(
    session: Session, owner: Staff, now: datetime
) -> None:
    accounts.set_password(session, owner, "lantern-gravel-teapot-42", now=now)
    [code, *_] = second_step.renew_recovery_codes(session, owner.id, keep=None, now=now)
    proven = sign_in.check_password(session, email=owner.email, password="lantern-gravel-teapot-42")
    half = sign_in.open_sign_in(session, proven, caller=HERE, now=now)
    half_in = sign_in.visit_by_token(session, half.token, now=now).sign_in_id or 0
    second_step.give_recovery_code(session, half_in, code, caller=HERE, now=now)
    key = second_step.begin_set_up(session, half_in, issuer="Callback", now=now)
    second_step.finish_set_up(session, half_in, code_at(now, key=key.secret), caller=HERE, now=now)
    said = [body.partition(": ")[2].partition(".")[0] for body in texts(session)]
    assert said == [
        TEXTED["staff.password_set"],
        TEXTED["staff.codes_renewed"],
        TEXTED["staff.recovery_code_used"],
        TEXTED["staff.app_set_up"],
    ]


def test_what_others_did_is_news_at_the_next_sign_in_and_not_after(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    enter(session, owner, now=now)
    assert account_events.news(session, owner.id) == []
    to_manager(session, owner.id, actor_id=boss.id, now=now)
    enter(session, owner, now=now + STEP)
    assert account_events.news(session, owner.id) == ["The role was changed"]
    enter(session, owner, now=now + 2 * STEP)
    assert account_events.news(session, owner.id) == []


def test_what_is_news_has_its_words() -> None:
    assert set(LISTED) >= NEWS


def test_the_own_list_holds_nothing_of_other_accounts(
    session: Session, boss: Staff, owner: Staff, now: datetime
) -> None:
    to_manager(session, owner.id, actor_id=boss.id, now=now)
    assert account_events.recent(session, boss.id) == []


def test_wrong_tries_of_an_owner_at_the_limit_are_on_the_list(
    session: Session, owner: Staff, now: datetime
) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        tries.note_try(session, account=owner.email, caller=HERE, proof=Proof.CODE, now=now)
    [event] = account_events.recent(session, owner.id)
    assert event.what == "There were too many wrong tries"
