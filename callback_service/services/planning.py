"""Facts for the planner, and keeping its plan in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from callback_service.domain import planning, promises
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import Availability, Planned, Task
from callback_service.domain.rota import Duty
from callback_service.models.callback import Attempt, CallbackRequest, Offer, OfferEnding
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services.rota import Proposal, on_now, shifts_between

#: How far past the last request's release the rota is looked at for somebody to serve it.
LOOK_PAST: Final = timedelta(days=2)
#: Calls taken in this time count when load is spread.
RECENT: Final = timedelta(hours=8)
#: A call that has run over is taken to end this soon; never "now", or a request would wait for it.
SOONEST_END: Final = timedelta(minutes=5)
#: A newcomer is planned as if due this soon, unless an older promise stands behind that.
NEWCOMER_DUE: Final = timedelta(minutes=30)
#: Endings that mean: this counsellor let the request go by.
LET_GO: Final = (OfferEnding.LAPSED, OfferEnding.RELEASED)
#: Stands for somebody who asks now: behind every request that is due at the same instant.
NEWCOMER: Final = 2**63
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


def current_plan(session: Session, *, now: datetime, tz: tzinfo) -> list[Planned]:
    """The plan for every waiting request that is not on offer, from the facts as they are."""
    tasks = open_tasks(session, now=now, tz=tz)
    return planning.make_plan(tasks, availability(session, tasks, now=now, tz=tz), now=now)


def expect_newcomer(
    session: Session, *, latest_open_promise: datetime | None, now: datetime, tz: tzinfo
) -> datetime | None:
    """When the plan would ring somebody who asks now; None if the rota holds nobody to do it."""
    due = max(now + NEWCOMER_DUE, latest_open_promise or now)
    tasks = [*open_tasks(session, now=now, tz=tz), Task(NEWCOMER, release=now, target=due)]
    plan = planning.make_plan(tasks, availability(session, tasks, now=now, tz=tz), now=now)
    return next((entry.start for entry in plan if entry.request_id == NEWCOMER), None)


def open_tasks(session: Session, *, now: datetime, tz: tzinfo) -> list[Task]:
    """Every waiting request that is not on offer, as the planner sees it."""
    on_offer = select(Offer.request_id).where(Offer.ended_at.is_(None))
    waiting = session.execute(
        select(
            CallbackRequest.id,
            CallbackRequest.ring_from,
            CallbackRequest.due_at,
            CallbackRequest.is_window,
        ).where(CallbackRequest.state == RequestState.WAITING, CallbackRequest.id.not_in(on_offer))
    ).all()
    avoid = _let_go_by(session)
    last = dict(session.execute(select(PlanEntry.request_id, PlanEntry.counsellor_id)).all())
    on_shift = counsellors_on_shift(session, now=now, tz=tz)
    return [
        Task(
            request_id=request_id,
            release=max(ring_from, now),
            target=promises.target_of(ring_from, due_at, is_window=is_window),
            due=due_at,
            planned_for=last.get(request_id),
            # Once everybody on shift has let it go by, it is for everybody again.
            avoid=frozenset() if on_shift <= avoid[request_id] else frozenset(avoid[request_id]),
        )
        for request_id, ring_from, due_at, is_window in waiting
    ]


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
    found: defaultdict[int, set[int]] = defaultdict(set)
    for request_id, counsellor_id in rows:
        found[request_id].add(counsellor_id)
    return found


def counsellors_on_shift(session: Session, *, now: datetime, tz: tzinfo) -> set[int]:
    """Ids of the counsellors on duty at ``now``."""
    return {shift.person.id for shift in on_now(session, now=now, tz=tz) if shift.person}


def availability(
    session: Session,
    tasks: list[Task],
    *,
    now: datetime,
    tz: tzinfo,
    proposed: Collection[Proposal] = (),
) -> list[Availability]:
    """Every counsellor with a shift that could serve ``tasks``, and when they are free.

    What is ``proposed`` for the rota counts as if it were stored.
    """
    until = max((task.release for task in tasks), default=now) + LOOK_PAST
    spans: defaultdict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    shifts = shifts_between(session, now, until, tz=tz, duty=Duty.COUNSELLING, proposed=proposed)
    for shift in shifts:
        if shift.person is not None:
            spans[shift.person.id].append((shift.start, shift.end))
    busy, load = _busy_until(session, now), _recent_calls(session, now)
    return [
        Availability(
            counsellor_id=counsellor_id,
            free_at=busy.get(counsellor_id, now),
            spans=tuple(sorted(own)),
            calls_taken=load.get(counsellor_id, 0),
        )
        for counsellor_id, own in sorted(spans.items())
    ]


def _busy_until(session: Session, now: datetime) -> dict[int, datetime]:
    """When each counsellor who holds a request, or has one on offer, is expected to be free."""
    holds = session.execute(
        select(CallbackRequest.assigned_to_id, CallbackRequest.assigned_at).where(
            CallbackRequest.assigned_to_id.is_not(None)
        )
    )
    offers = session.execute(
        select(Offer.counsellor_id, Offer.made_at).where(Offer.ended_at.is_(None))
    )
    return {
        counsellor_id: max(since + planning.CALL_LENGTH, now + SOONEST_END)
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
    changed = [
        one for one in plan if stored.pop(one.request_id, None) != (one.counsellor_id, one.start)
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
