"""The time to promise to somebody who asks for a call as soon as we can, from the facts stored."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from functools import cache

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain import newcomers
from callback_service.domain.habits import Habits
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.newcomers import Known, Quote
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.models.callback import CallbackRequest, ContactWindow
from callback_service.services import plain_rows
from callback_service.services.learning import learned_lapses, learned_z
from callback_service.services.planning import availability, open_work


def quote_as_soon_as_possible(
    session: Session, *, wished: Wishes = NO_WISHES, now: datetime, tz: tzinfo
) -> Quote:
    """What to promise for "as soon as you can": never ahead of an older promise."""
    work = open_work(session, now=now, tz=tz)
    asked = frozenset(wished.need_of(kind) for kind in wished.kinds())
    known = Known(
        work.tasks,
        work.steps_of,
        availability(session, work, also_asked=asked, now=now, tz=tz),
        {who: max(now - since, timedelta()) for who, since in work.under_way.items()},
        Habits(work.lengths, learned_lapses(session)),
        z=learned_z(session),
        latest_open_promise=_latest_open_promise(session, wished),
    )
    return newcomers.quote(known, wished, now=now)


def _latest_open_promise(session: Session, wished: Wishes) -> datetime | None:
    """The latest promise a newcomer is held back by (``wishes.is_held_back_by``, as a query)."""
    return plain_rows.row(session, _latest_alike(), {"language": wished.language})[0]


@cache
def _latest_alike() -> Select[datetime | None]:
    language = CallbackRequest.wish_language
    return (
        select(func.max(ContactWindow.due_at))
        .join(CallbackRequest, CallbackRequest.id == ContactWindow.request_id)
        .where(
            ContactWindow.is_window.is_(False),
            ContactWindow.ended_at.is_(None),
            CallbackRequest.state == RequestState.WAITING,
            CallbackRequest.first_attempt_at.is_(None),
            or_(language.is_(None), language == bindparam("language")),
        )
    )
