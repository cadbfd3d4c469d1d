"""Several administrators change one person's skills at once: one of them has the last word."""

from __future__ import annotations

from flask import Flask

from callback_service.config import Settings
from callback_service.domain.skills import parse_skill
from callback_service.extensions import transaction
from callback_service.services.staff_skills import set_skills, skills_of
from tests.concurrency.racing import race
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import stored

CHOICES = (
    ("language:cy", "gender:woman"),
    ("language:cy", "gender:man"),
    ("language:pl", "gender:woman"),
    ("skill:family", "gender:man"),
)


def choose(staff_id: int, *skills: str) -> None:
    with transaction() as session:
        set_skills(session, staff_id, map(parse_skill, skills), actor_id=None, now=NOW)


def test_the_skills_are_what_one_of_them_chose(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
    finishes = race(settings, choose, [(staff_id, *skills) for skills in CHOICES * 2])
    assert [finish.refused_with for finish in finishes] == [None] * len(finishes)
    with stored(app) as session:
        assert skills_of(session, staff_id) in [set(map(parse_skill, one)) for one in CHOICES]
