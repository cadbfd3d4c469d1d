"""Which key seals what, and sealing anew with the newest: in short steps that may end anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, inspect, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import (
    BY_REQUEST,
    BY_SERVICE,
    SealBroken,
    Sealed,
    header_of,
    keyring,
)
from callback_service.services import plain_rows, request_keys
from callback_service.services.request_keys import begins

#: Rows sealed anew in one transaction: others wait for a few hundredths of a second at most.
AT_ONCE: Final = 100

Model = type[Base]


@dataclass(frozen=True, slots=True)
class Room:
    """A table with something sealed, and how a row of it is sealed anew."""

    model: Model
    values: tuple[InstrumentedAttribute[bytes | None], ...]
    is_stale: ColumnElement[bool]  # that the newest key, or the request's own, is not yet in use
    renew: Callable[[Session, Any], None]
    loads: tuple[ORMOption, ...] = ()


def sealed_fields(model: Model) -> dict[str, Sealed]:
    """The sealed attributes of a model, by name."""
    return {name: one for name, one in vars(model).items() if isinstance(one, Sealed)}


def rooms() -> list[Room]:
    """Every table with something sealed: the keys of requests first, then what is theirs."""
    newest = header_of(keyring().newest)
    models = [mapper.class_ for mapper in Base.registry.mappers if sealed_fields(mapper.class_)]
    models.sort(key=lambda model: (model is not CallbackRequest, model.__tablename__))
    keys = Room(
        RequestKey, (RequestKey.wrapped,), ~begins(RequestKey.wrapped, newest),
        lambda _session, key: key.rewrap(),
    )  # fmt: skip
    return [keys, *(_room(model, newest) for model in models)]


def _room(model: Model, newest: bytes) -> Room:
    fields = sealed_fields(model)
    values = tuple(getattr(model, field.column) for field in fields.values())
    is_theirs = any(field.by_request for field in fields.values())
    wanted = [_wants_request_key(model)] if is_theirs else []
    stale = [begins(value, BY_SERVICE) & or_(~begins(value, newest), *wanted) for value in values]
    loads = _with_key(model) if is_theirs else ()
    return Room(model, values, or_(*stale), _renew, loads)


def _wants_request_key(model: Any) -> ColumnElement[bool]:
    """Of what a key of the service has sealed: whether its request has a key, or may be given one.

    One that is sealed by the request and finds no key was erased, and is given none.
    """
    key = select(RequestKey.request_uid).where(RequestKey.request_uid == CallbackRequest.uid)
    if model is CallbackRequest:
        return key.exists() | begins(CallbackRequest.phone_sealed, BY_SERVICE)
    theirs = select(CallbackRequest.id).where(CallbackRequest.id == model.request_id)
    return theirs.where(key.exists()).exists()


def _with_key(model: Any) -> tuple[ORMOption, ...]:
    if model is CallbackRequest:
        return (selectinload(CallbackRequest.request_key),)
    return (selectinload(model.request).joinedload(CallbackRequest.request_key),)


def _renew(session: Session, row: Any) -> None:
    if isinstance(row, CallbackRequest) and _never_had_a_key(row):
        plain_rows.put(session, request_keys.give(row))
    texts = {name: getattr(row, name) for name in sealed_fields(type(row))}
    for name, text in texts.items():
        if text is not None:
            setattr(row, name, text)


def _never_had_a_key(request: CallbackRequest) -> bool:
    sealed = request.phone_sealed
    return request.request_key is None and sealed is not None and sealed[:1] == BY_SERVICE


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did. ``last`` is where the next one goes on; None when nothing is left."""

    renewed: int
    broken: int  # rows that do not open: a key is missing, or somebody changed them
    last: int | str | None


def reencrypt_some(
    session: Session, room: Room, *, after: int | str | None, at_once: int = AT_ONCE
) -> Step:
    """Seal anew the next rows of one table.

    Each row is locked first, so that what a writer has just changed is not written over.
    """
    key = inspect(room.model).primary_key[0]
    query = select(room.model).where(room.is_stale).order_by(key).limit(at_once)
    if after is not None:
        query = query.where(key > after)
    rows = session.scalars(
        query.options(*room.loads).with_for_update(of=room.model, key_share=True)
    ).all()
    broken = sum(not _is_renewed(session, room, row) for row in rows)
    last = getattr(rows[-1], key.name) if rows else None
    return Step(len(rows) - broken, broken, last)


def _is_renewed(session: Session, room: Room, row: Any) -> bool:
    try:
        room.renew(session, row)
    except SealBroken:
        return False
    return True


def stale(session: Session, room: Room) -> int:
    """How many rows of a table are not sealed as they would be now."""
    return _count(session, select(inspect(room.model).primary_key[0]).where(room.is_stale))


@dataclass(frozen=True, slots=True)
class Census:
    """How many sealed values name each key of the service; None: keys that are not at hand."""

    request_keys: dict[str | None, int]
    values: dict[str | None, int]
    by_request: int  # values sealed by the keys of requests
    erased: int  # requests that came back without their key


def census(session: Session, ids: tuple[str, ...]) -> Census:
    """Count what every key seals. Reads all tables with something sealed."""
    values: dict[str | None, int] = dict.fromkeys([*ids, None], 0)
    keys, by_request = dict(values), 0
    for room in rooms():
        for value in room.values:
            found, theirs = _census_of(session, value, ids)
            counts = keys if room.model is RequestKey else values
            for key_id, count in found.items():
                counts[key_id] += count
            by_request += theirs
    return Census(keys, values, by_request, _count(session, request_keys.erased_copies()))


def _count(session: Session, query: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _census_of(
    session: Session, value: InstrumentedAttribute[bytes | None], ids: tuple[str, ...]
) -> tuple[dict[str | None, int], int]:
    conditions = [begins(value, header_of(key_id)) for key_id in ids]
    all_of = [begins(value, BY_SERVICE), begins(value, BY_REQUEST)]
    sums = [func.coalesce(func.sum(case((one, 1), else_=0)), 0) for one in conditions + all_of]
    *counts, by_service, by_request = session.execute(select(*sums)).one()
    found: dict[str | None, int] = dict(zip(ids, counts, strict=True))
    found[None] = by_service - sum(counts)
    return found, by_request


def uses(session: Session, key_id: str) -> int:
    """How many sealed values and keys of requests name one key of the service."""
    found = census(session, (key_id,))
    return found.request_keys[key_id] + found.values[key_id]
