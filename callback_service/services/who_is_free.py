"""Who on the rota rings: who is here now, and when each counsellor is free, for the planner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Final

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from callback_service.domain import wishes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.planning import Availability
from callback_service.domain.rota import Duty, Shift
from callback_service.domain.skills import NO_SKILLS
from callback_service.domain.spans import joined
from callback_service.domain.wall_time import Span
from callback_service.models.callback import Attempt
from callback_service.services import plain_rows, presence
from callback_service.services.rota import Proposal, on_now, resolve
from callback_service.services.staff_skills import skills_of_staff

#: Calls taken in this time count when load is spread.
RECENT: Final = timedelta(hours=8)


def counsellors_on_shift(session: Session, *, now: datetime, tz: tzinfo) -> set[int]:
    """Ids of the counsellors on duty at ``now``."""
    return {shift.person.id for shift in on_now(session, now=now, tz=tz) if shift.person}


def counsellors_here(session: Session, *, now: datetime, tz: tzinfo) -> set[int]:
    """Ids of the counsellors on duty at ``now`` who have not signed off."""
    return counsellors_on_shift(session, now=now, tz=tz) - presence.signed_off(session, now=now)


def on_rota(
    session: Session,
    until: datetime,
    *,
    under_way: Mapping[int, datetime],
    lengths: CallLengths,
    needs: frozenset[str] = frozenset(),
    proposed: Collection[Proposal] = (),
    now: datetime,
    tz: tzinfo,
) -> list[Availability]:
    """Every counsellor with a shift before ``until``, and when they are free.

    ``under_way`` is what ``bonds`` says, and ``lengths`` how long such calls take. Each has
    those of ``needs`` that they meet. What is ``proposed`` for the rota counts as if it were
    stored.
    """
    shifts, _ = resolve(session, now, until, tz=tz, duty=Duty.COUNSELLING, proposed=proposed)
    busy = _busy_until(under_way, lengths, now=now)
    load, seen = _recent_calls(session, now), presence.seen(session, now=now)
    met = _who_meets(session, needs)
    return [
        Availability(
            counsellor_id=who,
            free_at=max(busy.get(who, now), seen.away_until.get(who, now)),
            spans=tuple(joined(own)),  # a shift that follows on another is no end of duty
            calls_taken=load.get(who, 0),
            has_had_break=seen.last_breaks.get(who, own[0][0]) > own[0][0],
            signed_off_until=seen.away_until[who] if who in seen.signed_off else None,
            skills=met(who),
        )
        for who, own in sorted(_spans(shifts).items())
    ]


def _spans(shifts: Iterable[Shift]) -> dict[int, list[Span]]:
    """When each person works, in order; what nobody holds is left out."""
    found: defaultdict[int, list[Span]] = defaultdict(list)
    for shift in shifts:
        if shift.staff_id is not None:
            found[shift.staff_id].append((shift.start, shift.end))
    return found


def _who_meets(session: Session, needs: Iterable[str]) -> Callable[[int], frozenset[str]]:
    """Which of ``needs`` a counsellor meets, by their id."""
    wanted = frozenset(needs)
    skills = skills_of_staff(session) if wanted else {}

    def met_by(staff_id: int) -> frozenset[str]:
        own = skills.get(staff_id, NO_SKILLS)
        return frozenset(
            need for need in wanted if wishes.meets(need, staff_id=staff_id, skills=own)
        )

    return met_by


def _busy_until(
    under_way: Mapping[int, datetime], lengths: CallLengths, *, now: datetime
) -> dict[int, datetime]:
    """When each counsellor who holds a request, or has one on offer, is expected to be free."""
    return {
        counsellor_id: now + timedelta(seconds=lengths.left((now - since).total_seconds()))
        for counsellor_id, since in under_way.items()
    }


def _recent_calls(session: Session, now: datetime) -> dict[int, int]:
    return dict(plain_rows.rows(session, _calls_of_each(), {"since": now - RECENT}).all())


@cache
def _calls_of_each() -> Select[int, int]:
    return (
        select(Attempt.counsellor_id, func.count())
        .where(Attempt.started_at > bindparam("since"))
        .group_by(Attempt.counsellor_id)
    )
