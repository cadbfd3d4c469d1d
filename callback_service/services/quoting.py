"""The time to promise to somebody who asks for a call as soon as we can, from the facts stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Final

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain import newcomers
from callback_service.domain.habits import Habits
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.newcomers import Known, Quote
from callback_service.domain.planning import Availability
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.models.callback import CallbackRequest, ContactWindow
from callback_service.services import plain_rows
from callback_service.services.planning import Work, availability, open_work
from callback_service.services.remembered import Remembered


def quote_as_soon_as_possible(
    session: Session, *, wished: Wishes = NO_WISHES, now: datetime, tz: tzinfo
) -> Quote:
    """What to promise for "as soon as you can": never ahead of an older promise."""
    work = open_work(session, now=now, tz=tz)
    known = Known(
        work.tasks,
        work.steps_of,
        _people(session, work, wished, now=now, tz=tz),
        {who: max(now - since, timedelta()) for who, since in work.under_way.items()},
        Habits(work.learned.lengths, work.learned.lapses),
        z=work.learned.z,
        latest_open_promise=_latest_open_promise(session, wished),
    )
    return newcomers.quote(known, wished, now=now)


#: Where many ask at once, the rota is not read for each of them. Nobody is told of a change of it
#: so fast, and the plan that it calls for says which promises it breaks.
_rota: Final = Remembered[Sequence[Availability]](holds_for=timedelta(seconds=1))


def _people(
    session: Session, work: Work, wished: Wishes, *, now: datetime, tz: tzinfo
) -> Sequence[Availability]:
    """Who is there to ring, as it is or was a second ago at most."""
    asked = frozenset(wished.need_of(kind) for kind in wished.kinds())

    def look() -> Sequence[Availability]:
        return availability(session, work, also_asked=asked, now=now, tz=tz)

    until = max((task.release for task in work.tasks if task.release > now), default=None)
    return _rota.get(session, look, about=(until, work.needs | asked), now=now)


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
