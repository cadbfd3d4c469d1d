"""Accounts and sign-ins against both databases."""

from __future__ import annotations

import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.cli_staff import staff_link
from callback_service.domain.lifecycle import Outcome
from callback_service.domain.signing_in import CALL_IS_USE_FOR, LIMITS, Proof
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, CallbackServiceError, NotFound, Refused, TooMany
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Attempt
from callback_service.models.plan import PlanTrigger
from callback_service.models.staff import HeldForm, SignIn, SignInAttempt, Staff
from callback_service.services import (
    account_changes,
    accounts,
    held_forms,
    retention,
    second_step,
    sign_in,
)
from callback_service.services.held_forms import Held
from callback_service.services.sign_in import Ended
from callback_service.services.tries import (
    TRIES_PER_ACCOUNT,
    TRIES_PER_NETWORK,
    TRIES_WINDOW,
    Caller,
    note_try,
    record_try,
)
from tests.support.builders import PASSWORD, make_staff
from tests.support.request_builders import make_request
from tests.support.signing_in import code_at

KEY = "a key for links that opens nothing else"
NETWORK = "192.0.2.7"
HERE, ELSEWHERE = Caller(NETWORK), Caller("198.51.100.9")
NEW_PASSWORD = "lantern-gravel-teapot-42"
SECOND = timedelta(seconds=1)
COUNSELLORS = LIMITS[Role.COUNSELLOR]


def enter(session: Session, staff: Staff, *, now: datetime) -> str:
    """Sign ``staff`` in with PASSWORD and what their app shows; the token."""
    proven = sign_in.check_password(session, email=staff.email, password=PASSWORD)
    half = sign_in.open_sign_in(session, proven, caller=HERE, now=now)
    staff.totp_last_step = None
    visit = sign_in.visit_by_token(session, half.token, now=now)
    assert visit.sign_in_id is not None
    code = code_at(now)
    return second_step.give_code(session, visit.sign_in_id, code, caller=HERE, now=now).token


def is_in(session: Session, token: str, *, now: datetime) -> bool:
    return sign_in.visit_by_token(session, token, now=now).staff is not None


def is_half_in(session: Session, token: str, *, now: datetime) -> bool:
    return sign_in.visit_by_token(session, token, now=now).entering is not None


def invite(session: Session, *, now: datetime, email: str = "new@example.org") -> str:
    return accounts.invite(
        session, email=email, name="Robin Vale", role=Role.COUNSELLOR, secret_key=KEY, now=now
    )


def accept(session: Session, token: str, *, now: datetime, password: str = NEW_PASSWORD) -> str:
    opened = accounts.accept_invitation(
        session, token, password, secret_key=KEY, about=(), device="", now=now
    )
    return opened.token


def use_up_tries(session: Session, staff: Staff, *, now: datetime) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        note_try(session, account=staff.email, caller=HERE, now=now)


def actions(session: Session) -> Sequence[str]:
    return session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()


def test_only_a_digest_of_the_token_is_kept(session: Session, now: datetime) -> None:
    token = enter(session, make_staff(session), now=now)
    row = session.scalars(select(SignIn)).one()
    assert token.encode() not in row.token_digest
    assert is_in(session, token, now=now)
    assert not is_in(session, token[:-1], now=now)


def test_a_token_is_thirty_two_random_bytes(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    tokens = {enter(session, staff, now=now) for _ in range(2)}
    assert {len(urlsafe_b64decode(f"{token}=")) for token in tokens} == {32}
    assert len(tokens) == 2


def test_a_sign_in_ends_after_thirty_minutes_without_use(session: Session, now: datetime) -> None:
    token = enter(session, make_staff(session), now=now)
    assert is_in(session, token, now=now + COUNSELLORS.idle - SECOND)
    visit = sign_in.visit_by_token(session, token, now=now + COUNSELLORS.idle)
    assert (visit.staff, visit.ended) == (None, Ended.IDLE)


def test_use_starts_the_idle_time_anew_and_is_written_once_a_minute(
    session: Session, now: datetime
) -> None:
    token = enter(session, make_staff(session), now=now)
    assert not sign_in.visit_by_token(session, token, now=now + timedelta(seconds=59)).is_use_due
    later = now + timedelta(minutes=29)
    visit = sign_in.visit_by_token(session, token, now=later)
    assert visit.is_use_due
    assert visit.sign_in_id is not None
    sign_in.note_use(session, visit.sign_in_id, now=later)
    assert is_in(session, token, now=later + timedelta(minutes=29))


def test_a_sign_in_ends_after_twelve_hours_however_much_it_is_used(
    session: Session, now: datetime
) -> None:
    token = enter(session, make_staff(session), now=now)
    row = session.scalars(select(SignIn)).one()
    row.seen_at = now + COUNSELLORS.absolute - SECOND
    session.flush()
    assert is_in(session, token, now=now + COUNSELLORS.absolute - SECOND)
    visit = sign_in.visit_by_token(session, token, now=now + COUNSELLORS.absolute)
    assert (visit.staff, visit.ended) == (None, Ended.AGE)


def test_an_administrators_sign_in_is_shorter(session: Session, now: datetime) -> None:
    token = enter(session, make_staff(session, role=Role.ADMINISTRATOR), now=now)
    idle = sign_in.visit_by_token(session, token, now=now + timedelta(minutes=15))
    assert idle.ended is Ended.IDLE
    session.scalars(select(SignIn)).one().seen_at = now + timedelta(hours=8)
    session.flush()
    assert sign_in.visit_by_token(session, token, now=now + timedelta(hours=8)).ended is Ended.AGE


def test_a_call_that_goes_on_counts_as_use(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    token = enter(session, staff, now=now)
    request = make_request(session)
    call = Attempt(request_id=request.id, counsellor_id=staff.id, number=1, started_at=now)
    session.add(call)
    session.flush()
    later = now + timedelta(minutes=70)
    assert is_in(session, token, now=later)
    assert not is_in(session, token, now=now + CALL_IS_USE_FOR)
    call.ended_at, call.outcome = later, Outcome.ANSWERED
    session.flush()
    assert not is_in(session, token, now=later)


def test_anothers_sign_ins_are_ended_everywhere(session: Session, now: datetime) -> None:
    staff, boss = make_staff(session), make_staff(session, role=Role.ADMINISTRATOR)
    token, own = enter(session, staff, now=now), enter(session, boss, now=now)
    account_changes.end_sign_ins(session, staff.id, actor_id=boss.id, now=now)
    assert not is_in(session, token, now=now)
    assert is_in(session, own, now=now)
    assert actions(session)[-1] == "staff.sign_ins_ended"


def test_each_sign_in_has_a_token_of_its_own_and_others_can_be_ended(
    session: Session, now: datetime
) -> None:
    staff, stranger = make_staff(session), make_staff(session)
    here, there = enter(session, staff, now=now), enter(session, staff, now=now)
    elsewhere = enter(session, stranger, now=now)
    keep = sign_in.visit_by_token(session, here, now=now).sign_in_id
    assert keep is not None
    sign_in.end_others(session, staff.id, keep=keep, now=now)
    assert [is_in(session, token, now=now) for token in (here, there, elsewhere)] == [
        True,
        False,
        True,
    ]


def test_every_reason_for_refusal_is_the_same_sentence(session: Session, now: datetime) -> None:
    staff, disabled = make_staff(session), make_staff(session)
    disabled.is_active = False
    invite(session, now=now)
    tries = [
        (staff.email, "wrong"),
        ("nobody@example.org", PASSWORD),
        (disabled.email, PASSWORD),
        ("new@example.org", PASSWORD),
        ("nul\0@example.org", PASSWORD),
        ("", ""),
    ]
    said = set()
    for email, password in tries:
        with pytest.raises(BadInput) as refusal:
            sign_in.check_password(session, email=email, password=password)
        said.add((refusal.value.message, tuple(refusal.value.fields)))
    assert len(said) == 1


def test_the_hash_that_opens_for_nobody_costs_what_a_real_one_costs() -> None:
    assert not sign_in.HASHER.check_needs_rehash(sign_in.NO_ONES_HASH)


def test_case_and_spaces_around_an_address_do_not_matter(session: Session) -> None:
    staff = make_staff(session, email="alex@example.org")
    proven = sign_in.check_password(session, email=" Alex@Example.ORG ", password=PASSWORD)
    assert proven.staff_id == staff.id


def test_an_old_hash_is_made_anew_at_sign_in(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    staff.password_hash = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    session.flush()
    enter(session, staff, now=now)
    assert staff.password_hash is not None
    assert not sign_in.HASHER.check_needs_rehash(staff.password_hash)
    enter(session, staff, now=now)


def test_the_eleventh_try_from_one_network_waits_and_one_from_elsewhere_does_not(
    session: Session, now: datetime
) -> None:
    staff = make_staff(session)
    use_up_tries(session, staff, now=now)
    with pytest.raises(TooMany):
        note_try(session, account=staff.email.upper(), caller=HERE, now=now)
    note_try(session, account=staff.email, caller=ELSEWHERE, now=now)
    note_try(session, account=staff.email, caller=HERE, now=now + TRIES_WINDOW)


def test_tries_that_were_refused_do_not_lengthen_the_wait(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    use_up_tries(session, staff, now=now)
    almost = now + TRIES_WINDOW - SECOND
    for _ in range(30):
        with pytest.raises(TooMany):
            note_try(session, account=staff.email, caller=HERE, now=almost)
    note_try(session, account=staff.email, caller=HERE, now=almost + SECOND)


def test_a_network_has_one_hundred_tries_over_all_names(session: Session, now: datetime) -> None:
    for number in range(TRIES_PER_NETWORK):
        note_try(session, account=f"p{number}@example.org", caller=HERE, now=now)
    with pytest.raises(TooMany):
        note_try(session, account="one.more@example.org", caller=HERE, now=now)


def at_once(app: Flask, deed: Callable[[Session], object], *, times: int) -> list[bool]:
    """Do ``deed`` in several threads at once, each in its own transaction; which went through."""
    start = threading.Barrier(times)

    def one(_number: int) -> bool:
        with app.app_context():
            start.wait(timeout=20)
            try:
                with transaction() as session:
                    deed(session)
            except CallbackServiceError:
                return False
            return True

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_guesses_made_at_once_are_all_counted(app: Flask, now: datetime) -> None:
    def guess(session: Session) -> None:
        note_try(session, account="a@example.org", caller=HERE, now=now)

    assert sum(at_once(app, guess, times=14)) == TRIES_PER_ACCOUNT


def test_a_link_opened_by_several_at_once_lets_one_in(app: Flask, now: datetime) -> None:
    with app.app_context(), transaction() as session:
        token = invite(session, now=now)

    assert sum(at_once(app, lambda session: accept(session, token, now=now), times=4)) == 1


def test_signing_in_forgets_the_failed_tries(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    for _ in range(3):
        for _ in range(TRIES_PER_ACCOUNT - 1):
            note_try(session, account=staff.email, caller=HERE, now=now)
        enter(session, staff, now=now)
    assert session.scalars(select(SignInAttempt)).all() == []


def test_tries_hold_neither_address_nor_network(session: Session, now: datetime) -> None:
    note_try(session, account="alex@example.org", caller=HERE, now=now)
    row = session.scalars(select(SignInAttempt)).one()
    assert b"alex" not in row.account_key
    assert NETWORK.encode() not in row.network_key


def test_disabling_signs_out_at_once_and_enabling_does_not_revive(
    session: Session, now: datetime
) -> None:
    staff, boss = make_staff(session), make_staff(session, role=Role.ADMINISTRATOR)
    token = enter(session, staff, now=now)
    account_changes.disable(session, staff.id, actor_id=boss.id, now=now)
    session.expire_all()
    assert not is_in(session, token, now=now)
    account_changes.enable(session, staff.id, actor_id=boss.id, now=now)
    session.expire_all()
    assert not is_in(session, token, now=now)
    assert session.scalars(select(PlanTrigger.reason)).all() == ["account", "account"]


def test_a_password_proven_before_the_account_was_disabled_does_not_open_it(
    session: Session, now: datetime
) -> None:
    staff, boss = make_staff(session), make_staff(session, role=Role.ADMINISTRATOR)
    proven = sign_in.check_password(session, email=staff.email, password=PASSWORD)
    account_changes.disable(session, staff.id, actor_id=boss.id, now=now)
    with pytest.raises(BadInput):
        sign_in.open_sign_in(session, proven, caller=HERE, now=now)


def test_nobody_disables_themself_or_an_account_twice(session: Session, now: datetime) -> None:
    staff, boss = make_staff(session), make_staff(session, role=Role.ADMINISTRATOR)
    account_changes.disable(session, staff.id, actor_id=boss.id, now=now)
    with pytest.raises(Refused):
        account_changes.disable(session, staff.id, actor_id=boss.id, now=now)
    with pytest.raises(Refused):
        account_changes.disable(session, boss.id, actor_id=boss.id, now=now)
    with pytest.raises(Refused):
        account_changes.enable(session, boss.id, actor_id=boss.id, now=now)


def test_an_invitation_opens_once(session: Session, now: datetime) -> None:
    token = invite(session, now=now)
    half = accept(session, token, now=now)
    assert is_half_in(session, half, now=now)
    assert not is_in(session, half, now=now)
    with pytest.raises(NotFound):
        accept(session, token, now=now, password="another-gravel-teapot-kettle")


def test_an_invitation_is_good_for_three_days(session: Session, now: datetime) -> None:
    token = invite(session, now=now)
    ends = now + accounts.INVITATION_LIFETIME
    accounts.staff_by_link(session, token, secret_key=KEY, now=ends - SECOND)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, token, secret_key=KEY, now=ends)


def test_a_refused_password_leaves_the_invitation_alive(session: Session, now: datetime) -> None:
    token = invite(session, now=now)
    with pytest.raises(BadInput) as refusal:
        accept(session, token, now=now, password="short")
    assert set(refusal.value.fields) == {"password"}
    accept(session, token, now=now)


def test_a_link_of_another_key_or_a_disabled_account_is_dead(
    session: Session, now: datetime
) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    token = invite(session, now=now)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, token, secret_key="another key", now=now)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, token[:-2], secret_key=KEY, now=now)
    newcomer = accounts.staff_by_email(session, "new@example.org")
    account_changes.disable(session, newcomer.id, actor_id=boss.id, now=now)
    with pytest.raises(NotFound):
        accounts.staff_by_link(session, token, secret_key=KEY, now=now)


def test_a_link_for_a_forgotten_password_lasts_an_hour_and_ends_every_sign_in(
    session: Session, now: datetime
) -> None:
    staff = make_staff(session)
    old = enter(session, staff, now=now)
    link = accounts.make_link(session, staff.id, secret_key=KEY, actor_id=None, now=now)
    with pytest.raises(NotFound):
        accept(session, link, now=now + accounts.NEW_PASSWORD_LIFETIME)
    new = accept(session, link, now=now)
    assert not is_in(session, old, now=now)
    assert is_half_in(session, new, now=now)


def test_changing_the_password_kills_a_link_that_waits(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    link = accounts.make_link(session, staff.id, secret_key=KEY, actor_id=None, now=now)
    accounts.set_password(session, staff, NEW_PASSWORD, now=now)
    with pytest.raises(NotFound):
        accept(session, link, now=now)


@pytest.mark.parametrize(
    ("email", "name", "field"),
    [
        ("new@example.org", "Second Person", "email"),
        ("NEW@example.org ", "Second Person", "email"),
        ("no-at-sign", "Second Person", "email"),
        ("two@at@example.org", "Second Person", "email"),
        ("ü@example.org", "Second Person", "email"),
        ("nul\0@example.org", "Second Person", None),
        ("other@example.org", " ", "name"),
        ("other@example.org", "x" * 81, "name"),
        ("other@example.org", "bell\x07", "name"),
    ],
)
def test_an_invitation_needs_a_new_address_and_a_name(
    session: Session, now: datetime, email: str, name: str, field: str | None
) -> None:
    invite(session, now=now)
    if field is None:  # cleaned rather than refused
        accounts.invite(session, email=email, name=name, role=Role.MANAGER, secret_key=KEY, now=now)
        return
    with pytest.raises(BadInput) as refusal:
        accounts.invite(session, email=email, name=name, role=Role.MANAGER, secret_key=KEY, now=now)
    assert set(refusal.value.fields) == {field}
    assert len(accounts.list_staff(session)) == 1


def test_every_deed_is_written_down_without_an_address(session: Session, now: datetime) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR, email="boss@example.org")
    token = accept(session, invite(session, now=now), now=now)
    newcomer = accounts.staff_by_email(session, "new@example.org")
    for email in (newcomer.email, "nobody@example.org"):
        record_try(
            session,
            "staff.sign_in_refused",
            account=email,
            caller=HERE,
            proof=Proof.PASSWORD,
            now=now,
        )
    use_up_tries(session, newcomer, now=now)
    sign_in.sign_out(session, token, now=now)
    accounts.make_link(session, newcomer.id, secret_key=KEY, actor_id=boss.id, now=now)
    account_changes.disable(session, newcomer.id, actor_id=boss.id, now=now)
    account_changes.enable(session, newcomer.id, actor_id=boss.id, now=now)
    session.flush()
    assert list(actions(session)) == [
        "staff.invited",
        "staff.link_used",
        "staff.password_set",
        "staff.password_given",
        "staff.sign_in_refused",
        "staff.sign_in_refused",
        "staff.sign_in_limited",
        "staff.signed_out",
        "staff.link_made",
        "staff.disabled",
        "staff.enabled",
    ]
    details = str([row.detail for row in session.scalars(select(AuditEntry))])
    assert "example.org" not in details
    assert NETWORK not in details


def test_the_command_prints_a_link_on_the_configured_address(app: Flask) -> None:
    result = app.test_cli_runner().invoke(
        args=["create-staff", "--email", "a@example.org", "--name", "Ada", "--role", "manager"]
    )
    assert result.exit_code == 0, result.output
    link = result.output.strip()
    base = app.config["SETTINGS"].public_base_url
    assert link.startswith(f"{base}/invitation/")
    assert app.test_client().get(link.removeprefix(base)).status_code == 200


def test_the_commands_say_in_one_sentence_what_is_wrong(app: Flask) -> None:
    runner = app.test_cli_runner()
    ada = ["create-staff", "--email", "a@example.org", "--name", "Ada", "--role", "manager"]
    assert runner.invoke(args=ada).exit_code == 0
    again = runner.invoke(args=ada)
    assert again.exit_code == 1
    assert "already" in again.output
    unknown = runner.invoke(staff_link, args=["--email", "b@example.org"])
    assert unknown.exit_code == 1
    assert "no account" in unknown.output
    known = runner.invoke(staff_link, args=["--email", "a@example.org"])
    assert "/invitation/" in known.output


def test_unknown_accounts_are_refused_loudly(session: Session, now: datetime) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    for deed in (account_changes.disable, account_changes.enable):
        with pytest.raises(NotFound):
            deed(session, 4711, actor_id=boss.id, now=now)


def test_a_lost_second_step_is_taken_away_with_the_password_and_every_sign_in(
    app: Flask, now: datetime
) -> None:
    with app.app_context(), transaction() as session:
        staff = make_staff(session, email="lost@example.org")
        token = enter(session, staff, now=now)
    printed = app.test_cli_runner().invoke(
        args=["staff-reset-second-step", "--email", "lost@example.org"]
    )
    link = printed.output.strip().rpartition("/")[2]
    with app.app_context(), transaction() as session:
        assert not is_in(session, token, now=now)
        with pytest.raises(BadInput):
            sign_in.check_password(session, email="lost@example.org", password=PASSWORD)
        staff = accounts.staff_by_link(
            session, link, secret_key=app.config["SETTINGS"].secret_key, now=datetime.now(UTC)
        )
        assert not second_step.has_app(session, staff.id)
        assert second_step.recovery_codes_left(session, staff.id) == 0


def test_a_form_nobody_came_back_for_is_erased_after_half_a_day(
    session: Session, now: datetime
) -> None:
    held_forms.hold(session, make_staff(session).id, Held("/x", [("a", "b")], now))
    almost = now + held_forms.KEPT_FOR - SECOND
    assert not retention.erasure_is_due(session, now=almost)
    assert retention.erasure_is_due(session, now=now + held_forms.KEPT_FOR)
    retention.erase_old(session, now=now + held_forms.KEPT_FOR)
    assert session.scalars(select(HeldForm)).all() == []
