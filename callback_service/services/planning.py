"""Facts for the planner, and keeping its plan in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session, aliased

from callback_service.domain import planning, promises
from callback_service.domain.lifecycle import LetGo, RequestState
from callback_service.domain.planning import Availability, Planned, Task
from callback_service.domain.rota import Duty
from callback_service.models.callback import Attempt, CallbackRequest, Offer, OfferEnding
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services import presence
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
LET_GO: Final = (OfferEnding.LAPSED, OfferEnding.RELEASED, OfferEnding.DECLINED)
#: Stands for somebody who asks now: behind every request that is due at the same instant.
NEWCOMER: Final = 2**63
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
    return planning.make_plan(tasks, availability(session, tasks, now=now, tz=tz), now=now)


def expect_newcomer(
    session: Session, *, latest_open_promise: datetime | None, now: datetime, tz: tzinfo
) -> datetime | None:
    """When the plan would ring somebody who asks now; None if the rota holds nobody to do it."""
    due = max(now + NEWCOMER_DUE, latest_open_promise or now)
    tasks = [*open_tasks(session, now=now, tz=tz), Task(NEWCOMER, release=now, target=due)]
    plan = planning.make_plan(tasks, availability(session, tasks, now=now, tz=tz), now=now)
    return next((entry.start for entry in plan if entry.request_id == NEWCOMER), None)


def open_tasks(
    session: Session, *, now: datetime, tz: tzinfo, also_on_offer_to: int | None = None
) -> list[Task]:
    """Every waiting request that is not on offer, or only to one person, as the planner sees it."""
    on_offer = select(Offer.request_id).where(
        Offer.ended_at.is_(None), Offer.counsellor_id.is_distinct_from(also_on_offer_to)
    )
    waiting = session.execute(
        select(
            CallbackRequest.id,
            CallbackRequest.ring_from,
            CallbackRequest.due_at,
            CallbackRequest.is_window,
        ).where(CallbackRequest.state == RequestState.WAITING, CallbackRequest.id.not_in(on_offer))
    ).all()
    avoid, never = _let_go_by(session), known_to(session)
    last = dict(session.execute(select(PlanEntry.request_id, PlanEntry.counsellor_id)).all())
    here = counsellors_here(session, now=now, tz=tz)
    return [
        Task(
            request_id=request_id,
            release=max(ring_from, now),
            target=promises.target_of(ring_from, due_at, is_window=is_window),
            due=due_at,
            planned_for=last.get(request_id),
            avoid=_to_avoid(avoid[request_id], never[request_id], here),
        )
        for request_id, ring_from, due_at, is_window in waiting
    ]


def _to_avoid(let_go_by: set[int], never: set[int], here: set[int]) -> frozenset[int]:
    """Whom a request is not for. Once all who are here have let it go by, it is for all again."""
    again = here <= let_go_by | never
    return frozenset(never if again else let_go_by | never)


def known_to(session: Session) -> defaultdict[int, set[int]]:
    """Counsellors who said that they know the caller, by waiting request of the same number."""
    earlier, waiting = aliased(CallbackRequest), aliased(CallbackRequest)
    rows = session.execute(
        select(waiting.id, Offer.counsellor_id)
        .join(earlier, earlier.id == Offer.request_id)
        .join(waiting, waiting.phone_index == earlier.phone_index)
        .where(waiting.state == RequestState.WAITING, Offer.reason == LetGo.KNOWS_CALLER)
    )
    return _by_request(rows)


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
    away = presence.away_until(session, now=now)
    return [
        Availability(
            counsellor_id=counsellor_id,
            free_at=max(busy.get(counsellor_id, now), away.get(counsellor_id, now)),
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
