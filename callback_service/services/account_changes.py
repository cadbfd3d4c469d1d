"""What an administrator changes at somebody else's account: switching it off and on, their role,
their e-mail address, where they are signed in.

A change that gives or takes power ends every sign-in and one-time link of before, so that nothing
opened under the old terms goes on under the new.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.staff import SignIn, Staff
from callback_service.services import api_tokens, feeds, second_step_resets, sign_in, tries
from callback_service.services.account_events import record
from callback_service.services.accounts import active, end_links, locked, taken, usable_email
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan


@allowed(Action.MANAGE_ACCOUNTS)
def disable(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Switch an account off: out everywhere at the next request, links and tokens too, and out of
    the plan.
    """
    administrators = _administrators(session)
    staff = active(session, staff_id)
    if staff.id == actor_id:
        raise Refused("You cannot disable your own account.")
    _check_one_stays(administrators, without=staff.id)
    staff.is_active, staff.disabled_at = False, now
    _end_what_is_open(session, staff, actor_id=actor_id, now=now)
    api_tokens.end_all(session, staff.id, now=now)
    feeds.end_all(session, staff.id, now=now)
    record(session, "staff.disabled", staff, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="account", now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def enable(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Switch an account on again. Sign-ins and links from before stay ended."""
    staff = locked(session, staff_id)
    if staff.is_active:
        raise Refused("This account is enabled already.")
    staff.is_active, staff.disabled_at = True, None
    record(session, "staff.enabled", staff, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="account", now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def change_role(
    session: Session, staff_id: int, role: Role, *, actor_id: int, now: datetime
) -> None:
    """Give somebody else another role. They sign in anew, as what they now are."""
    administrators = _administrators(session)
    staff = active(session, staff_id)
    if staff.id == actor_id:
        raise Refused("You cannot change your own role. Ask another administrator.")
    if staff.role is role:
        raise Refused(f"The role of this account is {role} already.")
    if role is not Role.ADMINISTRATOR:
        _check_one_stays(administrators, without=staff.id)
    was, staff.role = staff.role, role
    _end_what_is_open(session, staff, actor_id=actor_id, now=now)
    record(session, "staff.role_changed", staff, actor_id=actor_id, now=now, was=was, role=role)
    ask_for_plan(session, reason="account", now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def change_email(
    session: Session, staff_id: int, email: str, *, actor_id: int, now: datetime
) -> None:
    """Give somebody else's account another address to sign in with.

    Password and second step stay theirs, so the address alone opens nothing. Tries that were
    counted at the old address count at the new one.
    """
    staff = active(session, staff_id)
    if staff.id == actor_id:
        raise Refused(
            "You cannot change your own address: a slip would keep you out. "
            "Ask another administrator."
        )
    was, folded = staff.email, usable_email(email)
    if folded == was:
        message = "This is their address already."
        raise BadInput(message, {"email": message})
    try:
        with session.begin_nested():
            staff.email = folded
    except IntegrityError:
        session.refresh(staff)
        raise taken() from None
    tries.move_tries(session, was, folded)
    _end_what_is_open(session, staff, actor_id=actor_id, now=now)
    record(session, "staff.email_changed", staff, actor_id=actor_id, now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def end_sign_ins(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Sign somebody else out everywhere, at their next request."""
    staff = locked(session, staff_id)
    sign_in.end_all(session, staff.id)
    record(session, "staff.sign_ins_ended", staff, actor_id=actor_id, now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def end_sign_in(
    session: Session, staff_id: int, sign_in_id: int, *, actor_id: int, now: datetime
) -> None:
    """Sign somebody else out in one browser, at its next request."""
    staff = locked(session, staff_id)
    row = session.get(SignIn, sign_in_id)
    if row is None or row.staff_id != staff.id:
        raise NotFound("This sign-in is over already.")
    session.delete(row)
    session.flush()
    record(session, "staff.sign_in_ended", staff, actor_id=actor_id, now=now, sign_in_id=sign_in_id)


def count_administrators(session: Session) -> int:
    """How many people can sign in as administrators."""
    return session.scalar(select(func.count()).where(*_ABLE)) or 0


_ABLE = (
    Staff.role == Role.ADMINISTRATOR,
    Staff.is_active,
    Staff.password_hash.is_not(None),
)


def _administrators(session: Session) -> set[int]:
    """Who can sign in as an administrator, all locked in one order: two who put each other out at
    once take turns, and the second finds that they are the last.
    """
    able = select(Staff.id).where(*_ABLE).order_by(Staff.id).with_for_update()
    return set(session.scalars(able))


def _check_one_stays(administrators: set[int], *, without: int) -> None:
    if administrators == {without}:
        raise Refused("This is the last administrator. Make somebody else one first.")


def _end_what_is_open(session: Session, staff: Staff, *, actor_id: int, now: datetime) -> None:
    session.flush()
    end_links(staff)
    second_step_resets.call_off_any(session, staff, actor_id=actor_id, now=now)
    sign_in.end_all(session, staff.id)
