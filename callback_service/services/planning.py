"""Facts for the planner, and keeping its plan in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Final

from sqlalchemy import (
    Integer,
    Row,
    Select,
    bindparam,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from callback_service.domain import promises, wishes
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.plan_wishes import plan_with_wishes
from callback_service.domain.planning import (
    MISSED_CAP,
    Availability,
    Planned,
    Task,
    whom_to_avoid,
)
from callback_service.domain.skills import Gender
from callback_service.domain.wishes import Step, Wishes
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services import plain_rows, suppression
from callback_service.services.bonds import Bonds, bonds
from callback_service.services.learning import Learned, learned
from callback_service.services.rota import Proposal
from callback_service.services.who_is_free import counsellors_here, on_rota

#: How far past the last request's release the rota is looked at for somebody to serve it.
LOOK_PAST: Final = timedelta(days=2)
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


#: Id, not before, promised by, whether that is a window, urgent, by whom it was planned last; and
#: what is wished for: language, gender, counsellor.
_Columns = tuple[
    int, datetime, datetime, bool, bool, int | None, str | None, Gender | None, int | None
]
_Waiting = Row[*_Columns]


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
    """What waits to be planned: the tasks, and by request the steps of its wishes from now on.

    And what is under way: since when each counsellor is busy who is, and what the last calls say.
    """

    tasks: list[Task]
    steps_of: dict[int, list[Step]]
    under_way: Mapping[int, datetime]
    learned: Learned

    @property
    def needs(self) -> frozenset[str]:
        """All that is asked of some counsellor."""
        return frozenset(
            need for steps in self.steps_of.values() for step in steps for need in step.needs
        )

    def without(self, request_ids: Collection[int]) -> Work:
        """The rest of it."""
        return replace(
            self,
            tasks=[task for task in self.tasks if task.request_id not in request_ids],
            steps_of={one: own for one, own in self.steps_of.items() if one not in request_ids},
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
    bound = bonds(session)
    avoid = whom_each_avoids(session, bound, now=now, tz=tz)
    known = learned(session, now=now)
    return Work(
        _tasks(waiting, avoid, known.lengths.expected, now=now),
        _steps_of(waiting, now=now),
        bound.under_way,
        known,
    )


def _tasks(
    waiting: Sequence[_Waiting],
    avoid: Mapping[int, frozenset[int]],
    length: timedelta,
    *,
    now: datetime,
) -> list[Task]:
    return [
        Task(
            request_id=request_id,
            release=max(ring_from, now),
            target=promises.target_of(ring_from, due_at, is_window=is_window),
            due=due_at,
            is_urgent=is_urgent,
            planned_for=planned_for,
            length=length,
            avoid=avoid.get(request_id, frozenset()),
        )
        for request_id, ring_from, due_at, is_window, is_urgent, planned_for, *_ in waiting
    ]


def _steps_of(waiting: Sequence[_Waiting], *, now: datetime) -> dict[int, list[Step]]:
    return {
        request_id: wishes.in_force(
            wishes.steps(Wishes(*wished), ring_from=ring_from, due_at=due_at), now=now
        )
        for request_id, ring_from, due_at, *_, language, gender, counsellor_id in waiting
        if any(wished := (language, gender, counsellor_id))
    }


def _waiting_rows(session: Session, also_on_offer_to: int | None) -> Sequence[_Waiting]:
    """What the planner asks of each request: its times, how it is to be rung, and its wishes."""
    return plain_rows.rows(session, _waiting(), {"also_on_offer_to": also_on_offer_to}).all()


@cache
def _waiting() -> Select[*_Columns]:
    on_offer = select(Offer.request_id).where(
        Offer.ended_at.is_(None),
        Offer.counsellor_id.is_distinct_from(bindparam("also_on_offer_to", type_=Integer())),
    )
    return (
        select(
            CallbackRequest.id,
            CallbackRequest.ring_from,
            CallbackRequest.due_at,
            CallbackRequest.is_window,
            CallbackRequest.is_urgent,
            PlanEntry.counsellor_id,
            CallbackRequest.wish_language,
            CallbackRequest.wish_gender,
            CallbackRequest.wish_counsellor_id,
        )
        .outerjoin(PlanEntry, PlanEntry.request_id == CallbackRequest.id)
        .where(
            CallbackRequest.state == RequestState.WAITING,
            CallbackRequest.id.not_in(on_offer),
            ~suppression.never_rings(CallbackRequest.phone_index),  # a manager decides
        )
    )


def whom_each_avoids(
    session: Session, bound: Bonds, *, now: datetime, tz: tzinfo
) -> dict[int, frozenset[int]]:
    """By waiting request that is not for everybody: the counsellors it is not for."""
    let_go_by, never, nobody = bound.let_go_by, bound.never, frozenset[int]()
    if not let_go_by and not never:
        return {}
    here = counsellors_here(session, now=now, tz=tz)
    return {
        request_id: whom_to_avoid(
            let_go_by.get(request_id, nobody), never.get(request_id, nobody), here
        )
        for request_id in [*let_go_by, *never]
    }


def availability(
    session: Session,
    work: Work,
    *,
    now: datetime,
    tz: tzinfo,
    proposed: Collection[Proposal] = (),
    also_asked: frozenset[str] = frozenset(),
) -> list[Availability]:
    """Every counsellor with a shift that could serve ``work``: see ``who_is_free.on_rota``.

    ``also_asked`` are needs beside those of ``work``.
    """
    until = max((task.release for task in work.tasks), default=now) + LOOK_PAST
    needs = work.needs | also_asked
    return on_rota(
        session, until, under_way=work.under_way, lengths=work.learned.lengths,
        needs=needs, proposed=proposed, now=now, tz=tz,
    )  # fmt: skip


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
