"""Staff accounts, for administrators. Nothing here shows or touches a caller."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import EmailField, RadioField, StringField
from wtforms.validators import InputRequired

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.policy_text import ROLES
from callback_service.domain.skills import NO_SKILLS, Skill
from callback_service.domain.staff import Role
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.staff import Staff
from callback_service.services import accounts, staff_skills
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.account import local_time
from callback_service.web.choices import SelectChoice

bp = Blueprint("admin", __name__)


class InviteForm(FlaskForm):
    """Whom to invite."""

    name = StringField("Name", validators=[InputRequired("Enter a name.")])
    email = EmailField("E-mail address", validators=[InputRequired("Enter an e-mail address.")])
    role = RadioField(
        "Role",
        choices=[SelectChoice(role.value, label) for role, label in ROLES.items()],
        validators=[InputRequired("Choose a role.")],
    )


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the list."""

    id: int
    name: str
    email: str
    role: str
    skills: str
    since: str
    is_active: bool
    has_joined: bool
    is_own: bool


@bp.get("/staff")
@requires(Action.SEE_ACCOUNTS)
def staff() -> ResponseReturnValue:
    """Every account, and the form to invite somebody."""
    return _page(InviteForm(formdata=None, role=Role.COUNSELLOR.value))


@bp.post("/staff")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def invite() -> ResponseReturnValue:
    """Make an account, and show its one-time link this once."""
    form = InviteForm()
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        with transaction() as session:
            token = accounts.invite(
                session,
                email=form.email.data or "",
                name=form.name.data or "",
                role=Role(form.role.data),
                secret_key=current_settings().secret_key,
                actor_id=current_staff().id,
                now=clock.utc_now(),
            )
    except BadInput as refusal:
        for name, reason in refusal.fields.items():
            form[name].errors = [reason]
        return _page(form), refusal.status
    return _link_page(token, f"{form.name.data} is invited", "3 days")


@bp.post("/staff/<int:staff_id>/link")
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
    return _link_page(token, "A new link", "an hour, or 3 days where it is the first password")


@bp.post("/staff/<int:staff_id>/sign-ins/end")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def end_sign_ins(staff_id: int) -> ResponseReturnValue:
    """Sign somebody out everywhere."""
    with transaction() as session:
        accounts.end_sign_ins(session, staff_id, actor_id=current_staff().id, now=clock.utc_now())
    flash("They are signed out everywhere.", "success")
    return redirect(url_for("admin.staff"), code=303)


@bp.post("/staff/<int:staff_id>/disable")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def disable(staff_id: int) -> ResponseReturnValue:
    """Switch an account off."""
    with transaction() as session:
        accounts.disable(session, staff_id, actor_id=current_staff().id, now=clock.utc_now())
    flash("The account is disabled and signed out everywhere.", "success")
    return redirect(url_for("admin.staff"), code=303)


@bp.post("/staff/<int:staff_id>/enable")
@requires(Action.MANAGE_ACCOUNTS)
@fresh
def enable(staff_id: int) -> ResponseReturnValue:
    """Switch an account on again."""
    with transaction() as session:
        accounts.enable(session, staff_id, actor_id=current_staff().id, now=clock.utc_now())
    flash("The account is enabled.", "success")
    return redirect(url_for("admin.staff"), code=303)


def _page(form: InviteForm) -> str:
    with reading() as session:
        skills = staff_skills.skills_of_staff(session)
        rows = [
            _account(row, skills.get(row.id, NO_SKILLS)) for row in accounts.list_staff(session)
        ]
    return render_template("manager/staff.html", form=form, accounts=rows)


def _link_page(token: str, heading: str, lifetime: str) -> str:
    link = accounts.link_address(current_settings().public_base_url, token)
    return render_template("account/link.html", heading=heading, link=link, lifetime=lifetime)


def _account(row: Staff, skills: frozenset[Skill]) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        email=row.email,
        role=ROLES[row.role],
        skills=staff_skills.skills_in_words(skills),
        since=local_time(row.created_at),
        is_active=row.is_active,
        has_joined=row.password_hash is not None,
        is_own=row.id == current_staff().id,
    )
