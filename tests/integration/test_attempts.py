"""Ringing: every outcome, the retries it leads to, and what is written down."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import (
    AFTER_SPEAKING,
    Disposition,
    Outcome,
    RequestState,
)
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Attempt, CallbackRequest
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.staff import Staff
from callback_service.services import attempts, requests
from callback_service.services.attempts import Record
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    accept,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    member,
    take,
)

NOT_REACHED = (Outcome.NO_ANSWER, Outcome.VOICEMAIL, Outcome.ENGAGED, Outcome.FAILED)


def ring(session: Session, request: CallbackRequest, staff: Staff, *, now: datetime) -> None:
    accept(session, request, staff, now=now)
    attempts.start_attempt(session, request.id, staff=member(staff), now=now)
    session.flush()


def record(
    session: Session,
    request: CallbackRequest,
    staff: Staff,
    outcome: Outcome,
    *,
    now: datetime,
    disposition: Disposition | None = None,
    note: str | None = None,
    again_at: datetime | None = None,
) -> None:
    what = Record(outcome, disposition, note, again_at)
    attempts.record_outcome(session, request.id, what, staff=member(staff), now=now, tz=LONDON)
    session.flush()


def kinds(session: Session) -> list[TextKind]:
    return list(session.scalars(select(OutboxMessage.kind).order_by(OutboxMessage.id)))


def actions(session: Session, request: CallbackRequest) -> list[str]:
    return list(
        session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subject == "callback_request", AuditEntry.subject_id == request.id)
            .order_by(AuditEntry.id)
        )
    )


@pytest.mark.parametrize(
    "disposition", [Disposition.HELPED, Disposition.REFERRED, Disposition.WITHDRAWN]
)
def test_a_caller_who_was_spoken_with_closes_the_request(
    session: Session, disposition: Disposition
) -> None:
    counsellor = make_shift(session)
    request = make_request(session, may_text=True)
    ring(session, request, counsellor, now=NOW)
    end = NOW + timedelta(minutes=20)
    record(
        session, request, counsellor, Outcome.ANSWERED, disposition=disposition, now=end, note="ok"
    )
    assert (request.state, request.disposition) == (RequestState.CLOSED, disposition)
    assert (request.closed_at, request.closing_note) == (end, "ok")
    assert (request.assigned_to_id, request.hold_until) == (None, None)
    [attempt] = request.attempts
    assert (attempt.outcome, attempt.started_at, attempt.ended_at) == (Outcome.ANSWERED, NOW, end)
    assert kinds(session) == [TextKind.CONFIRMATION]
    assert actions(session, request) == [
        "request.taken",
        "request.accepted",
        "request.calling",
        "request.closed",
    ]


@pytest.mark.parametrize("disposition", [None, *sorted(set(Disposition) - set(AFTER_SPEAKING))])
def test_having_spoken_needs_a_word_on_how_it_ended(
    session: Session, disposition: Disposition | None
) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    with pytest.raises(BadInput) as bad:
        record(session, request, counsellor, Outcome.ANSWERED, disposition=disposition, now=NOW)
    assert set(bad.value.fields) == {"disposition"}
    assert request.state is RequestState.CALLING


@pytest.mark.parametrize(
    ("outcome", "first", "second"),
    [
        (Outcome.NO_ANSWER, 10, 60),
        (Outcome.VOICEMAIL, 10, 60),
        (Outcome.ENGAGED, 5, 5),
        (Outcome.FAILED, 5, 5),
    ],
)
def test_a_caller_who_was_not_reached_is_rung_again_after_a_pause_that_fits(
    session: Session, outcome: Outcome, first: int, second: int
) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    now = NOW
    for tries, minutes in ((1, first), (2, second)):
        ring(session, request, counsellor, now=now)
        record(session, request, counsellor, outcome, now=now)
        assert (request.state, request.tries) == (RequestState.WAITING, tries)
        assert request.ring_from == now + timedelta(minutes=minutes) <= request.due_at
        now = request.ring_from


@pytest.mark.parametrize("outcome", NOT_REACHED)
@pytest.mark.parametrize("may_text", [True, False])
def test_the_third_try_that_fails_closes_it_with_one_kind_text_if_that_is_allowed(
    session: Session, outcome: Outcome, *, may_text: bool
) -> None:
    counsellor = make_shift(session)
    request = make_request(session, may_text=may_text)
    now = NOW
    for _ in range(3):
        ring(session, request, counsellor, now=now)
        record(session, request, counsellor, outcome, now=now)
        now = request.ring_from
    assert (request.state, request.disposition) == (RequestState.CLOSED, Disposition.UNREACHABLE)
    assert kinds(session).count(TextKind.CLOSING) == may_text
    assert [a.number for a in request.attempts] == [1, 2, 3]


def test_there_is_no_fourth_try_whatever_is_pressed(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    now = NOW
    for _ in range(3):
        ring(session, request, counsellor, now=now)
        record(session, request, counsellor, Outcome.NO_ANSWER, now=now)
        now = request.ring_from
    with pytest.raises(Refused):
        accept(session, request, counsellor, now=now)
    with pytest.raises(Refused):
        attempts.start_attempt(session, request.id, staff=member(counsellor), now=now)
    assert len(request.attempts) == 3


def test_a_missed_call_is_told_of_only_where_texts_are_allowed(session: Session) -> None:
    counsellor = make_shift(session)
    for number, may_text in (("07700 900001", True), ("07700 900002", False)):
        request = make_request(session, number, may_text=may_text)
        ring(session, request, counsellor, now=NOW)
        record(session, request, counsellor, Outcome.NO_ANSWER, now=NOW)
    assert kinds(session) == [TextKind.CONFIRMATION, TextKind.MISSED]


def test_no_text_follows_a_call_that_was_not_safe_or_the_wrong_number(session: Session) -> None:
    counsellor = make_shift(session)
    for number, outcome in ((1, Outcome.NOT_SAFE_NOW), (2, Outcome.WRONG_NUMBER)):
        request = make_request(session, f"07700 90000{number}", may_text=True)
        ring(session, request, counsellor, now=NOW)
        record(session, request, counsellor, outcome, now=NOW)
    assert kinds(session) == [TextKind.CONFIRMATION, TextKind.CONFIRMATION]


def test_a_wrong_number_is_never_rung_again(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    record(session, request, counsellor, Outcome.WRONG_NUMBER, now=NOW)
    assert request.disposition is Disposition.WRONG_NUMBER


def test_a_retry_never_falls_outside_the_window(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session, window=TONIGHT)
    make_request(session, window=LATE_TONIGHT)
    late = TONIGHT.end - timedelta(minutes=5)
    ring(session, request, counsellor, now=late)
    record(session, request, counsellor, Outcome.NO_ANSWER, now=late)
    assert (request.ring_from, request.due_at) == (LATE_TONIGHT.start, LATE_TONIGHT.end)
    assert (request.tries, request.is_window) == (0, True)


def test_a_retry_near_the_end_of_the_window_is_due_by_its_end(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session, window=TONIGHT)
    late = TONIGHT.end - timedelta(minutes=15)
    ring(session, request, counsellor, now=late)
    record(session, request, counsellor, Outcome.NO_ANSWER, now=late)
    assert request.ring_from == late + timedelta(minutes=10)
    assert request.due_at == TONIGHT.end


def test_when_no_window_is_left_it_is_closed_as_unreachable(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session, window=TONIGHT)
    late = TONIGHT.end - timedelta(minutes=1)
    ring(session, request, counsellor, now=late)
    record(session, request, counsellor, Outcome.NO_ANSWER, now=late)
    assert request.disposition is Disposition.UNREACHABLE


def test_a_caller_we_rang_too_late_keeps_their_further_tries(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session, window=TONIGHT)
    too_late = TONIGHT.end + timedelta(minutes=5)
    ring(session, request, counsellor, now=too_late)
    record(session, request, counsellor, Outcome.NO_ANSWER, now=too_late)
    assert request.state is RequestState.WAITING


def test_a_time_the_caller_named_is_the_one_that_counts(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    tomorrow = NOW + timedelta(days=1)
    record(session, request, counsellor, Outcome.NOT_SAFE_NOW, now=NOW, again_at=tomorrow)
    assert (request.ring_from, request.tries, request.is_window) == (tomorrow, 0, False)
    assert request.due_at > tomorrow


@pytest.mark.parametrize("again", [timedelta(0), timedelta(minutes=-1), timedelta(days=15)])
def test_a_time_that_has_passed_or_is_far_away_is_not_taken(
    session: Session, again: timedelta
) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    with pytest.raises(BadInput) as bad:
        record(session, request, counsellor, Outcome.NOT_SAFE_NOW, now=NOW, again_at=NOW + again)
    assert set(bad.value.fields) == {"again_at"}


def test_not_safe_now_without_a_time_is_not_rung_again_within_the_hour(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    record(session, request, counsellor, Outcome.NOT_SAFE_NOW, now=NOW)
    assert request.ring_from == NOW + timedelta(hours=1)


class TestThePromise:
    def test_is_kept_when_the_first_try_comes_in_time(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask())
        due_at = submission.request.due_at
        ring(session, submission.request, counsellor, now=due_at)
        assert submission.window.kept is True
        assert submission.request.first_attempt_at == due_at

    def test_is_broken_when_it_comes_later(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask())
        late = submission.request.due_at + timedelta(seconds=1)
        ring(session, submission.request, counsellor, now=late)
        assert submission.window.kept is False

    def test_once_broken_is_not_mended_by_a_later_try(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask())
        request = submission.request
        ring(session, request, counsellor, now=NOW)
        record(session, request, counsellor, Outcome.NO_ANSWER, now=NOW)
        ring(session, request, counsellor, now=request.ring_from)
        assert submission.window.kept is True
        assert request.first_attempt_at == NOW

    def test_of_a_later_window_is_judged_by_the_try_made_in_it(self, session: Session) -> None:
        counsellor = make_shift(session)
        first = take(session, an_ask())
        second = take(session, an_ask(window=TONIGHT))
        ring(session, first.request, counsellor, now=NOW)
        assert (first.window.kept, second.window.kept) == (True, None)

    def test_nobody_is_rung_before_the_time_they_chose(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask(window=TONIGHT))
        early = TONIGHT.start - timedelta(minutes=1)
        accept(session, submission.request, counsellor, now=early)
        with pytest.raises(Refused):
            attempts.start_attempt(
                session, submission.request.id, staff=member(counsellor), now=early
            )
        attempts.start_attempt(
            session, submission.request.id, staff=member(counsellor), now=TONIGHT.start
        )
        assert submission.window.kept is True


class TestWhoMay:
    def test_ring_and_record_is_the_one_who_holds_it(self, session: Session) -> None:
        holder, colleague = make_shift(session), make_shift(session, name="Colleague")
        request = make_request(session)
        accept(session, request, holder)
        for move in (attempts.start_attempt, attempts.release):
            with pytest.raises(NotFound):
                move(session, request.id, staff=member(colleague), now=NOW)
        attempts.start_attempt(session, request.id, staff=member(holder), now=NOW)
        with pytest.raises(NotFound):
            record(session, request, colleague, Outcome.NO_ANSWER, now=NOW)
        assert request.assigned_to_id == holder.id

    def test_step_in_is_a_manager(self, session: Session) -> None:
        holder, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        ring(session, request, holder, now=NOW)
        record(
            session,
            request,
            manager,
            Outcome.ANSWERED,
            disposition=Disposition.HELPED,
            now=NOW,
        )
        closed = session.scalars(
            select(AuditEntry.actor_id).where(AuditEntry.action == "request.closed")
        ).one()
        assert closed == manager.id

    def test_do_nothing_once_it_went_back_to_the_queue(self, session: Session) -> None:
        holder = make_shift(session)
        request = make_request(session)
        accept(session, request, holder)
        attempts.release(session, request.id, staff=member(holder), now=NOW)
        session.flush()
        with pytest.raises(Refused, match="went back to the queue"):
            attempts.start_attempt(session, request.id, staff=member(holder), now=NOW)


def test_pressing_ring_twice_is_one_attempt(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    session.flush()
    assert len(session.scalars(select(Attempt)).all()) == 1
    assert request.tries == 1


def test_an_outcome_needs_a_call(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    accept(session, request, counsellor)
    with pytest.raises(Refused, match="Say that you are ringing first"):
        record(session, request, counsellor, Outcome.NO_ANSWER, now=NOW)


def test_an_outcome_is_recorded_once(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    record(session, request, counsellor, Outcome.NO_ANSWER, now=NOW)
    with pytest.raises(Refused):
        record(session, request, counsellor, Outcome.NO_ANSWER, now=NOW)
    assert request.tries == 1


def test_a_call_that_began_cannot_be_given_back(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    ring(session, request, counsellor, now=NOW)
    with pytest.raises(Refused, match="Record how it went"):
        attempts.release(session, request.id, staff=member(counsellor), now=NOW)


class TestACallerWhoWithdraws:
    def test_before_the_call_takes_it_from_the_counsellor(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask())
        accept(session, submission.request, counsellor)
        requests.withdraw(session, submission, now=NOW, tz=LONDON)
        session.flush()
        with pytest.raises(Refused, match="may have withdrawn"):
            attempts.start_attempt(
                session, submission.request.id, staff=member(counsellor), now=NOW
            )

    def test_during_the_call_leaves_the_counsellor_to_finish_it(self, session: Session) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask())
        request = submission.request
        ring(session, request, counsellor, now=NOW)
        requests.withdraw(session, submission, now=NOW, tz=LONDON)
        session.flush()
        assert request.state is RequestState.CALLING
        record(
            session,
            request,
            counsellor,
            Outcome.ANSWERED,
            disposition=Disposition.HELPED,
            now=NOW,
        )
        assert request.disposition is Disposition.HELPED

    @pytest.mark.parametrize("outcome", NOT_REACHED)
    def test_during_a_call_that_is_not_answered_is_not_rung_again(
        self, session: Session, outcome: Outcome
    ) -> None:
        counsellor = make_shift(session)
        submission = take(session, an_ask(may_text=True))
        request = submission.request
        ring(session, request, counsellor, now=NOW)
        requests.withdraw(session, submission, now=NOW, tz=LONDON)
        session.flush()
        record(session, request, counsellor, outcome, now=NOW)
        assert (request.state, request.disposition) == (
            RequestState.CLOSED,
            Disposition.WITHDRAWN,
        )
        assert kinds(session) == [TextKind.CONFIRMATION]


def test_every_move_of_a_long_life_is_written_down_with_who_made_it(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    accept(session, request, counsellor)
    attempts.release(session, request.id, staff=member(counsellor), now=NOW)
    session.flush()
    now = NOW
    for _ in range(3):
        ring(session, request, counsellor, now=now)
        record(session, request, counsellor, Outcome.ENGAGED, now=now)
        now = request.ring_from
    assert actions(session, request) == [
        "request.taken",
        "request.accepted",
        "request.given_back",
        *["request.accepted", "request.calling", "request.ring_again"] * 2,
        "request.accepted",
        "request.calling",
        "request.closed",
    ]
    of_requests = select(AuditEntry.actor_id).where(AuditEntry.action.like("request.%"))
    actors = session.scalars(of_requests.order_by(AuditEntry.id)).all()
    assert actors == [None, *[counsellor.id] * 11]


def test_notes_of_several_tries_are_kept_together(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    for note in ("Rang out", "Engaged"):
        ring(session, request, counsellor, now=request.ring_from)
        record(session, request, counsellor, Outcome.NO_ANSWER, now=request.ring_from, note=note)
    assert request.closing_note == "Rang out\nEngaged"
