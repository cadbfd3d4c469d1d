"""Languages, skills and genders of staff: who has what, and changing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.skills import NO_SKILLS, Skill, SkillKind, kept, label, skill
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound
from callback_service.models.staff import Staff
from callback_service.models.staff_skill import StaffSkill
from callback_service.services import audit
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan

#: More than anybody has; keeps a slip of the paste out.
MOST_SKILLS = 40


def skills_of_staff(session: Session) -> dict[int, frozenset[Skill]]:
    """The skills of everybody who has any, by staff id; of disabled accounts too."""
    found: defaultdict[int, set[Skill]] = defaultdict(set)
    rows = session.execute(select(StaffSkill.staff_id, StaffSkill.kind, StaffSkill.value))
    for staff_id, kind, value in rows:
        found[staff_id].add(Skill(kind, value))
    return {staff_id: frozenset(own) for staff_id, own in found.items()}


def skills_of(session: Session, staff_id: int) -> frozenset[Skill]:
    """The skills of one member of staff."""
    rows = session.execute(
        select(StaffSkill.kind, StaffSkill.value).where(StaffSkill.staff_id == staff_id)
    )
    return frozenset(Skill(kind, value) for kind, value in rows)


def known_skills(session: Session, *offered: Skill) -> list[Skill]:
    """What a list offers to choose from: ``offered``, and whatever somebody has. By kind and name.

    So a new word is offered from when the first person has it until the last has it no more.
    """
    rows = session.execute(select(StaffSkill.kind, StaffSkill.value).distinct())
    return in_order({*offered, *(Skill(kind, value) for kind, value in rows)})


def wishes_to_offer(session: Session) -> list[Skill]:
    """The languages and genders that some active counsellor has, which callers may wish for."""
    rows = session.execute(
        select(StaffSkill.kind, StaffSkill.value)
        .join(Staff, Staff.id == StaffSkill.staff_id)
        .where(
            Staff.is_active,
            Staff.role == Role.COUNSELLOR,
            StaffSkill.kind.in_((SkillKind.LANGUAGE, SkillKind.GENDER)),
        )
        .distinct()
    )
    return in_order(Skill(kind, value) for kind, value in rows)


def in_order(skills: Iterable[Skill]) -> list[Skill]:
    """Skills as a list shows them: languages first, then skills, then gender; each by name."""
    kinds = list(SkillKind)
    return sorted(skills, key=lambda one: (kinds.index(one.kind), label(one).casefold()))


def read_skills(given: Mapping[SkillKind, Sequence[str]]) -> frozenset[Skill]:
    """The skills that were typed, by kind. BadInput names the field of a faulty one: its kind."""
    found = set()
    for kind, words in given.items():
        for word in words:
            try:
                found.add(skill(kind, word))
            except ValueError as error:
                raise BadInput(str(error), {kind.value: str(error)}) from error
    return frozenset(found)


@allowed(Action.EDIT_SKILLS)
def set_skills(
    session: Session, staff_id: int, skills: Iterable[Skill], *, actor_id: int | None, now: datetime
) -> None:
    """Make ``skills`` all that a member of staff has. Raises NotFound, and BadInput for what
    nobody can have.

    Cover by skill and the wishes that can be met may be others afterwards.
    """
    staff = session.get(Staff, staff_id, with_for_update=True)
    if staff is None:
        raise NotFound("There is no such account.")
    wanted, own = _kept(skills), skills_of(session, staff_id)
    if wanted == own:
        return
    for gone in own - wanted:
        session.execute(
            delete(StaffSkill).where(
                StaffSkill.staff_id == staff_id,
                StaffSkill.kind == gone.kind,
                StaffSkill.value == gone.value,
            )
        )
    session.add_all(StaffSkill(staff_id=staff_id, kind=n.kind, value=n.value) for n in wanted - own)
    session.flush()
    audit.record(
        session, "staff.skills_changed", subject="staff", subject_id=staff_id, actor_id=actor_id,
        now=now, added=_for_audit(wanted - own), removed=_for_audit(own - wanted),
    )  # fmt: skip
    ask_for_plan(session, reason="account", now=now)


def _kept(skills: Iterable[Skill]) -> frozenset[Skill]:
    try:
        wanted = kept(skills)
    except ValueError as error:
        raise BadInput(str(error), {SkillKind.GENDER.value: str(error)}) from error
    if len(wanted) > MOST_SKILLS:
        sentence = f"Give at most {MOST_SKILLS} languages and skills."
        raise BadInput(sentence, {SkillKind.SKILL.value: sentence})
    return wanted


def _for_audit(skills: Iterable[Skill]) -> list[str]:
    """Skills by name, but of a gender only that it was one: the record is never erased."""
    return sorted("gender" if one.kind is SkillKind.GENDER else str(one) for one in skills)


def skills_in_words(skills: Iterable[Skill] = NO_SKILLS) -> str:
    """A person's skills for a list: "Polish, Welsh, family, woman"; "" where there are none."""
    return ", ".join(label(one) for one in in_order(skills))
