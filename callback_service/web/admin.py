"""The list of staff accounts, for administrators. Nothing here shows or touches a caller."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template
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
from callback_service.web.one_time_link import link_page
from callback_service.web.person import role_choices

bp = Blueprint("admin", __name__)


class InviteForm(FlaskForm):
    """Whom to invite."""

    name = StringField("Name", validators=[InputRequired("Enter a name.")])
    email = EmailField("E-mail address", validators=[InputRequired("Enter an e-mail address.")])
    role = RadioField(
        "Role",
        choices=role_choices(),
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
    return link_page(token, f"{form.name.data} is invited", "3 days")


def _page(form: InviteForm) -> str:
    with reading() as session:
        skills = staff_skills.skills_of_staff(session)
        rows = [
            _account(row, skills.get(row.id, NO_SKILLS)) for row in accounts.list_staff(session)
        ]
    return render_template("manager/staff.html", form=form, accounts=rows)


def _account(row: Staff, skills: frozenset[Skill]) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        email=row.email,
        role=ROLES[row.role],
        skills=staff_skills.skills_in_words(skills),
        is_active=row.is_active,
        has_joined=row.password_hash is not None,
        is_own=row.id == current_staff().id,
    )
