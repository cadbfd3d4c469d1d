"""Skills of stored staff, and cover, gaps and warnings by them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.cover import Requirement
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.domain.skills import Skill, SkillKind, parse_skill
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.cover import CoverWarning
from callback_service.models.outbox import OutboxMessage
from callback_service.models.rota import CoverRequirement
from callback_service.models.staff import Staff
from callback_service.models.staff_skill import StaffSkill
from callback_service.services import account_changes, cover, cover_requirements, staff_skills
from callback_service.services.cover_warnings import (
    known_gaps,
    look_is_due,
    mute_gap,
    warn_of_gaps,
)
from callback_service.services.rota_preview import what_would_break
from tests.rota_builders import LONDON, a_requirement, local, make_pattern, make_requirement
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager

WELSH, POLISH, FAMILY, WOMAN, MAN = map(
    parse_skill, ("language:cy", "language:pl", "skill:family", "gender:woman", "gender:man")
)
H = timedelta(hours=1)
THURSDAY = local("2026-11-26 00:00"), local("2026-11-27 00:00")


def give(session: Session, staff: Staff, *skills: str) -> None:
    own = {parse_skill(text) for text in skills}
    staff_skills.set_skills(session, staff.id, own, actor_id=None, now=NOW)


def need_skill(session: Session, skill: str, start: str = "09:00", end: str = "17:00") -> None:
    make_requirement(session, 1, start, end).skill = skill
    session.flush()


def round_the_clock(session: Session, *skills: str) -> Staff:
    staff = make_staff(session)
    make_pattern(session, staff, "00:00", "00:00")
    give(session, staff, *skills)
    return staff


def test_skills_are_all_that_was_set_last(session: Session) -> None:
    staff = make_staff(session)
    give(session, staff, "language:cy", "language:en", "skill:family", "gender:woman")
    assert staff_skills.skills_of(session, staff.id) == {WELSH, FAMILY, WOMAN}
    give(session, staff, "language:pl", "skill:family", "gender:man")
    assert staff_skills.skills_of_staff(session) == {staff.id: {POLISH, FAMILY, MAN}}
    assert staff_skills.known_skills(session, WELSH) == [POLISH, WELSH, FAMILY, MAN]


def test_a_change_is_audited_without_saying_a_gender(session: Session) -> None:
    staff = make_staff(session)
    give(session, staff, "language:cy", "gender:woman")
    give(session, staff, "language:cy", "gender:woman")
    give(session, staff, "gender:man")
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert [(entry.action, entry.detail) for entry in entries] == [
        ("staff.skills_changed", {"added": ["gender", "language:cy"], "removed": []}),
        ("staff.skills_changed", {"added": ["gender"], "removed": ["gender", "language:cy"]}),
    ]


def test_what_nobody_can_have_is_refused_at_its_field(session: Session) -> None:
    staff = make_staff(session)
    with pytest.raises(BadInput) as refusal:
        staff_skills.set_skills(session, staff.id, {WOMAN, MAN}, actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {"gender"}
    with pytest.raises(BadInput) as refusal:
        staff_skills.read_skills({SkillKind.LANGUAGE: ["cy", "elvish"]})
    assert refusal.value.fields == {"language": refusal.value.message}
    with pytest.raises(NotFound):
        staff_skills.set_skills(session, 4711, {WELSH}, actor_id=None, now=NOW)


@pytest.mark.parametrize(
    ("kind", "value"), [(SkillKind.GENDER, "man"), (SkillKind.GENDER, "x"), (SkillKind.SKILL, "")]
)
def test_the_database_refuses_a_second_gender_and_nonsense(
    session: Session, kind: SkillKind, value: str
) -> None:
    staff = make_staff(session)
    give(session, staff, "gender:woman")
    session.add(StaffSkill(staff_id=staff.id, kind=kind, value=value))
    with pytest.raises(IntegrityError):
        session.flush()


def test_gaps_of_a_skill_are_found_beside_those_of_people(session: Session) -> None:
    round_the_clock(session, "language:pl")
    welsh = make_staff(session)
    make_pattern(session, welsh, "09:00", "13:30")
    give(session, welsh, "language:cy")
    need_skill(session, "language:cy")
    assert cover.gaps_in_words(session, *THURSDAY, tz=LONDON) == [
        "Thursday 26 November, 13:30 to 17:00: nobody who speaks Welsh on shift, 1 needed"
    ]
    welsh.is_active = False
    session.flush()
    [gap] = cover.gaps_in_words(session, *THURSDAY, tz=LONDON)
    assert gap.startswith("Thursday 26 November, 09:00 to 17:00: nobody who speaks Welsh")


def test_the_preview_of_leave_names_the_skill_that_would_be_missing(session: Session) -> None:
    round_the_clock(session)
    welsh = make_staff(session)
    make_pattern(session, welsh, "09:00", "17:00")
    give(session, welsh, "language:cy")
    need_skill(session, "language:cy", "12:00", "20:00")
    leave = Leave(welsh.id, *THURSDAY, LeaveReason.ANNUAL)
    assert what_would_break(session, leave, now=NOW, tz=LONDON).gaps == [
        "Thursday 26 November, 12:00 to 17:00: nobody who speaks Welsh on shift, 1 needed"
    ]


def test_a_requirement_for_each_skill_may_have_the_same_times(session: Session) -> None:
    for skill in (None, WELSH, WOMAN):
        stated = a_requirement(1)
        cover_requirements.add_requirement(session, _of(stated, skill), actor_id=None, now=NOW)
    with pytest.raises(Refused, match="already have a requirement"):
        cover_requirements.add_requirement(
            session, _of(a_requirement(2), WELSH), actor_id=None, now=NOW
        )
    assert [need.skill for need in cover_requirements.load_requirements(session)] == [
        None,
        WELSH,
        WOMAN,
    ]
    stored = select(CoverRequirement).order_by(CoverRequirement.id)
    assert [row.skill for row in session.scalars(stored)] == [
        "",
        "language:cy",
        "gender:woman",
    ]


def _of(requirement: Requirement, skill: Skill | None) -> Requirement:
    return replace(requirement, skill=skill)


def test_english_need_not_be_stated(session: Session) -> None:
    english = _of(a_requirement(1), parse_skill("language:en"))
    with pytest.raises(BadInput, match="Everybody here speaks English") as refusal:
        cover_requirements.add_requirement(session, english, actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {"skill"}


def texts(session: Session) -> list[str]:
    return [text.body for text in session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))]


def look(session: Session, hours: int = 0) -> int:
    return warn_of_gaps(session, now=NOW + hours * H, tz=LONDON)


def test_managers_are_told_once_of_a_skill_that_is_taken_away_and_again_when_it_grows(
    session: Session,
) -> None:
    manager = make_manager(session)
    welsh = round_the_clock(session, "language:cy")
    need_skill(session, "language:cy", "09:00", "17:00")
    assert look(session) == 0
    assert not look_is_due(session, now=NOW)
    give(session, welsh, "language:pl")
    assert look_is_due(session, now=NOW)
    assert look(session) == 28
    [text] = texts(session)
    assert text.startswith("The rota is short of somebody who speaks Welsh at 28 times, first on ")
    assert look(session, 1) == 0
    [row] = session.scalars(select(CoverWarning).limit(1))
    mute_gap(session, row.id, reason="Known", actor_id=manager.id, now=NOW)
    assert look(session, 2) == 0
    need_skill(session, "language:cy", "08:00", "10:00")
    assert look(session, 3) == 28
    assert len(texts(session)) == 2
    give(session, welsh, "language:cy")
    assert look(session, 4) == 0
    assert known_gaps(session, now=NOW) == []


def test_an_account_that_is_disabled_takes_its_skills_along(session: Session) -> None:
    chief, _ = make_staff(session, role=Role.ADMINISTRATOR), make_manager(session)
    round_the_clock(session)
    woman = round_the_clock(session, "gender:woman", "skill:alcohol")
    need_skill(session, "gender:woman", "00:00", "00:00")
    look(session)
    account_changes.disable(session, woman.id, actor_id=chief.id, now=NOW)
    assert look_is_due(session, now=NOW)
    assert look(session) == 1
    [gap] = known_gaps(session, now=NOW)
    assert (gap.skill, gap.short) == (WOMAN, 1)
    account_changes.enable(session, woman.id, actor_id=chief.id, now=NOW)
    assert look(session, 1) == 0
    assert known_gaps(session, now=NOW) == []


def test_a_text_of_gaps_of_several_kinds_or_of_a_skill_names_none(session: Session) -> None:
    make_manager(session)
    round_the_clock(session)
    need_skill(session, "skill:alcohol", "00:00", "00:00")
    look(session)
    need_skill(session, "gender:woman", "00:00", "00:00")
    need_skill(session, "language:cy", "00:00", "00:00")
    look(session, 1)
    assert [text.partition(" on ")[0] for text in texts(session)] == [
        "The rota is short of somebody with a skill",
        "The rota is short of people at 2 times, first",
    ]


def printed(cli: FlaskCliRunner, *more: str) -> str:
    result = cli.invoke(args=["rota", "cover", "--from", "2026-11-26", "--to", "2026-11-27", *more])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_skills_only_where_they_are_needed(
    cli: FlaskCliRunner, session: Session
) -> None:
    round_the_clock(session, "gender:woman")
    need_skill(session, "gender:woman", "20:00", "00:00")
    need_skill(session, "language:cy", "22:00", "00:00")
    session.commit()
    rows = json.loads(printed(cli, "--format", "json"))
    assert [(row["start"], row["on_shift"], row.get("skills")) for row in rows] == [
        ("2026-11-26T00:00:00Z", 1, None),
        ("2026-11-26T20:00:00Z", 1, [_row("gender:woman", 1)]),
        ("2026-11-26T22:00:00Z", 1, [_row("gender:woman", 1), _row("language:cy", 0)]),
    ]
    assert list(rows[0]) == ["start", "end", "required", "on_shift", "short"]
    steps = json.loads(printed(cli, "--format", "json", "--step", "480"))
    assert ["skills" in row for row in steps] == [False, False, True]
    last = printed(cli).splitlines()[-1]
    assert last.endswith("1 of 1  woman 1 of 1  Welsh 0 of 1 1 short")


def _row(skill: str, on_shift: int) -> dict[str, object]:
    return {"skill": skill, "required": 1, "on_shift": on_shift, "short": 1 - on_shift}


NEWCOMER = ["create-staff", "--email", "ada@example.org", "--name", "Ada", "--role", "counsellor"]


def test_staff_are_made_with_what_they_can_do(cli: FlaskCliRunner, session: Session) -> None:
    more = ["--language", "cy", "--language", "Polish", "--language", "en", "--gender", "woman"]
    result = cli.invoke(args=[*NEWCOMER, *more, "--skill", "Family", "--skill", "young people"])
    assert result.exit_code == 0, result.output
    [own] = staff_skills.skills_of_staff(session).values()
    assert own == {WELSH, POLISH, FAMILY, WOMAN, parse_skill("skill:young people")}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--language", "elvish"], "“elvish” is no language we know."),
        (["--skill", "a" * 31], "A skill is a word or two"),
        (["--gender", "lady"], "'lady' is not one of 'woman', 'man'"),
    ],
)
def test_a_command_with_a_faulty_skill_makes_nobody(
    cli: FlaskCliRunner, session: Session, more: list[str], sentence: str
) -> None:
    result = cli.invoke(args=[*NEWCOMER, *more])
    assert result.exit_code != 0
    assert sentence in result.output
    assert session.scalars(select(Staff)).all() == []
