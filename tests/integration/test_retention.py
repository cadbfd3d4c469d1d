"""What callers told us is gone 30 days after their request was closed, and not before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.models.audit import AuditEntry
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage
from callback_service.services import requests, retention
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shift

A_MOMENT = timedelta(seconds=1)


def closed_request(session: Session) -> CallbackRequest:
    """A request with everything a caller may tell us, closed at NOW."""
    make_shift(session)
    request = make_request(session, name="Robin", note="Hang up if he answers", may_text=True)
    request.closing_note = "Spoke about the children"
    requests.close(session, request, Disposition.HELPED, now=NOW)
    session.commit()
    return request


def test_a_closed_request_is_emptied_after_thirty_days(session: Session) -> None:
    request = closed_request(session)
    erased = retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    assert erased[Kept.CALLERS] == 1
    session.commit()
    told = (request.phone, request.name, request.note, request.closing_note, request.phone_index)
    assert told == (None, None, None, None, None)
    assert session.scalars(select(OutboxMessage.to_sealed)).all() == [None]
    assert request.disposition is Disposition.HELPED


def test_nothing_is_erased_a_moment_too_early(session: Session) -> None:
    request = closed_request(session)
    early = NOW + USUAL.lasts(Kept.CALLERS) - A_MOMENT
    assert not retention.erasure_is_due(session, now=early)
    assert not retention.erase_old(session, now=early)[Kept.CALLERS]
    assert request.phone is not None


def test_an_open_request_is_never_erased(session: Session) -> None:
    make_shift(session)
    request = make_request(session)
    session.commit()
    assert not retention.erase_old(session, now=NOW + timedelta(days=400))[Kept.CALLERS]
    assert request.phone is not None


def test_erasing_twice_does_it_once_and_is_written_down(session: Session) -> None:
    closed_request(session)
    later = NOW + USUAL.lasts(Kept.CALLERS)
    runs = [retention.erase_old(session, now=later)[Kept.CALLERS] for _ in range(2)]
    assert runs == [1, 0]
    erased = select(AuditEntry).where(AuditEntry.action == "request.erased")
    assert len(session.scalars(erased).all()) == 1


def test_no_byte_of_what_was_told_is_left_in_any_table(session: Session) -> None:
    request = closed_request(session)
    sealed = [request.phone_sealed, request.name_sealed, request.note_sealed]
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.commit()
    tables = Base.metadata.tables.values()
    left = [str(row) for table in tables for row in session.execute(table.select())]
    for value in sealed:
        assert value is not None
        assert not any(repr(bytes(value)) in row for row in left)
