"""Facts for the planner, and keeping its plan in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta, tzinfo
from random import Random
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from callback_service.domain import planning, promises, quotes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import Availability, Planned, Task
from callback_service.domain.quotes import Forecast
from callback_service.domain.rota import Duty
from callback_service.models.callback import Attempt, CallbackRequest, Offer, OfferEnding
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services.learning import learned_lengths
from callback_service.services.rota import Proposal, on_now, shifts_between

#: How far past the last request's release the rota is looked at for somebody to serve it.
LOOK_PAST: Final = timedelta(days=2)
#: Calls taken in this time count when load is spread.
RECENT: Final = timedelta(hours=8)
#: Endings that mean: this counsellor let the request go by.
LET_GO: Final = (OfferEnding.LAPSED, OfferEnding.RELEASED)
PLANNER_LOCK: Final = 7_702_026  # any number; shared by all planners on one PostgreSQL


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
    people = availability(session, tasks, now=now, tz=tz)
    return planning.make_plan(tasks, people, now=now, cap=planning.MISSED_CAP)


def forecast_newcomer(
    session: Session, *, latest_open_promise: datetime | None, now: datetime, tz: tzinfo
) -> Forecast | None:
    """When somebody who asks now would be rung; None if the rota holds nobody to do it."""
    tasks = open_tasks(session, now=now, tz=tz)
    return quotes.forecast(
        tasks,
        availability(session, tasks, now=now, tz=tz),
        {who: max(now - since, timedelta()) for who, since in _busy_since(session).items()},
        latest_open_promise=latest_open_promise,
        lengths=learned_lengths(session),
        now=now,
        chance=Random(int(now.timestamp())),  # noqa: S311 - the same facts, the same quote
    )


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
    length = learned_lengths(session).expected
    return [
        Task(
            request_id=request_id,
            release=max(ring_from, now),
            target=promises.target_of(ring_from, due_at, is_window=is_window),
            due=due_at,
            planned_for=last.get(request_id),
            length=length,
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
    busy = _busy_until(session, learned_lengths(session), now=now)
    load = _recent_calls(session, now)
    return [
        Availability(
            counsellor_id=counsellor_id,
            free_at=busy.get(counsellor_id, now),
            spans=tuple(sorted(own)),
            calls_taken=load.get(counsellor_id, 0),
        )
        for counsellor_id, own in sorted(spans.items())
    ]


def _busy_until(session: Session, lengths: CallLengths, *, now: datetime) -> dict[int, datetime]:
    """When each counsellor who holds a request, or has one on offer, is expected to be free."""
    return {
        counsellor_id: now + timedelta(seconds=lengths.left((now - since).total_seconds()))
        for counsellor_id, since in _busy_since(session).items()
    }


def _busy_since(session: Session) -> dict[int, datetime]:
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
    stored = {
        entry.request_id: entry for entry in session.scalars(select(PlanEntry).with_for_update())
    }
    changed = 0
    for planned in plan:
        entry = stored.pop(planned.request_id, None)
        if entry is None:
            entry = PlanEntry(request_id=planned.request_id)
            session.add(entry)
        elif (entry.counsellor_id, entry.starts_at) == (planned.counsellor_id, planned.start):
            continue
        entry.counsellor_id, entry.starts_at, entry.planned_at = (
            planned.counsellor_id,
            planned.start,
            now,
        )
        changed += 1
    for entry in stored.values():
        session.delete(entry)
    return changed + len(stored)
