"""Erasing again what an older backup brought back, by an audit log that was kept elsewhere.

A request that was erased comes back without its key, as long as the keys are those of now. What
has no key of its own comes back readable: cases, complaints, and requests where the newest keys
that are left are older than their erasure. The log says by id what was erased, and when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.retention import Keeping
from callback_service.errors import BadInput
from callback_service.models.callback import CallbackRequest
from callback_service.models.complaint import Complaint
from callback_service.models.privacy import DataRequest
from callback_service.services import audit, complaints, emptying, form_posts, requests


@dataclass(frozen=True, slots=True)
class Erased:
    """What a line of the log says was erased, and when."""

    action: str
    row_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """What erasing again goes by."""

    session: Session
    keeping: Keeping
    now: datetime


def read(line: str) -> Erased | None:
    """What a line of the log says was erased; None where it tells of something else.

    Raises BadInput for what is no line of the log.
    """
    try:
        told = json.loads(line)
        action, row_id = told["action"], told["subject_id"]
        if action not in _AGAIN or row_id is None:
            return None
        return Erased(action, int(row_id), datetime.fromisoformat(told["at"]))
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput("This is no line of an audit log.") from error


def erase(session: Session, erased: Erased, keeping: Keeping, *, now: datetime) -> bool:
    """Erase it again; whether there was anything.

    What came after the line is somebody else's: a database that was restored gives out old ids.
    """
    return _AGAIN[erased.action](Run(session, keeping, now), erased)


def is_back(session: Session, erased: Erased) -> bool:
    """Whether there is anything to erase again. Changes nothing."""
    return _FIND[erased.action](session, erased) is not None


def _request(session: Session, erased: Erased) -> CallbackRequest | None:
    found = session.get(CallbackRequest, erased.row_id, with_for_update={"key_share": True})
    is_told = found is not None and found.phone_sealed is not None
    return found if found is not None and is_told and found.created_at <= erased.at else None


def _case(session: Session, erased: Erased) -> DataRequest | None:
    found = session.get(DataRequest, erased.row_id, with_for_update=True)
    is_told = found is not None and found.phone_index is not None
    return found if found is not None and is_told and found.opened_at <= erased.at else None


def _complaint(session: Session, erased: Erased) -> Complaint | None:
    found = session.get(Complaint, erased.row_id, with_for_update=True)
    is_told = found is not None and found.words_sealed is not None
    return found if found is not None and is_told and found.received_at <= erased.at else None


def _erase_request(run: Run, erased: Erased) -> bool:
    request = _request(run.session, erased)
    if request is None:
        return False
    if request.state is not RequestState.CLOSED:
        requests.close(run.session, request, Disposition.EXPIRED, now=run.now)
    emptying.empty_request(run.session, request, keeping=run.keeping, now=run.now)
    run.session.flush()
    return True


def _erase_case(run: Run, erased: Erased) -> bool:
    """The case goes whole, and what else was erased with its number; its requests have own lines.

    Its row cannot stay: who asked and who confirmed may be newer than the backup.
    """
    case = _case(run.session, erased)
    if case is None:
        return False
    index = case.phone_index
    form_posts.erase_under(run.session, index, actor_id=None, now=run.now)
    for complaint in complaints.under(run.session, index, is_locked=True):
        if complaint.received_at <= erased.at:
            _delete(run, complaint)
    cases = select(DataRequest).where(DataRequest.phone_index == index)
    for one in run.session.scalars(cases.with_for_update()):
        if one.opened_at <= erased.at:
            _delete(run, one)
    run.session.flush()
    return True


def _erase_complaint(run: Run, erased: Erased) -> bool:
    complaint = _complaint(run.session, erased)
    if complaint is None:
        return False
    _delete(run, complaint)
    run.session.flush()
    return True


def _delete(run: Run, row: DataRequest | Complaint) -> None:
    audit.record(
        run.session, f"{row.__tablename__}.erased_again",
        subject=row.__tablename__, subject_id=row.id, now=run.now,
    )  # fmt: skip
    run.session.delete(row)


_AGAIN: Final[Mapping[str, Callable[[Run, Erased], bool]]] = {
    "request.erased": _erase_request,
    "data_request.erased": _erase_case,
    "complaint.erased": _erase_complaint,
}
_FIND: Final[Mapping[str, Callable[[Session, Erased], Any]]] = {
    "request.erased": _request,
    "data_request.erased": _case,
    "complaint.erased": _complaint,
}
