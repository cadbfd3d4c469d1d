"""Facts for the planner, and keeping its plan in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from callback_service.domain import promises, wishes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import (
    MISSED_CAP,
    Availability,
    Planned,
    Task,
    whom_to_avoid,
)
from callback_service.domain.rota import Duty
from callback_service.domain.skills import NO_SKILLS, Gender
from callback_service.domain.spans import joined
from callback_service.domain.wishes import Step, Wishes, plan_with_wishes
from callback_service.models.callback import Attempt, CallbackRequest, Offer, OfferEnding
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services import presence, suppression
from callback_service.services.conflicts import barred_by_waiting
from callback_service.services.learning import learned_lengths
from callback_service.services.rota import Proposal, on_now, shifts_between
from callback_service.services.staff_skills import skills_of_staff

#: How far past the last request's release the rota is looked at for somebody to serve it.
LOOK_PAST: Final = timedelta(days=2)
#: Calls taken in this time count when load is spread.
RECENT: Final = timedelta(hours=8)
#: Endings that mean: this counsellor let the request go by.
LET_GO: Final = (OfferEnding.LAPSED, OfferEnding.RELEASED, OfferEnding.DECLINED)
_AT_ONCE: Final = 1000  # rows in one statement: databases take so many values and not many more
PLANNER_LOCK: Final = 7_702_026  # any number; shared by all planners on one PostgreSQL
_PUT_COLUMNS: Final = text("""
    INSERT INTO plan_entry (request_id, counsellor_id, starts_at, planned_at)
    SELECT *, CAST(:now AS timestamptz) FROM unnest(
        CAST(:requests AS integer[]),
        CAST(:counsellors AS integer[]),
        CAST(:starts AS timestamptz[])
    )
    ON CONFLICT (request_id) DO UPDATE SET counsellor_id = excluded.counsellor_id,
        starts_at = excluded.starts_at, planned_at = excluded.planned_at
""")


#: Id, not before, promised by, whether that is a window, urgent; language, gender, counsellor.
_Waiting = Row[int, datetime, datetime, bool, bool, str | None, Gender | None, int | None]


def plan_is_called_for(session: Session) -> bool:
    """Whether a fact has changed since the last plan."""
    return session.scalar(select(PlanTrigger.id).limit(1)) is not None


def run_plan(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Plan all open requests afresh, unless another planner is at it; how many entries changed."""
    if not _take_planner_lock(session):
        return 0
    # Triggers go before the facts are read: one that comes later stays for the next plan.
    session.execute(delete(PlanTrigger))
    return _store(session, [*_offered(session), *current_plan(session, now=now, tz=tz)], now=now)


@dataclass(frozen=True, slots=True)
class Work:
    """What waits to be planned: the tasks, and by request the steps of its wishes from now on."""

    tasks: list[Task]
    steps_of: dict[int, list[Step]]

    @property
    def needs(self) -> frozenset[str]:
        """All that is asked of some counsellor."""
        return frozenset(
            need for steps in self.steps_of.values() for step in steps for need in step.needs
        )

    def without(self, request_ids: Collection[int]) -> Work:
        """The rest of it."""
        return Work(
            [task for task in self.tasks if task.request_id not in request_ids],
            {one: steps for one, steps in self.steps_of.items() if one not in request_ids},
        )


def current_plan(
    session: Session, *, now: datetime, tz: tzinfo, proposed: Collection[Proposal] = ()
) -> list[Planned]:
    """The plan for every waiting request that is not on offer, from the facts as they are.

    What is ``proposed`` for the rota counts as if it were stored.
    """
    work = open_work(session, now=now, tz=tz)
    return plan_work(work, availability(session, work, now=now, tz=tz, proposed=proposed), now=now)


def plan_work(work: Work, people: Collection[Availability], *, now: datetime) -> list[Planned]:
    """The plan by the rules of the service.

    The cap is fixed: one that follows how late the latest is feeds on itself from plan to plan.
    """
    return plan_with_wishes(work.tasks, work.steps_of, people, now=now, cap=MISSED_CAP)


def open_work(
    session: Session, *, now: datetime, tz: tzinfo, also_on_offer_to: int | None = None
) -> Work:
    """Every waiting request that is not on offer, or only to one person, as the planner sees it."""
    waiting = _waiting_rows(session, also_on_offer_to)
    avoid, never = _let_go_by(session), barred_by_waiting(session)
    here = counsellors_here(session, now=now, tz=tz) if avoid or never else set()
    last = dict(session.execute(select(PlanEntry.request_id, PlanEntry.counsellor_id)).all())
    length = learned_lengths(session).expected
    tasks = [
        Task(
            request_id=request_id,
            release=max(ring_from, now),
            target=promises.target_of(ring_from, due_at, is_window=is_window),
            due=due_at,
            is_urgent=is_urgent,
            planned_for=last.get(request_id),
            length=length,
            avoid=whom_to_avoid(avoid[request_id], never[request_id], here),
        )
        for request_id, ring_from, due_at, is_window, is_urgent, *_ in waiting
    ]
    steps_of = {
        request_id: wishes.in_force(
            wishes.steps(Wishes(*wished), ring_from=ring_from, due_at=due_at), now=now
        )
        for request_id, ring_from, due_at, *_, language, gender, counsellor_id in waiting
        if any(wished := (language, gender, counsellor_id))
    }
    return Work(tasks, steps_of)


def _waiting_rows(session: Session, also_on_offer_to: int | None) -> Sequence[_Waiting]:
    """What the planner asks of each request: its times, how it is to be rung, and its wishes."""
    on_offer = select(Offer.request_id).where(
        Offer.ended_at.is_(None), Offer.counsellor_id.is_distinct_from(also_on_offer_to)
    )
    return session.execute(
        select(
            CallbackRequest.id,
            CallbackRequest.ring_from,
            CallbackRequest.due_at,
            CallbackRequest.is_window,
            CallbackRequest.is_urgent,
            CallbackRequest.wish_language,
            CallbackRequest.wish_gender,
            CallbackRequest.wish_counsellor_id,
        ).where(
            CallbackRequest.state == RequestState.WAITING,
            CallbackRequest.id.not_in(on_offer),
            ~suppression.never_rings(CallbackRequest.phone_index),  # a manager decides
        )
    ).all()


def _let_go_by(session: Session) -> defaultdict[int, set[int]]:
    """Counsellors who let the request go by in its present round, by request."""
    rows = session.execute(
        select(Offer.request_id, Offer.counsellor_id)
        .join(CallbackRequest, CallbackRequest.id == Offer.request_id)
        .where(
            CallbackRequest.state == RequestState.WAITING,
            Offer.round == CallbackRequest.round,
            Offer.ending.in_(LET_GO),
        )
    )
    return _by_request(rows)


def _by_request(rows: Iterable[Row[int, int]]) -> defaultdict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    for request_id, counsellor_id in rows:
        found[request_id].add(counsellor_id)
    return found


def counsellors_on_shift(session: Session, *, now: datetime, tz: tzinfo) -> set[int]:
    """Ids of the counsellors on duty at ``now``."""
    return {shift.person.id for shift in on_now(session, now=now, tz=tz) if shift.person}


def counsellors_here(session: Session, *, now: datetime, tz: tzinfo) -> set[int]:
    """Ids of the counsellors on duty at ``now`` who have not signed off."""
    return counsellors_on_shift(session, now=now, tz=tz) - presence.signed_off(session, now=now)


def availability(
    session: Session,
    work: Work,
    *,
    now: datetime,
    tz: tzinfo,
    proposed: Collection[Proposal] = (),
    also_asked: frozenset[str] = frozenset(),
) -> list[Availability]:
    """Every counsellor with a shift that could serve ``work``, and when they are free.

    What is ``proposed`` for the rota counts as if it were stored. ``also_asked`` are needs beside
    those of ``work``, of which each counsellor has those that they meet.
    """
    until = max((task.release for task in work.tasks), default=now) + LOOK_PAST
    spans: defaultdict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    shifts = shifts_between(session, now, until, tz=tz, duty=Duty.COUNSELLING, proposed=proposed)
    for shift in shifts:
        if shift.person is not None:
            spans[shift.person.id].append((shift.start, shift.end))
    busy = _busy_until(session, learned_lengths(session), now=now)
    load, away = _recent_calls(session, now), presence.away_until(session, now=now)
    breaks = presence.last_breaks(session, now=now)
    needs = work.needs | also_asked
    skills = skills_of_staff(session) if needs else {}
    return [
        Availability(
            counsellor_id=counsellor_id,
            free_at=max(busy.get(counsellor_id, now), away.get(counsellor_id, now)),
            spans=tuple(joined(own)),  # a shift that follows on another is no end of duty
            calls_taken=load.get(counsellor_id, 0),
            has_had_break=breaks.get(counsellor_id, own[0][0]) > own[0][0],
            skills=frozenset(
                need
                for need in needs
                if wishes.meets(
                    need, staff_id=counsellor_id, skills=skills.get(counsellor_id, NO_SKILLS)
                )
            ),
        )
        for counsellor_id, own in sorted(spans.items())
    ]


def _busy_until(session: Session, lengths: CallLengths, *, now: datetime) -> dict[int, datetime]:
    """When each counsellor who holds a request, or has one on offer, is expected to be free."""
    return {
        counsellor_id: now + timedelta(seconds=lengths.left((now - since).total_seconds()))
        for counsellor_id, since in busy_since(session).items()
    }


def busy_since(session: Session) -> dict[int, datetime]:
    """Since when counsellors hold a request, or have one on offer."""
    holds = session.execute(
        select(CallbackRequest.assigned_to_id, CallbackRequest.assigned_at).where(
            CallbackRequest.assigned_to_id.is_not(None)
        )
    )
    offers = session.execute(
        select(Offer.counsellor_id, Offer.made_at).where(Offer.ended_at.is_(None))
    )
    return {
        counsellor_id: since
        for counsellor_id, since in (*offers, *holds)
        if counsellor_id is not None and since is not None
    }


def _recent_calls(session: Session, now: datetime) -> dict[int, int]:
    rows = session.execute(
        select(Attempt.counsellor_id, func.count())
        .where(Attempt.started_at > now - RECENT)
        .group_by(Attempt.counsellor_id)
    )
    return dict(rows.all())


def _offered(session: Session) -> list[Planned]:
    """Requests on offer keep the counsellor who has the offer."""
    offers = session.scalars(select(Offer).where(Offer.ended_at.is_(None)))
    return [Planned(offer.request_id, offer.counsellor_id, offer.made_at) for offer in offers]


def _take_planner_lock(session: Session) -> bool:
    """One planner at a time. SQLite: the transaction holds the only write lock already."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(PLANNER_LOCK))))


def _store(session: Session, plan: list[Planned], *, now: datetime) -> int:
    """Keep ``plan``; how many entries changed."""
    rows = session.execute(
        select(PlanEntry.request_id, PlanEntry.counsellor_id, PlanEntry.starts_at).with_for_update()
    )
    stored = {request_id: (counsellor_id, starts) for request_id, counsellor_id, starts in rows}
    # An offer that ended between the two looks is in both; the later look is right.
    latest = {one.request_id: one for one in plan}
    changed = [
        one
        for one in latest.values()
        if stored.pop(one.request_id, None) != (one.counsellor_id, one.start)
    ]
    gone = list(stored)
    for first in range(0, len(gone), _AT_ONCE):
        some = gone[first : first + _AT_ONCE]
        session.execute(delete(PlanEntry).where(PlanEntry.request_id.in_(some)))
    if changed:
        _put(session, changed, now=now)
    for entry in [one for one in session.identity_map.values() if isinstance(one, PlanEntry)]:
        session.expire(entry)  # what somebody holds is read again
    return len(changed) + len(gone)


def _put(session: Session, entries: list[Planned], *, now: datetime) -> None:
    """Write entries, new or not, in one statement: row by row it takes most of the tick."""
    if session.get_bind().dialect.name == "postgresql":
        requests, counsellors, starts = map(list, zip(*entries, strict=True))
        columns = {"requests": requests, "counsellors": counsellors, "starts": starts}
        session.execute(_PUT_COLUMNS, {**columns, "now": now})
        return
    statement = sqlite.insert(PlanEntry)
    new = {name: statement.excluded[name] for name in ("counsellor_id", "starts_at", "planned_at")}
    session.execute(
        statement.on_conflict_do_update(index_elements=["request_id"], set_=new),
        [
            {"request_id": one[0], "counsellor_id": one[1], "starts_at": one[2], "planned_at": now}
            for one in entries
        ],
    )
