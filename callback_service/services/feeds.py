"""Calendar feeds: private links to shifts, and what stands behind them.

A feed remembers what it has shown, because a calendar that only stops hearing of a shift may keep
it for ever: a shift that is gone is shown as cancelled until it is past. Only news is written, so
a calendar that asks every few minutes costs two reads.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.domain.staff import StaffMember
from callback_service.domain.wall_time import WEEK, Span, start_of_day
from callback_service.errors import Forbidden, NotFound
from callback_service.gateways.ical import Entry, to_ical
from callback_service.models.calendar import CalendarFeed, FeedScope, FeedShift
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.rota import Person, RotaShift, shifts_between
from callback_service.services.rota_calendar import attendee_of, summary_of, uid_of

#: How far back and ahead each kind of feed shows shifts.
REACH = {FeedScope.OWN: (4 * WEEK, 26 * WEEK), FeedScope.WHOLE_ROTA: (WEEK, 8 * WEEK)}
#: Who may have a link of each kind, and whom an open one opens for.
MAY_HAVE = {
    FeedScope.OWN: policy.roles_of(Action.MAKE_CALENDAR_LINK),
    FeedScope.WHOLE_ROTA: policy.roles_of(Action.READ_WHOLE_ROTA_CALENDAR),
}
_SUMMARY = {Duty.COUNSELLING: "Shift", Duty.DUTY_LEAD: "Duty lead"}
_NO_FEED = "There is no calendar at this address. The link may have been ended."


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed that may be read now."""

    id: int
    scope: FeedScope
    owner_id: int


@dataclass(frozen=True, slots=True)
class FeedLine:
    """A live link, for a list: whose it is, and since when."""

    id: int
    scope: FeedScope
    owner_id: int
    owner_name: str
    created_at: datetime


def make_link(session: Session, owner: StaffMember, scope: FeedScope, *, now: datetime) -> str:
    """A new private link's token, which is kept nowhere; the link before it of that kind ends."""
    if owner.role not in MAY_HAVE[scope]:
        raise Forbidden("Your account cannot have this calendar link.")
    session.get(Staff, owner.id, with_for_update=True)  # two links made at once take turns
    session.execute(
        update(CalendarFeed)
        .where(
            CalendarFeed.owner_id == owner.id,
            CalendarFeed.scope == scope,
            CalendarFeed.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    token = secrets.token_urlsafe(32)
    feed = CalendarFeed(owner_id=owner.id, scope=scope, token_digest=_digest(token), created_at=now)
    session.add(feed)
    session.flush()
    _record(session, "calendar.link_made", feed.id, actor_id=owner.id, now=now, scope=scope)
    return token


def live_links(session: Session, viewer: StaffMember) -> list[FeedLine]:
    """The live links ``viewer`` may end: their own, and for a manager all to the whole rota."""
    rows = session.scalars(
        select(CalendarFeed)
        .where(CalendarFeed.revoked_at.is_(None), _may_end(viewer))
        .order_by(CalendarFeed.scope, CalendarFeed.created_at, CalendarFeed.id)
    )
    return [
        FeedLine(row.id, row.scope, row.owner_id, row.owner.name, row.created_at) for row in rows
    ]


def end_link(session: Session, feed_id: int, *, actor: StaffMember, now: datetime) -> None:
    """End a link at once, and forget what it has shown."""
    ended = session.scalar(
        update(CalendarFeed)
        .where(CalendarFeed.id == feed_id, CalendarFeed.revoked_at.is_(None), _may_end(actor))
        .values(revoked_at=now)
        .returning(CalendarFeed.id)
    )
    if ended is None:
        raise NotFound("That calendar link has ended already.")
    session.execute(delete(FeedShift).where(FeedShift.feed_id == feed_id))
    _record(session, "calendar.link_ended", feed_id, actor_id=actor.id, now=now)


def end_all(session: Session, staff_id: int, *, now: datetime) -> None:
    """End every link of somebody whose account is switched off."""
    session.execute(
        update(CalendarFeed)
        .where(CalendarFeed.owner_id == staff_id, CalendarFeed.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def feed_by_token(session: Session, token: str) -> Feed:
    """The feed behind a link; one NotFound for every reason there is none."""
    row = session.scalar(
        select(CalendarFeed).where(
            CalendarFeed.token_digest == _digest(token), CalendarFeed.revoked_at.is_(None)
        )
    )
    if row is None or not row.owner.is_active or row.owner.role not in MAY_HAVE[row.scope]:
        raise NotFound(_NO_FEED)
    return Feed(row.id, row.scope, row.owner_id)


def has_news(session: Session, feed: Feed, *, now: datetime, tz: ZoneInfo) -> bool:
    """Whether the rota in the feed's reach is not what the feed has shown last."""
    reach = reach_of(feed, now=now, tz=tz)
    rota = {uid_of(one): (one.start, one.end) for one in _shifts(session, feed, reach, tz=tz)}
    return rota != {
        row.uid: (row.starts_at, row.ends_at)
        for row in _shown(session, feed, reach)
        if not row.is_cancelled
    }


def remember(session: Session, feed: Feed, *, now: datetime, tz: ZoneInfo) -> None:
    """Bring what the feed shows up to date: new shifts, other ends, and those that are gone."""
    live = select(CalendarFeed.id).where(
        CalendarFeed.id == feed.id, CalendarFeed.revoked_at.is_(None)
    )
    if session.scalar(live.with_for_update()) is None:  # two calendars that ask at once take turns
        raise NotFound(_NO_FEED)
    reach = reach_of(feed, now=now, tz=tz)
    session.execute(
        delete(FeedShift).where(FeedShift.feed_id == feed.id, FeedShift.ends_at <= reach[0])
    )
    shown = {row.uid: row for row in _shown(session, feed, reach)}
    rota = {uid_of(shift): shift for shift in _shifts(session, feed, reach, tz=tz)}
    for uid, shift in rota.items():
        if uid in shown:
            _show_again(shown[uid], shift, now=now)
        else:
            session.add(_new_row(feed, uid, shift, now=now))
    for uid, row in shown.items():
        if uid not in rota and not row.is_cancelled:
            row.is_cancelled, row.sequence, row.changed_at = True, row.sequence + 1, now
    session.flush()


def _show_again(row: FeedShift, shift: RotaShift, *, now: datetime) -> None:
    if row.is_cancelled or (row.starts_at, row.ends_at) != (shift.start, shift.end):
        row.starts_at, row.ends_at, row.is_cancelled = shift.start, shift.end, False
        row.sequence, row.changed_at = row.sequence + 1, now


def _new_row(feed: Feed, uid: str, shift: RotaShift, *, now: datetime) -> FeedShift:
    return FeedShift(
        feed_id=feed.id,
        uid=uid,
        staff_id=shift.staff_id,
        duty=shift.duty,
        starts_at=shift.start,
        ends_at=shift.end,
        is_cancelled=False,
        sequence=0,
        changed_at=now,
    )


def feed_version(session: Session, feed: Feed, *, now: datetime, tz: ZoneInfo) -> str:
    """A name for what the feed shows, far cheaper than the file: a calendar that has it is done."""
    rows = _shown(session, feed, reach_of(feed, now=now, tz=tz))
    facts = [(row.uid, row.sequence, row.changed_at, row.ends_at) for row in rows]
    people = session.execute(select(Staff.id, Staff.name, Staff.email).order_by(Staff.id)).all()
    return hashlib.sha256(repr((facts, people)).encode()).hexdigest()[:32]


def feed_as_ical(
    session: Session, feed: Feed, *, service_name: str, host: str, now: datetime, tz: ZoneInfo
) -> bytes:
    """What the feed shows, as an .ics file; the same bytes until there is news."""
    rows = _shown(session, feed, reach_of(feed, now=now, tz=tz))
    staff_ids = {row.staff_id for row in rows if row.staff_id is not None}
    people = {
        row.id: Person(row.id, row.name, row.email)
        for row in session.scalars(select(Staff).where(Staff.id.in_(staff_ids)))
    }
    entries = [(row.is_cancelled, _entry(feed, row, people, host)) for row in rows]
    return to_ical(
        [entry for is_cancelled, entry in entries if not is_cancelled],
        cancelled=[entry for is_cancelled, entry in entries if is_cancelled],
        name="Shifts" if feed.scope is FeedScope.OWN else f"Rota of {service_name}",
        tz=tz,
        now=now,
    )


def _entry(feed: Feed, row: FeedShift, people: dict[int, Person], host: str) -> Entry:
    is_own = feed.scope is FeedScope.OWN
    person = people.get(row.staff_id) if row.staff_id is not None else None
    return Entry(
        uid=f"{row.uid}@{host}",
        start=row.starts_at,
        end=row.ends_at,
        summary=_SUMMARY[row.duty] if is_own else summary_of(person, row.duty),
        duty=row.duty,
        attendee=None if is_own else attendee_of(person),
        changed_at=row.changed_at,
        sequence=row.sequence,
    )


def reach_of(feed: Feed, *, now: datetime, tz: ZoneInfo) -> Span:
    """What the feed shows: whole local days, so that a new one comes once a day."""
    back, ahead = REACH[feed.scope]
    today = now.astimezone(tz).date()
    return start_of_day(today - back, tz=tz), start_of_day(today + ahead, tz=tz)


def _shifts(session: Session, feed: Feed, reach: Span, *, tz: ZoneInfo) -> list[RotaShift]:
    shifts = shifts_between(session, *reach, tz=tz)
    if feed.scope is FeedScope.WHOLE_ROTA:
        return shifts
    return [shift for shift in shifts if shift.staff_id == feed.owner_id]


def _shown(session: Session, feed: Feed, reach: Span) -> Sequence[FeedShift]:
    return session.scalars(
        select(FeedShift)
        .where(
            FeedShift.feed_id == feed.id,
            FeedShift.ends_at > reach[0],
            FeedShift.starts_at < reach[1],
        )
        .order_by(FeedShift.starts_at, FeedShift.uid)
    ).all()


def _may_end(viewer: StaffMember) -> ColumnElement[bool]:
    own = CalendarFeed.owner_id == viewer.id
    if viewer.role not in MAY_HAVE[FeedScope.WHOLE_ROTA]:
        return own
    return or_(own, CalendarFeed.scope == FeedScope.WHOLE_ROTA)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _record(
    session: Session, action: str, feed_id: int, *, actor_id: int, now: datetime, **detail: str
) -> None:
    audit.record(
        session,
        action,
        subject=CalendarFeed.__tablename__,
        subject_id=feed_id,
        actor_id=actor_id,
        now=now,
        **detail,
    )
