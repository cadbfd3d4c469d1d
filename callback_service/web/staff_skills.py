"""Languages, skills and gender of one member of staff, for administrators."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectMultipleField, StringField
from wtforms.validators import InputRequired

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.skills import Gender, Skill, SkillKind, label
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import accounts
from callback_service.services import staff_skills as service
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import blame, choice

bp = Blueprint("staff_skills", __name__, url_prefix="/staff")

NOT_STATED = "none"
_GENDERS = {
    Gender.WOMAN.value: "A woman",
    Gender.MAN.value: "A man",
    NOT_STATED: "Not stated",
}


class Ticks(SelectMultipleField):
    """Some of the skills that are offered. What is not offered is checked as if it were typed."""

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(label, validate_choice=False, **more)


class SkillsForm(FlaskForm):
    """All that somebody can do. The fields for typing are named as their kind is."""

    languages = Ticks("Languages besides English")
    language = StringField("Other languages")
    skills = Ticks("Skills")
    skill = StringField("Other skills")
    gender = RadioField(
        "Known to callers as",
        choices=[choice(value, words) for value, words in _GENDERS.items()],
        validators=[InputRequired("Choose one.")],
        default=NOT_STATED,
    )

    def offer(self, known: list[Skill]) -> None:
        """Show ``known`` skills to tick."""
        for field, kind in ((self.languages, SkillKind.LANGUAGE), (self.skills, SkillKind.SKILL)):
            own = [one for one in known if one.kind is kind]
            field.choices = [choice(one.value, label(one)) for one in own]

    def fill(self, own: frozenset[Skill]) -> None:
        """Tick what somebody has."""
        self.languages.data = [one.value for one in own if one.kind is SkillKind.LANGUAGE]
        self.skills.data = [one.value for one in own if one.kind is SkillKind.SKILL]
        genders = [one.value for one in own if one.kind is SkillKind.GENDER]
        self.gender.data = genders[0] if genders else NOT_STATED

    def chosen(self) -> frozenset[Skill]:
        """What was ticked and typed; raises BadInput with the field."""
        gender = self.gender.data
        return service.read_skills(
            {
                SkillKind.LANGUAGE: [*(self.languages.data or []), *_listed(self.language.data)],
                SkillKind.SKILL: [*(self.skills.data or []), *_listed(self.skill.data)],
                SkillKind.GENDER: [] if gender in (None, NOT_STATED) else [gender],
            }
        )


def _listed(typed: str | None) -> list[str]:
    """The entries of a list with commas."""
    return [entry for entry in re.split(r"[,;\n]", typed or "") if entry.strip()]


@bp.get("/<int:staff_id>/skills")
@requires(Action.EDIT_SKILLS)
def edit(staff_id: int) -> ResponseReturnValue:
    """What somebody can do, to change it."""
    form = SkillsForm(formdata=None)
    with reading() as session:
        form.fill(service.skills_of(session, staff_id))
    return _page(staff_id, form)


@bp.post("/<int:staff_id>/skills")
@requires(Action.EDIT_SKILLS)
def save(staff_id: int) -> ResponseReturnValue:
    """Make it all that somebody can do."""
    form = SkillsForm()
    if not form.validate_on_submit():
        return _page(staff_id, form), BadInput.status
    try:
        with transaction() as session:
            service.set_skills(
                session,
                staff_id,
                form.chosen(),
                actor_id=current_staff().id,
                now=clock.utc_now(),
            )
    except BadInput as refusal:
        blame(form, refusal, otherwise="language")
        return _page(staff_id, form), refusal.status
    flash("The languages and skills are saved.", "success")
    return redirect(url_for("admin.staff", _anchor=f"account-{staff_id}"), code=303)


def _page(staff_id: int, form: SkillsForm) -> str:
    with reading() as session:
        name = accounts.staff_name(session, staff_id)
        form.offer(service.known_skills(session, *current_settings().offered_skills))
    return render_template("manager/staff_skills.html", form=form, staff_id=staff_id, name=name)
