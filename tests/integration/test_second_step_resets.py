"""A lost second step: one person asks, another confirms, and only then is anything taken away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.resets import RESET_LASTS, LossReason, ResetState
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.signing_in import Stage
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import Staff
from callback_service.services import (
    account_changes,
    account_events,
    accounts,
    retention,
    second_step,
    second_step_resets,
    sign_in,
)
from callback_service.services.tries import Caller
from tests.support.builders import PASSWORD, make_staff
from tests.support.signing_in import code_at

KEY = "a key for links that opens nothing else"
HERE = Caller("192.0.2.7")
NEW_PASSWORD = "lantern-gravel-teapot-42"
PROOF = "Video call, I know her face"
SECOND = timedelta(seconds=1)


@dataclass
class Team:
    """Who lost the phone, a manager and two administrators."""

    session: Session
    owner: Staff
    manager: Staff
    boss: Staff
    other_boss: Staff
    now: datetime

    def ask(
        self, by: Staff | None = None, *, proof: str = PROOF, at: datetime | None = None
    ) -> int:
        """Ask for the owner's reset; its id."""
        second_step_resets.ask(
            self.session,
            self.owner.id,
            reason=LossReason.LOST,
            proof=proof,
            actor_id=(by or self.manager).id,
            now=at or self.now,
        )
        newest = select(SecondStepReset.id).order_by(SecondStepReset.id.desc()).limit(1)
        return self.session.scalars(newest).one()

    def confirm(self, reset_id: int, by: Staff, *, at: datetime | None = None) -> str:
        """Confirm it; the token of the link."""
        return second_step_resets.confirm(
            self.session, reset_id, secret_key=KEY, actor_id=by.id, now=at or self.now
        )

    def knows(self, password: str = PASSWORD) -> bool:
        """Whether ``password`` opens the owner's account."""
        try:
            sign_in.check_password(self.session, email=self.owner.email, password=password)
        except BadInput:
            return False
        return True


@pytest.fixture
def team(session: Session, now: datetime) -> Team:
    """Nobody has signed in yet."""
    owner = make_staff(session, name="Robin Vale")
    owner.phone = "+447700900101"
    manager = make_staff(session, role=Role.MANAGER, name="Mo Ames")
    boss, other = (make_staff(session, role=Role.ADMINISTRATOR) for _ in range(2))
    return Team(session, owner, manager, boss, other, now)


def actions(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def half_in(team: Team) -> tuple[int, str]:
    """The owner gave the password: the sign-in and its token."""
    proven = sign_in.check_password(team.session, email=team.owner.email, password=PASSWORD)
    opened = sign_in.open_sign_in(team.session, proven, caller=HERE, now=team.now)
    visit = sign_in.visit_by_token(team.session, opened.token, now=team.now)
    return visit.sign_in_id or 0, opened.token


def test_asking_takes_nothing_away(team: Team) -> None:
    team.ask()
    assert team.knows()
    assert team.owner.totp_secret is not None


def test_the_second_person_ends_second_step_password_and_sign_ins(team: Team) -> None:
    second_step.renew_recovery_codes(team.session, team.owner.id, keep=None, now=team.now)
    _, token = half_in(team)
    team.confirm(team.ask(), team.boss)
    assert not team.knows()
    assert team.owner.totp_secret is None
    assert second_step.recovery_codes_left(team.session, team.owner.id) == 0
    assert sign_in.visit_by_token(team.session, token, now=team.now).entering is None


def test_a_new_second_step_comes_by_the_link_and_after_a_new_password_only(team: Team) -> None:
    before, _ = half_in(team)
    token = team.confirm(team.ask(), team.boss)
    with pytest.raises(Refused):
        second_step.begin_set_up(team.session, before, issuer="Callback", now=team.now)
    opened = accounts.accept_invitation(
        team.session, token, NEW_PASSWORD, secret_key=KEY, about=(), device="", now=team.now
    )
    assert opened.stage is Stage.PASSWORD
    after = sign_in.visit_by_token(team.session, opened.token, now=team.now).sign_in_id or 0
    key = second_step.begin_set_up(team.session, after, issuer="Callback", now=team.now)
    done = second_step.finish_set_up(
        team.session, after, code_at(team.now, key=key.secret), caller=HERE, now=team.now
    )
    assert done.opened.stage is Stage.FULL
    with pytest.raises(NotFound):
        accounts.staff_by_link(team.session, token, secret_key=KEY, now=team.now)


def test_no_link_made_before_the_reset_opens_the_account_after_it(team: Team) -> None:
    invitation = accounts.invite(
        team.session, email="new@example.org", name="New", role=Role.COUNSELLOR,
        secret_key=KEY, actor_id=team.boss.id, now=team.now,
    )  # fmt: skip
    accounts.accept_invitation(
        team.session, invitation, NEW_PASSWORD, secret_key=KEY, about=(), device="", now=team.now
    )
    team.owner = accounts.staff_by_email(team.session, "new@example.org")
    lost = accounts.make_link(
        team.session, team.owner.id, secret_key=KEY, actor_id=team.boss.id, now=team.now
    )
    new = team.confirm(team.ask(), team.boss)
    for dead in (invitation, lost):
        with pytest.raises(NotFound):
            accounts.staff_by_link(team.session, dead, secret_key=KEY, now=team.now)
    assert accounts.staff_by_link(team.session, new, secret_key=KEY, now=team.now) is team.owner


def test_nobody_confirms_what_they_asked_for(team: Team) -> None:
    reset_id = team.ask(team.boss)
    with pytest.raises(Refused, match="Somebody else"):
        team.confirm(reset_id, team.boss)
    assert team.knows()
    team.confirm(reset_id, team.other_boss)
    assert not team.knows()


def test_nobody_confirms_their_own(team: Team) -> None:
    team.owner = team.boss
    reset_id = team.ask()
    with pytest.raises(Refused, match="your own"):
        team.confirm(reset_id, team.boss)


def test_a_manager_asks_and_does_not_confirm(team: Team) -> None:
    reset_id = team.ask(team.boss)
    with pytest.raises(Forbidden):
        team.confirm(reset_id, team.manager)


def test_a_counsellor_does_not_ask_and_nobody_asks_for_themselves(team: Team) -> None:
    with pytest.raises(Forbidden):
        team.ask(make_staff(team.session))
    team.owner = team.manager
    with pytest.raises(Refused):
        team.ask(team.manager)


@pytest.mark.parametrize("becomes", ["disabled", "counsellor"])
def test_a_first_person_who_may_not_ask_any_more_answers_for_nothing(
    team: Team, becomes: str
) -> None:
    reset_id = team.ask(team.other_boss)
    if becomes == "disabled":
        account_changes.disable(
            team.session, team.other_boss.id, actor_id=team.boss.id, now=team.now
        )
    else:
        account_changes.change_role(
            team.session, team.other_boss.id, Role.COUNSELLOR, actor_id=team.boss.id, now=team.now
        )
    with pytest.raises(Refused, match="may not do so any more"):
        team.confirm(reset_id, team.boss)


def test_it_lapses_after_a_day_and_can_be_asked_for_anew(team: Team) -> None:
    reset_id = team.ask()
    late = team.now + RESET_LASTS
    assert second_step_resets.waiting(team.session, now=late - SECOND)
    assert second_step_resets.waiting(team.session, now=late) == []
    with pytest.raises(Refused, match="is over"):
        team.confirm(reset_id, team.boss, at=late)
    again = team.ask(at=late)
    assert actions(team.session)[-2:] == ["staff.reset_lapsed", "staff.reset_asked"]
    team.confirm(again, team.boss, at=late)
    assert not team.knows()


def test_the_clock_ends_what_nobody_confirmed(team: Team) -> None:
    team.ask()
    assert not retention.erasure_is_due(team.session, now=team.now + RESET_LASTS - SECOND)
    assert retention.erasure_is_due(team.session, now=team.now + RESET_LASTS)
    retention.erase_old(team.session, now=team.now + RESET_LASTS)
    assert team.session.scalars(select(SecondStepReset.state)).one() is ResetState.LAPSED
    assert actions(team.session)[-1] == "staff.reset_lapsed"


@pytest.mark.parametrize("who", ["manager", "other_boss", "owner"])
def test_it_is_called_off_by_who_may_ask_and_by_its_owner(team: Team, who: str) -> None:
    reset_id = team.ask()
    by = getattr(team, who)
    second_step_resets.call_off(team.session, reset_id, actor_id=by.id, now=team.now)
    with pytest.raises(Refused):
        team.confirm(reset_id, team.boss)
    assert team.knows()
    assert second_step_resets.waiting_for(team.session, team.owner.id, now=team.now) is None


def test_another_counsellor_calls_nothing_off(team: Team) -> None:
    reset_id, stranger = team.ask(), make_staff(team.session)
    with pytest.raises(NotFound):
        second_step_resets.call_off(team.session, reset_id, actor_id=stranger.id, now=team.now)


@pytest.mark.parametrize("change", ["disable", "role", "email"])
def test_a_change_of_the_account_calls_it_off(team: Team, change: str) -> None:
    reset_id = team.ask()
    boss_id, now = team.boss.id, team.now
    if change == "disable":
        account_changes.disable(team.session, team.owner.id, actor_id=boss_id, now=now)
        account_changes.enable(team.session, team.owner.id, actor_id=boss_id, now=now)
    elif change == "role":
        account_changes.change_role(
            team.session, team.owner.id, Role.MANAGER, actor_id=boss_id, now=now
        )
    else:
        account_changes.change_email(
            team.session, team.owner.id, "else@example.org", actor_id=boss_id, now=now
        )
    with pytest.raises(Refused, match="is over"):
        team.confirm(reset_id, team.other_boss)


def test_one_waits_at_a_time_also_in_the_database(team: Team) -> None:
    first = team.session.get_one(SecondStepReset, team.ask())
    with pytest.raises(Refused, match="waits"):
        team.ask(team.boss)
    with pytest.raises(IntegrityError), team.session.begin_nested():
        team.session.add(
            SecondStepReset(
                staff_id=first.staff_id, reason=first.reason, asked_by_id=team.boss.id,
                asked_at=team.now,
            )
        )  # fmt: skip


def test_the_database_takes_no_reset_that_one_person_did(team: Team) -> None:
    row = team.session.get_one(SecondStepReset, team.ask())
    row.state, row.ended_at, row.ended_by_id = ResetState.DONE, team.now, row.asked_by_id
    with pytest.raises(IntegrityError):
        team.session.flush()


def test_who_has_not_joined_has_nothing_to_reset(team: Team) -> None:
    team.owner.password_hash = None
    with pytest.raises(Refused, match="new link"):
        team.ask()


@pytest.mark.parametrize("proof", ["", "   ", "x" * 301])
def test_it_is_said_how_they_showed_who_they_are(team: Team, proof: str) -> None:
    with pytest.raises(BadInput) as refusal:
        team.ask(proof=proof)
    assert set(refusal.value.fields) == {"proof"}


def test_how_they_showed_it_is_sealed_and_erased_after_a_while(team: Team) -> None:
    reset_id = team.ask()
    row = team.session.get_one(SecondStepReset, reset_id)
    assert row.proof == PROOF
    assert PROOF.encode() not in (row.proof_sealed or b"")
    team.confirm(reset_id, team.boss)
    retention.erase_old(team.session, now=team.now + USUAL.lasts(Kept.PROOFS) - SECOND)
    team.session.refresh(row)
    assert row.proof is not None
    retention.erase_old(team.session, now=team.now + USUAL.lasts(Kept.PROOFS))
    team.session.refresh(row)
    assert row.proof is None


def test_the_owner_is_texted_of_each_step_and_told_at_the_next_sign_in(team: Team) -> None:
    team.confirm(team.ask(), team.boss, at=team.now + SECOND)
    sent = team.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    assert {(one.kind, one.staff_id) for one in sent} == {(TextKind.ACCOUNT, team.owner.id)}
    assert [one.body.partition(":")[2].partition(".")[0].strip() for one in sent] == [
        "a reset of the second step was asked for",
        "the second step was reset",
    ]


def test_each_step_is_written_down_without_the_words(team: Team) -> None:
    team.confirm(team.ask(), team.boss)
    rows = team.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(row.action, row.actor_id) for row in rows] == [
        ("staff.reset_asked", team.manager.id),
        ("staff.second_step_reset", team.boss.id),
    ]
    assert "Video" not in str([row.detail for row in rows])


def test_the_first_person_is_named_in_the_owners_own_list(team: Team) -> None:
    team.ask()
    [event] = account_events.recent(team.session, team.owner.id)
    assert (event.what, event.by) == ("A reset of the second step was asked for", "Mo Ames")
