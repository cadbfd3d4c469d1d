"""Which counsellors have a request in hand, and which requests are not for whom: in one look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import CompoundSelect, literal, null, select, union_all
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.services import plain_rows
from callback_service.services.conflicts import barred_from_waiting

#: Endings that mean: this counsellor let the request go by.
LET_GO: Final = (OfferEnding.LAPSED, OfferEnding.RELEASED, OfferEnding.DECLINED)


class _Bond(IntEnum):
    """What a row says of a request and a counsellor."""

    ON_OFFER = 0
    HELD = 1
    LET_GO_BY = 2
    BARRED = 3


@dataclass(frozen=True, slots=True)
class Bonds:
    """What binds counsellors and requests, and what keeps them apart."""

    under_way: Mapping[int, datetime]  # since when counsellors hold one, or have one on offer
    let_go_by: Mapping[int, Set[int]]  # by waiting request: who let it go by, in its present round
    never: Mapping[int, Set[int]]  # by waiting request: who is barred from it


def bonds(session: Session) -> Bonds:
    """All of them as they stand."""
    since = {_Bond.ON_OFFER: dict[int, datetime](), _Bond.HELD: dict[int, datetime]()}
    apart = {_Bond.LET_GO_BY: defaultdict[int, set[int]](set)}
    apart[_Bond.BARRED] = defaultdict(set)
    for request_id, counsellor_id, at, kind in plain_rows.rows(session, _bonds()):
        if kind in since:
            since[kind][counsellor_id] = at
        else:
            apart[kind][request_id].add(counsellor_id)
    # Of an offer and what they hold, the latter counts.
    under_way = since[_Bond.ON_OFFER] | since[_Bond.HELD]
    return Bonds(under_way, apart[_Bond.LET_GO_BY], apart[_Bond.BARRED])


@cache
def _bonds() -> CompoundSelect[*tuple[Any, ...]]:
    """Each request with a counsellor, since when, and how they are bound."""
    pair = select(Offer.request_id, Offer.counsellor_id, Offer.made_at)
    on_offer = pair.where(Offer.ended_at.is_(None))
    held = select(
        CallbackRequest.id, CallbackRequest.assigned_to_id, CallbackRequest.assigned_at
    ).where(CallbackRequest.assigned_to_id.is_not(None), CallbackRequest.assigned_at.is_not(None))
    let_go_by = pair.join(CallbackRequest, CallbackRequest.id == Offer.request_id).where(
        CallbackRequest.state == RequestState.WAITING,
        Offer.round == CallbackRequest.round,
        plain_rows.among(Offer.ending, LET_GO),
    )
    barred = barred_from_waiting().add_columns(null())
    return union_all(
        on_offer.add_columns(literal(int(_Bond.ON_OFFER))),
        held.add_columns(literal(int(_Bond.HELD))),
        let_go_by.add_columns(literal(int(_Bond.LET_GO_BY))),
        barred.add_columns(literal(int(_Bond.BARRED))),
    )
