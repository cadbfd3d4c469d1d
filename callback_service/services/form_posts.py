"""Posts of the public form: let into the queue, or kept aside while there are too many.

What waits is let in by itself as soon as the limits allow, the networks with the fewest posts
first, so that one person behind a quiet address is not kept back by those who flood the form.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import partial
from hashlib import sha256
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import flood
from callback_service.domain.contact import LineKind, Phone, SafeContact, Window
from callback_service.domain.flood import FormLimits, Seen
from callback_service.domain.policy import Action
from callback_service.domain.wishes import read_wishes
from callback_service.errors import NotFound, TooMany, WindowGone
from callback_service.models.form_post import FormPost
from callback_service.models.sealing import keyring
from callback_service.services import audit, form_counts, intake
from callback_service.services.asks import Ask
from callback_service.services.form_counts import WAITS, is_held
from callback_service.services.permission import allowed

#: Posts let in by one run, so that it holds the database for a moment only.
LET_IN_AT_ONCE: Final = 10

#: Where the address tells nothing, what is kept aside stands together under this.
NO_ADDRESS: Final = "no address"


def take(
    session: Session,
    ask: Ask,
    *,
    address: str | None,
    limits: FormLimits,
    is_by_program: bool = False,
    is_alone: bool = False,
    now: datetime,
    tz: tzinfo,
) -> str:
    """Let a post into the queue, or keep it aside; the key that opens its pages.

    ``address`` is where it came from; None, where that tells nothing, is not counted. What seems to
    be by a program is kept aside for a person to look at. Raises WindowGone as ``take_request``
    does, and TooMany when there is no place to wait in; and IntegrityError as that does, if what is
    new ``is_alone`` in its transaction.
    """
    if address is None and not is_by_program:
        return intake.take_request(session, ask, now=now, tz=tz)
    network = _index(address or NO_ADDRESS)
    is_known, seen = form_counts.known_and_seen(session, ask.key, network, now=now)
    if is_known:  # the queue knows what to do with it
        return intake.take_request(session, ask, now=now, tz=tz)
    if not is_by_program and not flood.must_wait(seen, limits):
        noted = partial(_let_in_post, network=network, now=now)
        return intake.take_request(
            session, ask, is_new=True, is_alone=is_alone, noted=noted, now=now, tz=tz
        )
    if not flood.can_be_kept(seen):
        raise TooMany("We cannot take more requests from here just now. Ring us instead.")
    held_until = now + flood.HELD_FOR if is_by_program else None
    return _keep_aside(session, ask, network, held_until=held_until, now=now)


def is_flooded(session: Session, *, limits: FormLimits, now: datetime) -> bool:
    """Whether so many posts came in of late that callers are asked to ring instead."""
    return flood.is_flooded(Seen(0, form_counts.let_in(session, now=now), 0, 0), limits)


def is_waiting(session: Session, key: str) -> bool:
    """Whether what was sent with the form that had this key waits to be let in."""
    return _waiting_with(session, key) is not None


def withdraw(session: Session, key: str, *, now: datetime) -> bool:
    """Forget a post that waits, as whoever sent it wishes; whether there was one."""
    post = _waiting_with(session, key)
    if post is None:
        return False
    _forget(session, post, "form_post.withdrawn", now=now)
    return True


def is_any_waiting(session: Session) -> bool:
    """Whether a post waits; a cheap look before any lock is taken."""
    return session.scalar(select(FormPost.id).where(WAITS).limit(1)) is not None


def is_any_held(session: Session, *, now: datetime) -> bool:
    """Whether a post that seems to be a program's waits for a person to look at it."""
    return session.scalar(select(FormPost.id).where(WAITS, is_held(now)).limit(1)) is not None


def is_any_late(session: Session, *, now: datetime) -> bool:
    """Whether a post waits because there are too many."""
    late = select(FormPost.id).where(WAITS, ~is_held(now))
    return session.scalar(late.limit(1)) is not None


def let_in_due(session: Session, *, limits: FormLimits, now: datetime, tz: tzinfo) -> int:
    """Let in what the limits allow by now, the quietest network first; how many posts."""
    oldest = (
        select(func.min(FormPost.id))
        .where(WAITS, ~is_held(now))
        .group_by(FormPost.network_index)
        .order_by(func.count(), func.min(FormPost.posted_at))
        .limit(LET_IN_AT_ONCE)
    )
    moved = 0
    for post_id in session.scalars(oldest).all():
        post = _locked(session, post_id)
        if post and flood.has_room(form_counts.seen(session, post.network_index, now=now), limits):
            _let_in_one(session, post, now=now, tz=tz)
            moved += 1
    return moved


def waiting_under(session: Session, phone_index: bytes | None) -> list[tuple[datetime, Ask]]:
    """What waits to be let in under a number: when it came, and what was asked."""
    rows = session.scalars(_under(phone_index))
    return [(row.posted_at, _unpack(row.ask or "")) for row in rows]


def erase_under(
    session: Session, phone_index: bytes | None, *, actor_id: int | None, now: datetime
) -> int:
    """Erase what waits under a number; how many posts. One that is let in just now is waited for.

    Afterwards every post of the number is either gone or a request that can be seen.
    """
    posts = session.scalars(_under(phone_index).with_for_update()).all()
    for post in posts:
        _forget(session, post, "form_post.erased", now=now, actor_id=actor_id)
    return len(posts)


def _under(phone_index: bytes | None) -> Select[FormPost]:
    return select(FormPost).where(WAITS, FormPost.phone_index == phone_index).order_by(FormPost.id)


@dataclass(frozen=True, slots=True)
class Group:
    """The posts of one network that wait. ``post_id`` is the oldest of them."""

    post_id: int
    posts: int
    numbers: int  # different ones
    by_program: int  # seem to be filled in by one
    first_at: datetime
    last_at: datetime


def groups(session: Session) -> list[Group]:
    """What waits, by network, the fewest posts first. Says nothing of who sent it."""
    first = func.min(FormPost.posted_at)
    rows = session.execute(
        select(
            func.min(FormPost.id),
            func.count(),
            func.count(FormPost.phone_index.distinct()),
            func.count(FormPost.held_until),
            first,
            func.max(FormPost.posted_at),
        )
        .where(WAITS)
        .group_by(FormPost.network_index)
        .order_by(func.count(), first)
    )
    return [Group(*row) for row in rows]


@allowed(Action.LET_POSTS_IN)
def let_in(session: Session, post_id: int, *, actor_id: int, now: datetime, tz: tzinfo) -> int:
    """Let all of one network into the queue, as a manager decided; how many posts."""
    posts = _of_same_network(session, post_id)
    for post in posts:
        _let_in_one(session, post, now=now, tz=tz, actor_id=actor_id)
    return len(posts)


@allowed(Action.DISCARD_POSTS)
def discard(session: Session, post_id: int, *, actor_id: int, now: datetime) -> int:
    """Throw all posts of one network away, as a manager decided; how many."""
    posts = _of_same_network(session, post_id)
    for post in posts:
        _forget(session, post, "form_post.discarded", now=now, actor_id=actor_id)
    return len(posts)


def _index(address: str) -> bytes:
    return keyring().blind_index("form network", address)


def _let_in_post(key: str, *, network: bytes, now: datetime) -> FormPost:
    """A post that was let in, to be counted; once, if the same form was sent twice at once."""
    return FormPost(key_digest=_digest(key), network_index=network, posted_at=now, let_in_at=now)


def _is_new(session: Session, post: FormPost) -> bool:
    """Keep ``post``; False if the same form was sent twice at once and the other was earlier."""
    try:
        with session.begin_nested():
            session.add(post)
    except IntegrityError:
        return False
    return True


def _keep_aside(
    session: Session, ask: Ask, network: bytes, *, held_until: datetime | None, now: datetime
) -> str:
    earlier = _waiting_with(session, ask.key)
    if earlier is not None and earlier.ask == _pack(ask):
        return ask.key
    if earlier is not None:  # an old form sent again with other answers
        ask = replace(ask, key=intake.new_key())
    post = FormPost(
        key_digest=_digest(ask.key),
        network_index=network,
        phone_index=keyring().blind_index("phone", ask.phone.e164),
        posted_at=now,
        held_until=held_until,
    )
    if not _is_new(session, post):
        return ask.key
    post.ask = _pack(ask)
    _record(session, post, "form_post.kept_aside", now=now)
    session.flush()
    return ask.key


def _let_in_one(
    session: Session, post: FormPost, *, now: datetime, tz: tzinfo, actor_id: int | None = None
) -> None:
    """Put one into the queue. A time that has passed or filled meanwhile is as soon as we can."""
    ask = _unpack(post.ask or "")
    try:
        intake.take_request(session, ask, now=now, tz=tz)
    except WindowGone:
        intake.take_request(session, replace(ask, window=None), now=now, tz=tz)
    post.ask = post.phone_index = None
    post.let_in_at = now
    _record(session, post, "form_post.let_in", now=now, actor_id=actor_id)
    session.flush()


def _forget(
    session: Session, post: FormPost, action: str, *, now: datetime, actor_id: int | None = None
) -> None:
    _record(session, post, action, now=now, actor_id=actor_id)
    session.delete(post)
    session.flush()


def _record(
    session: Session, post: FormPost, action: str, *, now: datetime, actor_id: int | None = None
) -> None:
    audit.record(
        session, action, subject="form_post", subject_id=post.id, actor_id=actor_id, now=now
    )


def _of_same_network(session: Session, post_id: int) -> list[FormPost]:
    post = session.get(FormPost, post_id)
    if post is None or post.ask_sealed is None:
        raise NotFound("These requests do not wait any more.")
    waiting = select(FormPost).where(WAITS, FormPost.network_index == post.network_index)
    return list(session.scalars(waiting.order_by(FormPost.id).with_for_update()))


def _locked(session: Session, post_id: int) -> FormPost | None:
    """The post, unless another run has it or is done with it."""
    waiting = select(FormPost).where(FormPost.id == post_id, WAITS)
    return session.scalar(waiting.with_for_update(skip_locked=True))


def _waiting_with(session: Session, key: str) -> FormPost | None:
    return session.scalar(
        select(FormPost).where(FormPost.key_digest == _digest(key), WAITS).with_for_update()
    )


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _pack(ask: Ask) -> str:
    """What was asked, as text to seal."""
    window = [at.isoformat() for at in (ask.window.start, ask.window.end)] if ask.window else None
    return json.dumps(
        {
            "key": ask.key,
            "phone": [ask.phone.e164, ask.phone.kind],
            "name": ask.name,
            "window": window,
            "safe_contact": [ask.safe_contact.may_text, ask.safe_contact.may_leave_voicemail],
            "note": ask.note,
            "consent_version": ask.consent_version,
            "wishes": [ask.wishes.language, ask.wishes.gender],
            "same_counsellor": ask.wishes_same_counsellor,
            "network": ask.network,
            "reminder": ask.wants_reminder,
        }
    )


def _unpack(text: str) -> Ask:
    packed = json.loads(text)
    window = packed["window"]
    number, kind = packed["phone"]
    return Ask(
        key=packed["key"],
        phone=Phone(number, LineKind(kind)),
        name=packed["name"],
        window=Window(*map(datetime.fromisoformat, window)) if window else None,
        safe_contact=SafeContact(*packed["safe_contact"]),
        note=packed["note"],
        consent_version=packed["consent_version"],
        wishes=read_wishes(*packed["wishes"]),
        wishes_same_counsellor=packed["same_counsellor"],
        network=packed["network"],
        wants_reminder=packed["reminder"],
    )
