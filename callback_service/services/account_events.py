"""What happens to accounts: written down, told to their owner by text, and listed for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import TextKind
from callback_service.models.staff import Staff
from callback_service.services import audit, texts

#: What is texted to the owner at once: every change of what opens the account, so that one who
#: did not make it knows. The words go into one text, which names neither the service nor anybody.
TEXTED: Final[Mapping[str, str]] = {
    "staff.password_set": "a new password was set",
    "staff.link_made": "a link for a new password was made",
    "staff.app_set_up": "an app for codes was set up",
    "staff.codes_renewed": "new spare codes were made, other sign-ins ended",
    "staff.recovery_code_used": "a spare code was used",
    "staff.passkey_added": "a passkey was added",
    "staff.passkey_removed": "a passkey was removed",
    "staff.new_browser": "a browser we did not know signed in",
    "staff.number_changed": "another number gets these texts now",
    "staff.reset_asked": "a reset of the second step was asked for",
    "staff.second_step_reset": "the second step was reset",
    "staff.role_changed": "the role was changed",
    "staff.email_changed": "the e-mail address was changed",
}
#: The same and more, as the owner's own list says it.
LISTED: Final[Mapping[str, str]] = {
    "staff.invited": "The account was made",
    "staff.link_made": "A one-time link was made",
    "staff.link_used": "A one-time link was used",
    "staff.password_set": "A new password was set",
    "staff.app_set_up": "An app for codes was set up",
    "staff.recovery_codes_made": "Recovery codes were made",
    "staff.recovery_code_used": "A recovery code was used",
    "staff.passkey_added": "A passkey was added",
    "staff.passkey_removed": "A passkey was removed",
    "staff.signed_in": "Signed in",
    "staff.new_browser": "A browser we did not know signed in",
    "staff.sign_in_limited": "There were too many wrong tries",
    "staff.sign_ins_ended": "Signed out everywhere",
    "staff.sign_in_ended": "Signed out in one browser",
    "staff.texts_chosen": "The number for texts or the choice of texts was saved",
    "staff.texts_stopped": "The phone takes no texts any more",
    "staff.texts_allowed": "The phone takes texts again",
    "staff.reset_asked": "A reset of the second step was asked for",
    "staff.reset_called_off": "The reset of the second step was called off",
    "staff.reset_lapsed": "The reset of the second step was not confirmed in time",
    "staff.second_step_reset": "The second step was reset, and the password taken away",
    "staff.role_changed": "The role was changed",
    "staff.email_changed": "The e-mail address was changed",
    "staff.disabled": "The account was disabled",
    "staff.enabled": "The account was enabled",
}
#: What others did that the owner is told of when they sign in next.
NEWS: Final = frozenset(
    {
        "staff.link_made",
        "staff.reset_asked",
        "staff.reset_called_off",
        "staff.second_step_reset",
        "staff.role_changed",
        "staff.email_changed",
        "staff.enabled",
    }
)
LISTED_AT_MOST: Final = 10
#: A text that could not be sent within this time is on the page anyway.
TEXT_LASTS: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an account. ``by`` is a name, or None where nobody signed in."""

    at: datetime
    what: str
    by: str | None


def record(
    session: Session,
    action: str,
    staff: Staff,
    *,
    actor_id: int | None = None,
    now: datetime,
    **detail: str | int,
) -> None:
    """Write down what happened to an account, and text its owner where that is wanted."""
    audit.record(
        session, action, subject="staff", subject_id=staff.id, actor_id=actor_id, now=now, **detail
    )
    tell(session, action, staff, now=now)


def tell(session: Session, action: str, staff: Staff, *, now: datetime) -> None:
    """Text the owner of an account what happened to it, if it is one of ``TEXTED``.

    What happens more than once in a second is told once.
    """
    what = TEXTED.get(action)
    if what is not None and staff.is_active:
        texts.text_staff(
            session, staff, TextKind.ACCOUNT, what=what, now=now, expires_at=now + TEXT_LASTS,
            once_key=f"{action}:{staff.id}:{int(now.timestamp())}",
        )  # fmt: skip


def recent(session: Session, staff_id: int) -> Sequence[Event]:
    """What happened to an account last, the newest first."""
    rows = session.execute(
        select(AuditEntry.at, AuditEntry.action, Staff.name)
        .outerjoin(Staff, Staff.id == AuditEntry.actor_id)
        .where(*_at(staff_id), AuditEntry.action.in_(LISTED))
        .order_by(AuditEntry.id.desc())
        .limit(LISTED_AT_MOST)
    )
    return [Event(at, LISTED[action], name) for at, action, name in rows]


def news(session: Session, staff_id: int) -> Sequence[str]:
    """What others did to an account between its last two sign-ins, for its owner, in order."""
    signed_in = session.scalars(
        select(AuditEntry.id)
        .where(*_at(staff_id), AuditEntry.action == "staff.signed_in")
        .order_by(AuditEntry.id.desc())
        .limit(2)
    ).all()
    since = signed_in[1] if len(signed_in) > 1 else None
    if since is None:
        return []
    by_another = func.coalesce(AuditEntry.actor_id, 0) != staff_id
    actions = session.scalars(
        select(AuditEntry.action)
        .where(*_at(staff_id), AuditEntry.id > since, AuditEntry.action.in_(NEWS), by_another)
        .order_by(AuditEntry.id)
    )
    return [LISTED[action] for action in dict.fromkeys(actions)]


def _at(staff_id: int) -> tuple[ColumnElement[bool], ...]:
    return AuditEntry.subject == "staff", AuditEntry.subject_id == staff_id
