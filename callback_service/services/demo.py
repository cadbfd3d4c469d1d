"""A demo service: staff, a rota round the clock and what is needed. No callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyotp
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.signing_in import usable_steps
from callback_service.domain.skills import SkillsOf, parse_skill
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import (
    EVERY_DAY,
    ONE_DAY,
    WEEK,
    mask_from_weekdays,
    monday_of,
)
from callback_service.errors import Refused
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.staff import Staff, new_uid
from callback_service.models.staff_skill import StaffSkill
from callback_service.services import audit, cover_warnings
from callback_service.services.demo_life import Life, add_coming, add_turns
from callback_service.services.plan_trigger import ask_for_plan

WALL_CLOCK = ZoneInfo("Europe/London")
KNOWN = "We know. Nobody has been found for late Tuesdays yet."
#: How far back the demo's rota reaches, so that past weeks have something to show.
PAST = 4 * WEEK

DAY = time(7), time(15)
EVENING = time(15), time(23)
LATE = time(18), time(2)
NIGHT = time(23), time(7)
#: A duty lead is on call from one morning to the next.
ON_CALL = time(9), time(9)

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)

#: Who works what on which weekdays. Everybody keeps to one kind of shift, or has more than a day
#: between two kinds: 11 hours of rest, and 40 hours a week at the most. On Tuesdays nobody has the
#: late shift, so from 23:00 to 02:00 there are two where three are needed.
COUNSELLORS = (
    ("Amira Khan", ((DAY, (MON, TUE, WED, THU, FRI)),)),
    ("Ben Okafor", ((DAY, (MON, TUE, WED, SAT, SUN)),)),
    ("Catrin Rhys-Llewellyn Featherstonehaugh", ((DAY, (MON, THU, FRI, SAT, SUN)),)),
    ("Dai Pugh", ((DAY, (TUE, WED, THU, FRI)),)),
    ("Eilidh Macrae", ((EVENING, (MON, TUE, WED, THU, FRI)),)),
    ("Femi Adeyemi", ((EVENING, (MON, FRI, SAT, SUN)),)),
    ("Grace Liu", ((EVENING, (MON, TUE, SAT, SUN)),)),
    ("Harpreet Gill", ((EVENING, (WED, THU, SAT, SUN)),)),
    ("Isla Thornton", ((EVENING, (TUE, WED, THU, FRI)),)),
    ("Jo Ng", ((LATE, (WED, THU, FRI, SAT)),)),
    ("Kieran Doherty", ((LATE, (MON, SUN)), (DAY, (WED, THU)))),
    ("Leila Haddad", ((NIGHT, (MON, TUE, WED, THU)),)),
    ("Marek Nowak", ((NIGHT, (MON, FRI, SAT, SUN)),)),
    ("Niamh Byrne", ((NIGHT, (TUE, WED, THU, FRI)),)),
    ("Owen Clarke", ((NIGHT, (THU, FRI, SAT, SUN)),)),
)
#: Who is duty lead on which weekdays; the weekends they take in turns.
MANAGERS = (
    ("Priya Shah", "+447700900100", (MON, WED)),
    ("Robert Ainsley", "+447700900101", (TUE, THU)),
)
ADMINISTRATOR = "Sam Whitlock"
SAFEGUARDING_LEAD = "Dana Whyte"

#: From, to, people needed.
NEEDS = (
    (time(7), time(18), 2),
    (time(18), time(2), 3),
    (time(2), time(7), 2),
)
WELSH, WOMAN, MAN = "language:cy", "gender:woman", "gender:man"
#: The same of people with a skill. The rota above meets both.
SKILL_NEEDS = (
    (*DAY, 1, WELSH),
    (*EVENING, 1, WOMAN),
)
#: What some of them can do, and are known as to callers who ask. Ben and Jo would rather not say.
SKILLS = {
    "Amira Khan": (WOMAN, "language:ur", "language:pa", "skill:family"),
    "Catrin Rhys-Llewellyn Featherstonehaugh": (WOMAN, WELSH),
    "Dai Pugh": (MAN, WELSH, "skill:alcohol"),
    "Eilidh Macrae": (WOMAN, "language:gd"),
    "Femi Adeyemi": (MAN, "language:yo", "skill:young people"),
    "Grace Liu": (WOMAN, "language:zh", "skill:family"),
    "Harpreet Gill": (WOMAN, "language:pa"),
    "Isla Thornton": (WOMAN, "skill:young people"),
    "Kieran Doherty": (MAN, "language:ga"),
    "Leila Haddad": (WOMAN, "language:ar"),
    "Marek Nowak": (MAN, "language:pl", "skill:alcohol"),
    "Niamh Byrne": (WOMAN,),
    "Owen Clarke": (MAN, WELSH),
}


@dataclass(frozen=True, slots=True)
class DemoStaff:
    """The e-mail addresses to sign in with, by role. ``is_new``: this call made them."""

    counsellors: tuple[str, ...]
    managers: tuple[str, ...]
    administrator: str
    is_new: bool


def email_of(name: str) -> str:
    """The demo's address for a name: "amira.khan@example.org"."""
    words = name.lower().split()
    return f"{words[0]}.{words[-1]}@example.org"


def seed_demo(session: Session, *, now: datetime, password_hash: str) -> DemoStaff:
    """Staff the service for a demo, all with the same password. A second call changes nothing.

    The rota covers every whole week from four before ``now`` on. Refuses where real staff are.
    """
    is_seeded = session.scalar(select(exists().where(Staff.email == email_of(ADMINISTRATOR))))
    if not is_seeded:
        if session.scalar(select(exists().where(Staff.id.is_not(None)))):
            raise Refused("The demo is only for an empty service: this one has staff already.")
        _seed(session, now=now, password_hash=password_hash)
    return DemoStaff(
        counsellors=tuple(email_of(name) for name, _ in COUNSELLORS),
        managers=tuple(email_of(name) for name, *_ in MANAGERS),
        administrator=email_of(ADMINISTRATOR),
        is_new=not is_seeded,
    )


@dataclass(frozen=True, slots=True)
class DemoCode:
    """Somebody of the demo, and the code to sign in with now; None for a moment after its use."""

    name: str
    email: str
    role: Role
    code: str | None


def codes_now(session: Session, *, now: datetime) -> list[DemoCode]:
    """What the app of each active account would show, for a demonstration without phones."""
    staff = session.scalars(select(Staff).where(Staff.is_active).order_by(Staff.role, Staff.name))
    return [DemoCode(row.name, row.email, row.role, _code(row, now=now)) for row in staff]


def _code(staff: Staff, *, now: datetime) -> str | None:
    secret = staff.totp_secret
    step = next(usable_steps(after=staff.totp_last_step, now=now), None)
    return None if secret is None or step is None else pyotp.TOTP(secret).generate_otp(step)


def counselling_patterns(from_on: date) -> list[Pattern]:
    """The lines of the demo's counsellors, who are numbered from 1, as the domain knows them."""
    lines = [
        (number, times, weekdays)
        for number, (_, shifts) in enumerate(COUNSELLORS, start=1)
        for times, weekdays in shifts
    ]
    return [
        Pattern(place, number, Duty.COUNSELLING, frozenset(weekdays), *times, from_on)
        for place, (number, times, weekdays) in enumerate(lines, start=1)
    ]


def counselling_skills() -> SkillsOf:
    """What the demo's counsellors can do, by the numbers of ``counselling_patterns``."""
    return {
        number: frozenset(map(parse_skill, SKILLS.get(name, ())))
        for number, (name, _) in enumerate(COUNSELLORS, start=1)
    }


def _seed(session: Session, *, now: datetime, password_hash: str) -> None:
    from_on = monday_of(now.date()) - PAST - ONE_DAY  # its night runs into the first Monday
    hired = _Hiring(session, now - PAST - timedelta(days=7), from_on, password_hash)
    hired.account(ADMINISTRATOR, Role.ADMINISTRATOR)
    hired.account(SAFEGUARDING_LEAD, Role.SAFEGUARDING_LEAD)
    ids = {}
    for name, shifts in COUNSELLORS:
        staff = hired.account(name, Role.COUNSELLOR)
        ids[name] = staff.id
        for times, weekdays in shifts:
            hired.pattern(staff, Duty.COUNSELLING, times, weekdays)
        hired.skills(staff, SKILLS.get(name, ()))
    managers = [hired.account(name, Role.MANAGER) for name, *_ in MANAGERS]
    for staff, (_, _, on_call) in zip(managers, MANAGERS, strict=True):
        hired.pattern(staff, Duty.DUTY_LEAD, ON_CALL, on_call)
    for starts, ends, needed in NEEDS:
        hired.need(starts, ends, needed)
    for starts, ends, needed, skill in SKILL_NEEDS:
        hired.need(starts, ends, needed, skill)
    session.flush()
    audit.record(session, "demo.seeded", subject=Staff.__tablename__, subject_id=None, now=now)
    ids |= {staff.name: staff.id for staff in managers}
    life = Life(session, ids, managers[0].name, now, WALL_CLOCK)
    add_turns(life, from_on)
    add_coming(life)
    ask_for_plan(session, reason="rota", now=now)
    _accept_gaps(session, managers[0], now=now)
    for staff, (_, phone, _) in zip(managers, MANAGERS, strict=True):
        staff.phone = phone


def _accept_gaps(session: Session, manager: Staff, *, now: datetime) -> None:
    """The managers know of the gaps the demo begins with: nobody is texted of them.

    Comes before the managers have numbers.
    """
    cover_warnings.warn_of_gaps(session, now=now, tz=WALL_CLOCK)
    for gap in cover_warnings.known_gaps(session, now=now):
        cover_warnings.mute_gap(session, gap.id, reason=KNOWN, actor_id=manager.id, now=now)


class _Hiring:
    """Adds rows that share a date and a password."""

    def __init__(self, session: Session, at: datetime, from_on: date, password_hash: str) -> None:
        self._session, self._at, self._from_on = session, at, from_on
        self._password_hash = password_hash

    def account(self, name: str, role: Role) -> Staff:
        staff = Staff(
            uid=new_uid(),
            email=email_of(name),
            name=name,
            role=role,
            is_active=True,
            password_hash=self._password_hash,
            created_at=self._at,
        )
        staff.totp_secret = pyotp.random_base32()
        self._session.add(staff)
        self._session.flush()
        return staff

    def pattern(
        self, staff: Staff, duty: Duty, times: tuple[time, time], weekdays: tuple[int, ...]
    ) -> None:
        self._session.add(
            ShiftPattern(
                staff_id=staff.id,
                duty=duty,
                weekdays=mask_from_weekdays(weekdays),
                starts=times[0],
                ends=times[1],
                from_on=self._from_on,
                created_at=self._at,
            )
        )

    def skills(self, staff: Staff, skills: tuple[str, ...]) -> None:
        for kind, value in map(parse_skill, skills):
            self._session.add(StaffSkill(staff_id=staff.id, kind=kind, value=value))

    def need(self, starts: time, ends: time, needed: int, skill: str = "") -> None:
        self._session.add(
            CoverRequirement(
                weekdays=mask_from_weekdays(EVERY_DAY),
                starts=starts,
                ends=ends,
                needed=needed,
                skill=skill,
                from_on=self._from_on,
                created_at=self._at,
            )
        )
