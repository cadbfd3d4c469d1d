"""What is on hold is erased by no clock and on nobody's wish."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import LegalHold
from callback_service.models.staff import Staff
from callback_service.services import bars, legal_holds, requests, retention
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager, make_request, make_shift

LATER = NOW + USUAL.lasts(Kept.CALLERS)
REVIEW = (NOW + timedelta(days=60)).date()


@pytest.fixture
def manager(session: Session) -> Staff:
    return make_manager(session)


@pytest.fixture
def closed(session: Session) -> CallbackRequest:
    """A request that is due to be erased at LATER."""
    make_shift(session)
    request = make_request(session, name="Robin")
    requests.close(session, request, Disposition.HELPED, now=NOW)
    session.commit()
    return request


def hold(session: Session, request: CallbackRequest, manager: Staff) -> LegalHold:
    legal_holds.place(
        session,
        request.id,
        reason="A complaint",
        review_on=REVIEW,
        actor_id=manager.id,
        now=NOW,
        tz=LONDON,
    )
    session.commit()
    return session.scalars(select(LegalHold).order_by(LegalHold.id.desc())).first()  # type: ignore[return-value]


def test_no_clock_erases_what_is_on_hold(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    hold(session, closed, manager)
    assert not retention.erasure_is_due(session, now=LATER)
    assert retention.count_due(session, now=LATER)[Kept.CALLERS] == 0
    assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 0
    assert closed.name == "Robin"


def test_after_it_ended_the_clock_runs_again(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    placed = hold(session, closed, manager)
    legal_holds.end(session, placed.id, actor_id=manager.id, now=NOW)
    assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 1
    assert closed.name is None


def test_a_hold_whose_day_has_come_holds_on_and_is_shown_as_overdue(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    hold(session, closed, manager)
    much_later = NOW + timedelta(days=90)
    assert retention.erase_old(session, now=much_later)[Kept.CALLERS] == 0
    [row] = legal_holds.open_holds(session, now=much_later, tz=LONDON)
    assert (row.reference, row.reason, row.is_overdue) == (closed.reference, "A complaint", True)
    [row] = legal_holds.open_holds(session, now=NOW, tz=LONDON)
    assert not row.is_overdue


def test_both_ends_of_a_hold_are_written_down_without_its_words(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    placed = hold(session, closed, manager)
    legal_holds.end(session, placed.id, actor_id=manager.id, now=NOW)
    session.flush()
    query = select(AuditEntry).where(AuditEntry.action.startswith("hold."))
    deeds = session.scalars(query.order_by(AuditEntry.id)).all()
    assert [(one.action, one.actor_id, one.subject_id) for one in deeds] == [
        ("hold.placed", manager.id, closed.id),
        ("hold.ended", manager.id, closed.id),
    ]
    assert "complaint" not in str([one.detail for one in deeds]).lower()


def test_its_reason_goes_some_time_after_it_ended(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    placed = hold(session, closed, manager)
    assert placed.reason == "A complaint"
    legal_holds.end(session, placed.id, actor_id=manager.id, now=NOW)
    session.commit()
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.DATA_REQUESTS))
    session.refresh(placed)
    assert placed.reason is None


def test_a_second_hold_on_the_same_request_is_refused(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    hold(session, closed, manager)
    with pytest.raises(Refused, match="on hold already"):
        hold(session, closed, manager)


def test_what_is_erased_cannot_be_held(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    retention.erase_old(session, now=LATER)
    with pytest.raises(Refused, match="erased already"):
        hold(session, closed, manager)


def test_a_hold_ends_once(session: Session, closed: CallbackRequest, manager: Staff) -> None:
    placed = hold(session, closed, manager)
    legal_holds.end(session, placed.id, actor_id=manager.id, now=NOW)
    with pytest.raises(Refused, match="ended already"):
        legal_holds.end(session, placed.id, actor_id=manager.id, now=NOW)
    with pytest.raises(NotFound):
        legal_holds.end(session, placed.id + 1, actor_id=manager.id, now=NOW)


@pytest.mark.parametrize(
    ("reason", "days", "field"),
    [
        ("", 60, "reason"),
        ("x" * 501, 60, "reason"),
        ("Why", 0, "review_on"),
        ("Why", 400, "review_on"),
    ],
)
def test_a_hold_needs_a_reason_and_a_day_within_a_year(
    session: Session, closed: CallbackRequest, manager: Staff, reason: str, days: int, field: str
) -> None:
    with pytest.raises(BadInput) as bad:
        legal_holds.place(
            session,
            closed.id,
            reason=reason,
            review_on=(NOW + timedelta(days=days)).date(),
            actor_id=manager.id,
            now=NOW,
            tz=LONDON,
        )
    assert list(bad.value.fields) == [field]


class TestASafeguardingLead:
    @pytest.fixture
    def lead(self, session: Session) -> Staff:
        return make_staff(session, role=Role.SAFEGUARDING_LEAD, name="Dana Whyte")

    def test_holds_what_was_marked_urgent_and_ends_it(
        self, session: Session, closed: CallbackRequest, lead: Staff
    ) -> None:
        closed.is_urgent = True
        placed = hold(session, closed, lead)
        row = legal_holds.hold_of(session, closed.id, actor_id=lead.id, now=NOW, tz=LONDON)
        assert row is not None
        assert (row.hold_id, row.reason, row.placed_by) == (placed.id, "A complaint", lead.name)
        assert legal_holds.end(session, placed.id, actor_id=lead.id, now=NOW) == closed.id

    def test_finds_no_other_request(
        self, session: Session, closed: CallbackRequest, lead: Staff, manager: Staff
    ) -> None:
        with pytest.raises(NotFound):
            hold(session, closed, lead)
        with pytest.raises(NotFound):
            legal_holds.reference_to_hold(session, closed.id, actor_id=lead.id)
        placed = hold(session, closed, manager)
        with pytest.raises(NotFound):
            legal_holds.end(session, placed.id, actor_id=lead.id, now=NOW)


def test_who_knows_the_caller_holds_nothing_of_theirs(
    session: Session, closed: CallbackRequest, manager: Staff
) -> None:
    other = make_manager(session, None)
    bars.bar(session, closed.id, colleague_id=manager.id, actor_id=other.id, now=NOW)
    with pytest.raises(NotFound):
        hold(session, closed, manager)
