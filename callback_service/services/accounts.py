"""Staff accounts: passwords, one-time links, switching an account off and on."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import passwords
from callback_service.domain.contact import Phone
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import Proof, Stage
from callback_service.domain.skills import Skill
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.base import keyring
from callback_service.models.staff import Staff
from callback_service.services import api_tokens, audit, feeds, second_step, sign_in, staff_skills
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.tries import Caller, folded_email, forget_tries

INVITATION_LIFETIME = timedelta(days=3)
NEW_PASSWORD_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OwnTexts:
    """Where texts to somebody go (E.164), and whether each offer is one of them."""

    phone: str | None
    texts_offers: bool


_LINK_DEAD = "This link was used already or is too old. Ask an administrator for a new one."
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_NAME_MAX_CHARS = 80


def set_password(
    session: Session,
    staff: Staff,
    password: str,
    *,
    about: Iterable[str] = (),
    keep: int | None = None,
    now: datetime,
) -> None:
    """Give ``staff`` a new password and sign them out everywhere but in sign-in ``keep``.

    ``about`` holds further words it must not contain, such as the name of the service.
    Raises BadInput, with the reason at the field ``password``.
    """
    fault = passwords.fault_of(password, about=(staff.name, staff.email, *about))
    if fault is not None:
        raise BadInput(fault, {"password": fault})
    staff.password_hash = hash_password(password)
    session.flush()
    sign_in.end_all(session, staff.id, keep=keep)
    _record(session, "staff.password_set", staff.id, actor_id=staff.id, now=now)


def hash_password(password: str) -> str:
    """What is kept of ``password``. Whether it is a good one is not asked here."""
    return sign_in.HASHER.hash(passwords.normalised(password))


def change_password(
    session: Session,
    proven: sign_in.ProvenPassword,
    password: str,
    *,
    about: Iterable[str],
    sign_in_id: int,
    caller: Caller,
    now: datetime,
) -> sign_in.Opened:
    """A new password for who proved the old one. Only the browser of ``sign_in_id`` stays in."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    sign_in.check_unchanged(staff, proven)
    forget_tries(session, account=staff.email, caller=caller, proof=Proof.PASSWORD)
    set_password(session, staff, password, about=about, keep=sign_in_id, now=now)
    return sign_in.change_token(session, row, staff)


# Invitations and other one-time links


@allowed(Action.MANAGE_ACCOUNTS)
def invite(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    skills: Collection[Skill] = (),
    secret_key: str,
    actor_id: int | None = None,
    now: datetime,
) -> str:
    """Make an account without a password; the token of the one-time link that sets one (3 days)."""
    staff = Staff(email=_usable_email(email), name=_usable_name(name), role=role, created_at=now)
    try:
        with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        message = "There is an account with this e-mail address already."
        raise BadInput(message, {"email": message}) from None
    _record(session, "staff.invited", staff.id, actor_id=actor_id, now=now, role=role)
    if skills:
        staff_skills.set_skills(session, staff.id, skills, actor_id=actor_id, now=now)
    return _link_token(staff, secret_key, now + INVITATION_LIFETIME)


@allowed(Action.MANAGE_ACCOUNTS)
def make_link(
    session: Session, staff_id: int, *, secret_key: str, actor_id: int | None, now: datetime
) -> str:
    """The token of a new one-time link: for a lost invitation (3 days) or password (1 hour)."""
    staff = _active(session, staff_id)
    has_joined = staff.password_hash is not None
    _record(session, "staff.link_made", staff.id, actor_id=actor_id, now=now, has_joined=has_joined)
    lifetime = NEW_PASSWORD_LIFETIME if has_joined else INVITATION_LIFETIME
    return _link_token(staff, secret_key, now + lifetime)


@allowed(Action.MANAGE_ACCOUNTS)
def reset_second_step(
    session: Session, staff_id: int, *, secret_key: str, actor_id: int | None, now: datetime
) -> str:
    """Take away a lost second step, and the password with it; the token of a new one-time link.

    Without the password's end, whoever learnt it could now set up a phone of their own.
    """
    staff = _active(session, staff_id)
    second_step.remove(session, staff)
    staff.password_hash = None
    session.flush()
    sign_in.end_all(session, staff.id)
    _record(session, "staff.second_step_reset", staff.id, actor_id=actor_id, now=now)
    return _link_token(staff, secret_key, now + NEW_PASSWORD_LIFETIME)


def link_address(base_url: str, token: str) -> str:
    """The address of a one-time link, on the configured base, whatever Host a request names."""
    return f"{base_url}/invitation/{token}"


def staff_by_link(session: Session, token: str, *, secret_key: str, now: datetime) -> Staff:
    """The account a one-time link is for, locked; NotFound if it is used, old or made up."""
    try:
        staff_id, stamp, until = _serializer(secret_key).loads(token)
    except BadSignature:
        raise NotFound(_LINK_DEAD) from None
    staff = session.get(Staff, staff_id, with_for_update=True, populate_existing=True)
    is_alive = staff is not None and staff.is_active and now.timestamp() < until
    if staff is None or not is_alive or not secrets.compare_digest(stamp, _stamp(staff)):
        raise NotFound(_LINK_DEAD)
    return staff


def accept_invitation(
    session: Session,
    token: str,
    password: str,
    *,
    secret_key: str,
    about: Iterable[str],
    device: str,
    now: datetime,
) -> sign_in.Opened:
    """Use a one-time link: set the password, which kills the link. The second step follows."""
    staff = staff_by_link(session, token, secret_key=secret_key, now=now)
    _record(session, "staff.link_used", staff.id, actor_id=staff.id, now=now)
    set_password(session, staff, password, about=about, now=now)
    return sign_in.start(session, staff, device=device, now=now)


def _serializer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="staff one-time link")


def _link_token(staff: Staff, secret_key: str, until: datetime) -> str:
    token = _serializer(secret_key).dumps([staff.id, _stamp(staff), int(until.timestamp())])
    return token if isinstance(token, str) else token.decode("ascii")


def _stamp(staff: Staff) -> str:
    """Changes with the password, so a link dies when it is used."""
    return keyring().blind_index("one-time link", f"{staff.uid}:{staff.password_hash}").hex()


def texts_of(session: Session, staff_id: int) -> OwnTexts:
    """The number somebody gave for texts, and whether they want one for each offer."""
    staff = session.get_one(Staff, staff_id)
    return OwnTexts(staff.phone, staff.texts_offers)


@allowed(Action.CHOOSE_OWN_TEXTS, by="staff_id")
def choose_texts(
    session: Session, staff_id: int, *, phone: Phone | None, texts_offers: bool, now: datetime
) -> None:
    """Keep somebody's own number and choice of texts."""
    if texts_offers and phone is None:
        raise BadInput("Enter your mobile number, or take away the tick")
    staff = _locked(session, staff_id)
    staff.phone, staff.texts_offers = phone.e164 if phone else None, texts_offers
    _record(session, "staff.texts_chosen", staff_id, actor_id=staff_id, now=now)


# What an administrator does


def list_staff(session: Session) -> Sequence[Staff]:
    """Every account, those in use first, by name."""
    return session.scalars(
        select(Staff).order_by(Staff.is_active.desc(), func.lower(Staff.name), Staff.id)
    ).all()


@allowed(Action.MANAGE_ACCOUNTS)
def disable(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Switch an account off: out everywhere at the next request, links and tokens too, and out of
    the plan.
    """
    staff = _active(session, staff_id)
    if staff.id == actor_id:
        raise Refused("You cannot disable your own account.")
    staff.is_active = False
    sign_in.end_all(session, staff.id)
    api_tokens.end_all(session, staff.id, now=now)
    feeds.end_all(session, staff.id, now=now)
    _record(session, "staff.disabled", staff.id, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="account", now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def end_sign_ins(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Sign somebody else out everywhere, at their next request."""
    staff = _locked(session, staff_id)
    sign_in.end_all(session, staff.id)
    _record(session, "staff.sign_ins_ended", staff.id, actor_id=actor_id, now=now)


@allowed(Action.MANAGE_ACCOUNTS)
def enable(session: Session, staff_id: int, *, actor_id: int, now: datetime) -> None:
    """Switch an account on again. Sign-ins from before stay ended."""
    staff = _locked(session, staff_id)
    if staff.is_active:
        raise Refused("This account is enabled already.")
    staff.is_active = True
    _record(session, "staff.enabled", staff.id, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="account", now=now)


def staff_by_email(session: Session, email: str) -> Staff:
    """The account with this address; raises NotFound. For commands, where telling is no leak."""
    staff = session.scalar(select(Staff).where(Staff.email == folded_email(email)))
    if staff is None:
        raise NotFound("There is no account with this e-mail address.")
    return staff


def staff_name(session: Session, staff_id: int) -> str:
    """What colleagues call somebody; raises NotFound."""
    name = session.scalar(select(Staff.name).where(Staff.id == staff_id))
    if name is None:
        raise NotFound("There is no such account.")
    return name


def _locked(session: Session, staff_id: int) -> Staff:
    """The account as it is now, held until the transaction ends (SQLite has one writer anyway)."""
    staff = session.get(Staff, staff_id, with_for_update=True, populate_existing=True)
    if staff is None:
        raise NotFound("There is no such account.")
    return staff


def _active(session: Session, staff_id: int) -> Staff:
    staff = _locked(session, staff_id)
    if not staff.is_active:
        raise Refused("This account is disabled.")
    return staff


def _usable_email(email: str) -> str:
    folded = folded_email(email)
    if len(folded) > 254 or not folded.isascii() or not _EMAIL.fullmatch(folded):
        message = "Enter an e-mail address, like name@example.org."
        raise BadInput(message, {"email": message})
    return folded


def _usable_name(name: str) -> str:
    tidy = " ".join(name.split())
    is_printable = all(unicodedata.category(c)[0] != "C" for c in tidy)
    if not 1 <= len(tidy) <= _NAME_MAX_CHARS or not is_printable:
        message = f"Enter a name of up to {_NAME_MAX_CHARS} characters."
        raise BadInput(message, {"name": message})
    return tidy


def _record(
    session: Session,
    action: str,
    staff_id: int | None,
    *,
    actor_id: int | None = None,
    now: datetime,
    **detail: str | int,
) -> None:
    audit.record(
        session, action, subject="staff", subject_id=staff_id, actor_id=actor_id, now=now, **detail
    )
