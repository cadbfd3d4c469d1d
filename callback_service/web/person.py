"""One account, for administrators: where it is signed in, its role and address, what happened."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, RadioField
from wtforms.validators import InputRequired

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.policy_text import ROLES
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.staff import SignIn
from callback_service.services import (
    account_changes,
    account_events,
    accounts,
    second_step_resets,
    sign_in,
)
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.account import EventLine, event_lines, local_time
from callback_service.web.choices import SelectChoice
from callback_service.web.one_time_link import link_page
from callback_service.web.weekly import blame

bp = Blueprint("person", __name__, url_prefix="/staff/<int:staff_id>")


def role_choices() -> list[SelectChoice]:
    """The roles to choose from."""
    return [SelectChoice(role.value, label) for role, label in ROLES.items()]


class RoleForm(FlaskForm):
    """What somebody is to be."""

    role = RadioField("Role", choices=role_choices(), validators=[InputRequired("Choose a role.")])


class AddressForm(FlaskForm):
    """The address somebody is to sign in with."""

    email = EmailField("New e-mail address", validators=[InputRequired("Enter an e-mail address.")])


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser somebody is signed in with."""

    id: int
    device: str
    began: str
    used: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whose page it is."""

    id: int
    name: str
    email: str
    role: Role
    role_words: str
    since: str
    is_active: bool
    has_joined: bool
    is_own: bool
    browsers: list[Browser]
    events: list[EventLine]
    reset_waits: bool
    silent_since: str | None  # their phone takes no texts


@bp.get("")
@requires(Action.SEE_ACCOUNTS)
def page(staff_id: int) -> ResponseReturnValue:
    """Somebody's account and what can be changed at it."""
    return _page(staff_id)


@bp.post("/link")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def make_link(staff_id: int) -> ResponseReturnValue:
    """A new one-time link for a lost invitation or a forgotten password, shown this once."""
    with transaction() as session:
        token = accounts.make_link(
            session,
            staff_id,
            secret_key=current_settings().secret_key,
            actor_id=current_staff().id,
            now=clock.utc_now(),
        )
    return link_page(token, "A new link", "an hour, or 3 days where it is the first password")


@bp.post("/sign-ins/end")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def end_sign_ins(staff_id: int) -> ResponseReturnValue:
    """Sign somebody out everywhere."""
    with transaction() as session:
        account_changes.end_sign_ins(
            session, staff_id, actor_id=current_staff().id, now=clock.utc_now()
        )
    return _done(staff_id, "They are signed out everywhere.")


@bp.post("/sign-ins/<int:sign_in_id>/end")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def end_sign_in(staff_id: int, sign_in_id: int) -> ResponseReturnValue:
    """Sign somebody out in one browser."""
    with transaction() as session:
        account_changes.end_sign_in(
            session, staff_id, sign_in_id, actor_id=current_staff().id, now=clock.utc_now()
        )
    return _done(staff_id, "They are signed out in that browser.")


@bp.post("/role")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def change_role(staff_id: int) -> ResponseReturnValue:
    """Give somebody another role."""
    form = RoleForm()
    if not form.validate_on_submit():
        return _page(staff_id, role_form=form), BadInput.status
    try:
        with transaction() as session:
            account_changes.change_role(
                session,
                staff_id,
                Role(form.role.data),
                actor_id=current_staff().id,
                now=clock.utc_now(),
            )
    except Refused as refusal:
        blame(form, refusal, otherwise="role")
        return _page(staff_id, role_form=form), refusal.status
    return _done(staff_id, "The role is changed. They have to sign in again.")


@bp.post("/email")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def change_email(staff_id: int) -> ResponseReturnValue:
    """Give somebody another address to sign in with."""
    form = AddressForm()
    if not form.validate_on_submit():
        return _page(staff_id, address_form=form), BadInput.status
    try:
        with transaction() as session:
            account_changes.change_email(
                session,
                staff_id,
                form.email.data or "",
                actor_id=current_staff().id,
                now=clock.utc_now(),
            )
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="email")
        return _page(staff_id, address_form=form), refusal.status
    return _done(staff_id, "The address is changed. They have to sign in again, with the new one.")


@bp.post("/disable")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def disable(staff_id: int) -> ResponseReturnValue:
    """Switch an account off."""
    with transaction() as session:
        account_changes.disable(session, staff_id, actor_id=current_staff().id, now=clock.utc_now())
    return _done(staff_id, "The account is disabled and signed out everywhere.")


@bp.post("/enable")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def enable(staff_id: int) -> ResponseReturnValue:
    """Switch an account on again."""
    with transaction() as session:
        account_changes.enable(session, staff_id, actor_id=current_staff().id, now=clock.utc_now())
    return _done(staff_id, "The account is enabled.")


def _done(staff_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("person.page", staff_id=staff_id), code=303)


def _page(
    staff_id: int, *, role_form: RoleForm | None = None, address_form: AddressForm | None = None
) -> str:
    person = _person(staff_id)
    return render_template(
        "manager/person.html",
        form=role_form or address_form or RoleForm(formdata=None),
        role_form=role_form or RoleForm(formdata=None, role=person.role.value),
        address_form=address_form or AddressForm(formdata=None),
        person=person,
    )


def _person(staff_id: int) -> Person:
    with reading() as session:
        row = accounts.staff_by_id(session, staff_id)
        now = clock.utc_now()
        return Person(
            id=row.id,
            name=row.name,
            email=row.email,
            role=row.role,
            role_words=ROLES[row.role],
            since=local_time(row.created_at),
            is_active=row.is_active,
            has_joined=row.password_hash is not None,
            is_own=row.id == current_staff().id,
            browsers=[_browser(one) for one in sign_in.still_open(session, row.id, now=now)],
            events=event_lines(account_events.recent(session, row.id)),
            reset_waits=second_step_resets.waiting_for(session, row.id, now=now) is not None,
            silent_since=local_time(row.texts_stopped_at) if row.texts_stopped_at else None,
        )


def _browser(row: SignIn) -> Browser:
    device = row.device or "Unknown browser"
    return Browser(row.id, device, local_time(row.created_at), local_time(row.seen_at))
