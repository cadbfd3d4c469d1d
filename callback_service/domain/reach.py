"""Who on the rota could still meet a wish, while it holds.

A wish that nobody on the rota can meet in time is widened at once: it would be waited for in vain.
The rota is asked anew each time, so a wish holds again, for what is left of its own time, once
somebody who meets it is put on shift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from callback_service.domain.planning import HANDOVER_MARGIN, Availability
from callback_service.domain.wishes import Step, asked_until

_NOBODY: Final = frozenset[int]()


class Reach:
    """Who meets what, and when their calls may begin.

    Whoever is in a call or on a break counts, as that can be over any minute; who has signed off
    does not, until then.
    """

    def __init__(self, counsellors: Iterable[Availability]) -> None:
        self._who_meets: defaultdict[str, list[Availability]] = defaultdict(list)
        for one in counsellors:
            for need in one.skills:
                self._who_meets[need].append(one)

    def within(
        self, steps: Sequence[Step], *, avoid: frozenset[int] = _NOBODY, now: datetime
    ) -> list[Step]:
        """The steps from ``now`` on, without what nobody can meet for as long as it is asked for.

        First what nobody meets is left out of all steps, so that it stands in the way of nothing
        else that is wished for; then the steps that no one person meets as a whole. ``avoid`` holds
        the ids of those whom the request is not for.
        """
        met = frozenset(
            need
            for need in steps[0].needs
            if self._is_met({need}, steps[0].since, asked_until(steps, need), avoid, now)
        )
        found, since = list[Step](), steps[0].since
        for step, following in pairwise(steps):
            needs, until = step.needs & met, following.since
            is_asked = needs != following.needs & met
            if is_asked and self._is_met(needs, since, until, avoid, now):
                found.append(Step(needs, since))
                since = until
        return [*found, Step(steps[-1].needs & met, since)]

    def _is_met(
        self,
        needs: Iterable[str],
        since: datetime,
        until: datetime | None,
        avoid: frozenset[int],
        now: datetime,
    ) -> bool:
        """Whether somebody who has all of ``needs`` may begin a call between the two instants."""
        wanted, first = frozenset(needs), max(since, now)
        return not wanted or any(
            wanted <= one.skills
            and one.counsellor_id not in avoid
            and _may_begin(one, first, until)
            for one in self._who_meets[min(wanted)]
        )


def _may_begin(one: Availability, first: datetime, until: datetime | None) -> bool:
    first = max(first, one.signed_off_until or first)
    return any(
        max(start, first) <= end - HANDOVER_MARGIN and (until is None or max(start, first) < until)
        for start, end in one.spans
    )
