"""Counting posts of the form: how many were let in of late, and how many wait."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Final

from sqlalchemy import BindParameter, ColumnElement, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import Session

from callback_service.domain import flood
from callback_service.domain.flood import Seen
from callback_service.models.callback import Submission
from callback_service.models.form_post import FormPost
from callback_service.services import plain_rows

WAITS: Final = FormPost.ask_sealed.is_not(None)


def is_held(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether a person may look at it still.

    Never unknown, so that its opposite holds for what was never held.
    """
    return FormPost.held_until.is_not(None) & (FormPost.held_until > now)


def let_in(session: Session, *, now: datetime) -> int:
    """How many posts were let in of late."""
    return session.scalar(select(_count(_is_let_in(now - flood.COUNTED_FOR)))) or 0


def seen(session: Session, network: bytes, *, now: datetime) -> Seen:
    """What came of late, and what waits: of one network, and in all."""
    return Seen(*plain_rows.row(session, _counts(), _counted(network, now)))


def _counted(network: bytes, now: datetime) -> dict[str, object]:
    return {"network": network, "now": now, "counted_from": now - flood.COUNTED_FOR}


def known_and_seen(
    session: Session, key: str, network: bytes, *, now: datetime
) -> tuple[bool, Seen]:
    """Whether the same form was sent before and let in; and as ``seen``, in the same look."""
    given = {**_counted(network, now), "key": sha256(key.encode()).digest()}
    *counts, is_known = plain_rows.row(session, _counts_and_known(), given)
    return is_known, Seen(*counts)


@cache
def _counts() -> Select[int, int, int, int, int]:
    """The numbers of ``Seen``. Each looks up what an index holds."""
    of_network = FormPost.network_index == bindparam("network")
    held = is_held(bindparam("now"))
    return select(
        _count(_is_let_in(bindparam("counted_from")), of_network),
        _count(_is_let_in(bindparam("counted_from"))),
        _count(WAITS, of_network, ~held),
        _count(WAITS),
        _count(WAITS, of_network, held),
    )


@cache
def _counts_and_known() -> Select[int, int, int, int, int, bool]:
    known = select(Submission.id).where(Submission.key_digest == bindparam("key"))
    return _counts().add_columns(known.exists())


def _is_let_in(counted_from: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return FormPost.let_in_at > counted_from


def _count(*which: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(FormPost).where(*which).scalar_subquery()
