"""Giving each request a key of its own, and destroying it when the request is erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, delete, func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import BY_REQUEST


def give(request: CallbackRequest) -> RequestKey:
    """Make the key that seals what hangs on ``request`` from now on. It is yet to be inserted."""
    key = RequestKey.new(request.uid)
    set_committed_value(request, "request_key", key)  # spares looking for what was just made
    return key


def destroy(session: Session, request: CallbackRequest) -> None:
    """Delete the key: no copy of what it has sealed opens any more, in whatever backup."""
    session.execute(delete(RequestKey).where(RequestKey.request_uid == request.uid))


def by_request(
    session: Session, request_ids: Iterable[int | None]
) -> Mapping[int | None, RequestKey]:
    """The keys of several requests, by their ids."""
    wanted = {one for one in request_ids if one is not None}
    if not wanted:
        return {}
    found = session.execute(
        select(CallbackRequest.id, RequestKey)
        .join(RequestKey, RequestKey.request_uid == CallbackRequest.uid)
        .where(CallbackRequest.id.in_(wanted))
    )
    return dict(found.all())


def begins(value: Any, header: bytes) -> ColumnElement[bool]:
    """Whether a sealed value in a column begins so."""
    return func.substr(value, 1, len(header), type_=LargeBinary) == header


def erased_copies() -> Select[CallbackRequest]:
    """Requests that were erased and came back with an older backup: nothing of them opens."""
    key = select(RequestKey.request_uid).where(RequestKey.request_uid == CallbackRequest.uid)
    return select(CallbackRequest).where(
        begins(CallbackRequest.phone_sealed, BY_REQUEST), ~key.exists()
    )
