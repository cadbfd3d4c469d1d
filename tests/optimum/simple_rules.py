"""Rules without a plan to hold it against: whoever is free takes the next one they are able to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.optimum.instances import DAY, TAIL, Instance, Request

#: What comes first, of the requests that wait.
Key = Callable[[Request], int]


def first_come(request: Request) -> int:
    """First come, first served."""
    return request.release


def earliest_due(request: Request) -> int:
    """The earliest deadline first; nothing changes hands."""
    return request.due


def slots_late(instance: Instance, key: Key) -> list[int]:
    """How late each request is, in no order, where each goes to the least skilled who is free."""
    late: list[int] = []
    waiting: list[Request] = []
    for slot in range(DAY + TAIL):
        waiting += [one for one in instance.requests if one.release == slot]
        waiting.sort(key=key)
        here = [one.skills for one in instance.counsellors if one.start <= slot < one.end]
        free, left = Counter(here), list[Request]()
        for request in waiting:
            able = [skills for skills, number in free.items() if number and request.skill in skills]
            if able:
                free[min(able, key=lambda skills: (len(skills), sorted(skills)))] -= 1
                late.append(max(slot - request.due, 0))
            else:
                left.append(request)
        waiting = left
    return late
