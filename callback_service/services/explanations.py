"""Why the plan gives a request to this counsellor at this time, in words for the desk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from callback_service.domain.lifecycle import Outcome, RequestState
from callback_service.domain.promises import target_of
from callback_service.domain.skills import NO_SKILLS, SkillsOf, has
from callback_service.domain.skills import in_words as skill_in_words
from callback_service.domain.wishes import WishKind, in_words, skill_wished
from callback_service.domain.wording import full_day
from callback_service.models.callback import Attempt, CallbackRequest
from callback_service.models.plan import PlanEntry
from callback_service.services.staff_skills import skills_of_staff


def wishes_in_words(request: CallbackRequest) -> list[str]:
    """Whom the caller asked for, in the order in which that is widened: "a woman"."""
    name = request.wish_counsellor.name if request.wish_counsellor else None
    return [in_words(request.wishes, kind, counsellor=name) for kind in request.wishes.kinds()]


def reasons(
    session: Session, requests: Iterable[CallbackRequest], *, now: datetime, tz: tzinfo
) -> dict[int, str]:
    """For each of the waiting ``requests`` that is planned: why then, and why by them."""
    known = list(requests)
    plan = {entry.request_id: entry for entry in session.scalars(select(PlanEntry))}
    targets = sorted(map(_target, known))
    skills = skills_of_staff(session)
    spoke = _spoke_on(session, known)
    return {
        request.id: "; ".join(
            [
                _why_then(request, entry, bisect_left(targets, _target(request)), now=now),
                *_why_them(request, entry, skills, spoke, tz=tz),
            ]
        )
        for request in known
        if (entry := plan.get(request.id)) is not None
    }


def _target(request: CallbackRequest) -> datetime:
    return target_of(request.ring_from, request.due_at, is_window=request.is_window)


def _why_then(request: CallbackRequest, entry: PlanEntry, before: int, *, now: datetime) -> str:
    if request.is_urgent:
        return "urgent, so before all others"
    if request.due_at < now:
        return "past its time"
    if entry.starts_at == request.ring_from > now:
        return "its time begins then"
    return f"{before} due before it" if before else "due first"


def _why_them(
    request: CallbackRequest,
    entry: PlanEntry,
    skills: SkillsOf,
    spoke: Mapping[int, datetime],
    *,
    tz: tzinfo,
) -> list[str]:
    own = skills.get(entry.counsellor_id, NO_SKILLS)
    met = [
        skill_in_words(wanted)
        for kind in request.wishes.kinds()
        if kind is not WishKind.COUNSELLOR
        and has(own, wanted := skill_wished(request.wishes, kind))
    ]
    if entry.counsellor_id == request.wish_counsellor_id:
        at = spoke.get(request.id)
        met.append(f"spoke with them on {full_day(at, tz)}" if at else "spoke with them before")
    unmet = wishes_in_words(request)
    if unmet and not met:
        return [f"no longer kept for {' and '.join(unmet)}"]
    return met or ["free first"]


def _spoke_on(session: Session, requests: Iterable[CallbackRequest]) -> dict[int, datetime]:
    """When the counsellor who is wished for last spoke with the caller, by request."""
    wishing = [request.id for request in requests if request.wish_counsellor_id is not None]
    if not wishing:
        return {}
    earlier = aliased(CallbackRequest)
    rows = session.execute(
        select(CallbackRequest.id, func.max(Attempt.started_at))
        .join(earlier, earlier.phone_index == CallbackRequest.phone_index)
        .join(Attempt, Attempt.request_id == earlier.id)
        .where(
            CallbackRequest.id.in_(wishing),
            CallbackRequest.state != RequestState.CLOSED,
            Attempt.counsellor_id == CallbackRequest.wish_counsellor_id,
            Attempt.outcome == Outcome.ANSWERED,
        )
        .group_by(CallbackRequest.id)
    )
    return dict(rows.all())
