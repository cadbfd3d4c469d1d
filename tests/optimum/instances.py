"""Days of requests and counsellors to plan, in slots of 15 minutes; one call fills one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from callback_service.domain.planning import Availability, Task

SLOT = timedelta(minutes=15)
START = datetime(2026, 11, 25, tzinfo=UTC)
SKILLS = ("alcohol", "cy", "family", "opioids", "pl", "young")
DAY = 96  # slots
#: Slots after the day in which those who are left serve what is left.
TAIL = 120
STAYING = 20  # counsellors


@dataclass(frozen=True, slots=True)
class Request:
    """One ask: slots from the start of the day; ``due`` is the last slot in which it is kept."""

    skill: str
    release: int
    due: int


@dataclass(frozen=True, slots=True)
class Counsellor:
    """Somebody on shift from one slot to before another."""

    skills: frozenset[str]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One day."""

    requests: list[Request]
    counsellors: list[Counsellor]

    def tasks(self) -> list[Task]:
        """The requests as the planner knows them."""
        return [
            Task(
                number,
                START + one.release * SLOT,
                START + one.due * SLOT,
                needs=frozenset({one.skill}),
                length=SLOT,
            )
            for number, one in enumerate(self.requests)
        ]

    def people(self) -> list[Availability]:
        """The counsellors as the planner knows them."""
        return [
            Availability(
                number,
                START,
                ((START + one.start * SLOT, START + one.end * SLOT),),
                skills=one.skills,
            )
            for number, one in enumerate(self.counsellors)
        ]


def make_instance(
    seed: int, load: float, *, bunched: bool, requests: int = 2000, counsellors: int = 200
) -> Instance:
    """A day at a load: calls over room for calls. Bunched: deadlines on a grid of two hours."""
    chance = Random(seed)  # noqa: S311 - the same day again, not a secret
    length = requests / (counsellors * load)
    people = []
    for number in range(counsellors):
        start = round(number * (DAY - length) / (counsellors - 1))
        skills = frozenset(chance.sample(SKILLS, chance.choice((1, 2, 2, 3))))
        people.append(Counsellor(skills, start, start + round(length)))
    chance.shuffle(people)
    staying = [Counsellor(one.skills, DAY, DAY + TAIL) for one in people[:STAYING]]
    staying.append(Counsellor(frozenset(SKILLS), DAY, DAY + TAIL))
    return Instance([_request(chance, bunched=bunched) for _ in range(requests)], people + staying)


def _request(chance: Random, *, bunched: bool) -> Request:
    release = round(chance.triangular(0, DAY - 1, 60))
    due = release + chance.randint(0, 16)
    if bunched:
        due = -(-(due + 1) // 8) * 8
    return Request(chance.choice(SKILLS), release, due)
