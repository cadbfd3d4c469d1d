"""Staff accounts: passwords, one-time links, who there is."""

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
from callback_service.models.sealing import keyring
from callback_service.models.staff import Staff
from callback_service.services import (
    account_events,
    second_step,
    sign_in,
    silent_staff,
    staff_skills,
)
from callback_service.services.account_events import record
from callback_service.services.permission import allowed
from callback_service.services.tries import Caller, folded_email, forget_tries

INVITATION_LIFETIME = timedelta(days=3)
NEW_PASSWORD_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OwnTexts:
    """Where texts to somebody go (E.164), and whether each offer is one of them.

    ``stopped_at``: since then the phone takes no texts.
    """

    phone: str | None
    texts_offers: bool
    stopped_at: datetime | None


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
    end_links(staff)
    record(session, "staff.password_set", staff, actor_id=staff.id, now=now)


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
    staff = Staff(email=usable_email(email), name=_usable_name(name), role=role, created_at=now)
    try:
        with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        raise taken() from None
    record(session, "staff.invited", staff, actor_id=actor_id, now=now, role=role)
    if skills:
        staff_skills.set_skills(session, staff.id, skills, actor_id=actor_id, now=now)
    return _link_token(staff, secret_key, now + INVITATION_LIFETIME)


@allowed(Action.MANAGE_ACCOUNTS)
def make_link(
    session: Session, staff_id: int, *, secret_key: str, actor_id: int | None, now: datetime
) -> str:
    """The token of a new one-time link: for a lost invitation (3 days) or password (1 hour).

    Links made before are dead.
    """
    staff = active(session, staff_id)
    has_joined = staff.password_hash is not None
    end_links(staff)
    record(session, "staff.link_made", staff, actor_id=actor_id, now=now, has_joined=has_joined)
    lifetime = NEW_PASSWORD_LIFETIME if has_joined else INVITATION_LIFETIME
    return _link_token(staff, secret_key, now + lifetime)


@allowed(Action.MANAGE_ACCOUNTS)
def reset_second_step(
    session: Session, staff_id: int, *, secret_key: str, actor_id: int | None, now: datetime
) -> str:
    """Take away a lost second step, and the password with it; the token of a new one-time link.

    Without the password's end, whoever learnt it could now set up a phone of their own.
    """
    staff = active(session, staff_id)
    second_step.remove(session, staff)
    staff.password_hash = None
    end_links(staff)
    session.flush()
    sign_in.end_all(session, staff.id)
    record(session, "staff.second_step_reset", staff, actor_id=actor_id, now=now)
    return _link_token(staff, secret_key, now + NEW_PASSWORD_LIFETIME)


def link_address(base_url: str, token: str) -> str:
    """The address of a one-time link, on the configured base, whatever Host a request names."""
    return f"{base_url}/invitation/{token}"


def staff_by_link(
    session: Session, token: str, *, secret_key: str | tuple[str, ...], now: datetime
) -> Staff:
    """The account a one-time link is for, locked; NotFound if it is used, old or made up.

    Of several keys, any may have signed it.
    """
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
    secret_key: str | tuple[str, ...],
    about: Iterable[str],
    device: str,
    now: datetime,
) -> sign_in.Opened:
    """Use a one-time link: set the password, which kills the link. The second step follows."""
    staff = staff_by_link(session, token, secret_key=secret_key, now=now)
    record(session, "staff.link_used", staff, actor_id=staff.id, now=now)
    set_password(session, staff, password, about=about, now=now)
    return sign_in.start(session, staff, device=device, now=now)


def _serializer(secret_key: str | tuple[str, ...]) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="staff one-time link")


def _link_token(staff: Staff, secret_key: str, until: datetime) -> str:
    token = _serializer(secret_key).dumps([staff.id, _stamp(staff), int(until.timestamp())])
    return token if isinstance(token, str) else token.decode("ascii")


def end_links(staff: Staff) -> None:
    """Kill every one-time link of an account that was made and not used."""
    staff.links_ended += 1


def _stamp(staff: Staff) -> str:
    """What a link says of the account, and that changes when its links end."""
    return keyring().blind_index("one-time link", f"{staff.uid}:{staff.links_ended}").hex()


def texts_of(session: Session, staff_id: int) -> OwnTexts:
    """The number somebody gave for texts, and whether they want one for each offer."""
    staff = session.get_one(Staff, staff_id)
    return OwnTexts(staff.phone, staff.texts_offers, staff.texts_stopped_at)


def choose_texts(
    session: Session, staff_id: int, *, phone: Phone | None, texts_offers: bool, now: datetime
) -> None:
    """Keep somebody's own number and choice of texts."""
    if texts_offers and phone is None:
        raise BadInput("Enter your mobile number, or take away the tick")
    staff = locked(session, staff_id)
    number = phone.e164 if phone else None
    if staff.phone not in {None, number}:
        account_events.tell(session, "staff.number_changed", staff, now=now)  # at the old number
    staff.phone, staff.texts_offers = number, texts_offers
    record(session, "staff.texts_chosen", staff, actor_id=staff_id, now=now)
    silent_staff.look_at(session, staff, now=now)


def list_staff(session: Session) -> Sequence[Staff]:
    """Every account, those in use first, by name."""
    return session.scalars(
        select(Staff).order_by(Staff.is_active.desc(), func.lower(Staff.name), Staff.id)
    ).all()


def staff_by_email(session: Session, email: str) -> Staff:
    """The account with this address; raises NotFound. For commands, where telling is no leak."""
    staff = session.scalar(select(Staff).where(Staff.email == folded_email(email)))
    if staff is None:
        raise NotFound("There is no account with this e-mail address.")
    return staff


def staff_by_id(session: Session, staff_id: int) -> Staff:
    """An account to look at; raises NotFound."""
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise NotFound("There is no such account.")
    return staff


def staff_name(session: Session, staff_id: int) -> str:
    """What colleagues call somebody; raises NotFound."""
    return staff_by_id(session, staff_id).name


def locked(session: Session, staff_id: int) -> Staff:
    """The account as it is now, held until the transaction ends (SQLite has one writer anyway)."""
    staff = session.get(Staff, staff_id, with_for_update=True, populate_existing=True)
    if staff is None:
        raise NotFound("There is no such account.")
    return staff


def active(session: Session, staff_id: int) -> Staff:
    """The same; raises Refused where it is switched off."""
    staff = locked(session, staff_id)
    if not staff.is_active:
        raise Refused("This account is disabled.")
    return staff


def taken() -> BadInput:
    """The refusal of an address that somebody has."""
    message = "There is an account with this e-mail address already."
    return BadInput(message, {"email": message})


def usable_email(email: str) -> str:
    """``email`` as it is kept; raises BadInput at the field ``email``."""
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
