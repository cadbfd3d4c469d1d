"""One open request per number, however often and by whomever it is asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.contact import SafeContact, Window
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.errors import WindowGone
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, ContactWindow, Submission
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanTrigger
from callback_service.services import intake, intake_rows, requests
from callback_service.services.requests import open_windows
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    LATE_TONIGHT,
    TONIGHT,
    accept,
    an_ask,
    make_request,
    make_shift,
    mobile,
    row_counts,
    take,
)


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def count(session: Session, model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_request_is_kept_with_its_promise_audit_text_and_call_for_a_plan(
    session: Session,
) -> None:
    make_shift(session)
    submission = take(session, an_ask(name="Sam", note="Ring twice", may_text=True))
    request = submission.request
    assert (request.state, request.phone, request.name, request.note) == (
        RequestState.WAITING,
        "+447700900123",
        "Sam",
        "Ring twice",
    )
    assert request.ring_from == NOW < request.due_at
    assert (submission.window.starts_at, submission.window.due_at) == (NOW, request.due_at)
    assert (submission.consent_version, submission.consented_at) == ("test", NOW)
    assert "request.taken" in actions(session)
    assert session.scalars(select(OutboxMessage.kind)).all() == [TextKind.CONFIRMATION]
    assert count(session, PlanTrigger) >= 1


def test_what_the_caller_typed_is_nowhere_in_the_database_in_plain_words(
    session: Session,
) -> None:
    make_shift(session)
    take(session, an_ask(name="Canarina", note="canary-in-the-note", may_text=True))
    for table in CallbackRequest.metadata.sorted_tables:
        for row in session.execute(select(table)):
            for value in row:
                plain = value if isinstance(value, bytes) else str(value).encode()
                for secret in (b"Canarina", b"canary-in", b"7700900123", b"7700 900123"):
                    assert secret not in plain, table.name


def test_the_database_holds_the_key_of_no_page(session: Session) -> None:
    ask = an_ask()
    submission = take(session, ask)
    assert ask.key.encode() not in submission.key_digest
    assert intake.submission_by_key(session, ask.key) is submission
    assert intake.submission_by_key(session, submission.request.reference) is None


def test_ten_posts_of_one_number_are_one_open_request_and_one_confirmation(
    session: Session,
) -> None:
    make_shift(session)
    keys = {take(session, an_ask(may_text=True)).key_digest for _ in range(10)}
    assert len(keys) == count(session, Submission) == count(session, ContactWindow) == 10
    assert count(session, CallbackRequest) == 1
    assert count(session, OutboxMessage) == 1
    assert actions(session) == ["request.taken", *["request.joined"] * 9]


@pytest.mark.parametrize("typed", ["07700900123", "+44 7700 900 123", "0044 7700-900-123"])
def test_another_way_of_writing_a_number_joins_the_same_request(
    session: Session, typed: str
) -> None:
    assert make_request(session, CALLER).id == make_request(session, typed).id


def test_other_numbers_have_requests_of_their_own(session: Session) -> None:
    ids = {make_request(session, mobile(number)).id for number in range(5)}
    assert len(ids) == 5
    references = set(session.scalars(select(CallbackRequest.reference)))
    assert len(references) == 5


def test_asking_again_adds_the_new_time_as_a_further_window(session: Session) -> None:
    make_shift(session)
    first = take(session, an_ask(window=LATE_TONIGHT))
    second = take(session, an_ask(window=TONIGHT))
    request = first.request
    assert second.request is request
    spans = [(w.starts_at, w.due_at, w.place) for w in open_windows(session, request.id)]
    assert spans == [
        (TONIGHT.start, TONIGHT.end, 1),
        (LATE_TONIGHT.start, LATE_TONIGHT.end, 1),
    ]


def test_the_earlier_of_two_times_is_the_one_that_is_served_first(session: Session) -> None:
    make_shift(session)
    request = make_request(session, window=LATE_TONIGHT)
    make_request(session, window=TONIGHT)
    assert (request.ring_from, request.due_at) == (TONIGHT.start, TONIGHT.end)
    make_request(session)
    assert request.ring_from == NOW
    assert request.due_at < TONIGHT.start
    assert not request.is_window


def test_a_later_time_does_not_put_off_an_earlier_promise(session: Session) -> None:
    make_shift(session)
    request = make_request(session)
    due_at = request.due_at
    make_request(session, window=TONIGHT)
    assert (request.ring_from, request.due_at) == (NOW, due_at)


def test_the_same_window_twice_takes_one_place(session: Session) -> None:
    make_shift(session)
    request = make_request(session, window=TONIGHT)
    make_request(session, window=TONIGHT)
    assert [w.place for w in open_windows(session, request.id)] == [1, None]
    other = make_request(session, mobile(7), window=TONIGHT)
    assert [w.place for w in open_windows(session, other.id)] == [2]


@pytest.mark.parametrize("first", [SafeContact(), SafeContact(True), SafeContact(False, True)])
@pytest.mark.parametrize("second", [SafeContact(True, True), SafeContact(True), SafeContact()])
def test_joining_keeps_only_what_both_allowed(
    session: Session, first: SafeContact, second: SafeContact
) -> None:
    request, _ = [
        make_request(session, may_text=said.may_text, may_leave_voicemail=said.may_leave_voicemail)
        for said in (first, second)
    ]
    assert request.may_text == (first.may_text and second.may_text)
    assert request.may_leave_voicemail == (first.may_leave_voicemail and second.may_leave_voicemail)


def test_joining_texts_nobody(session: Session) -> None:
    make_request(session, may_text=False)
    make_request(session, may_text=True)
    assert count(session, OutboxMessage) == 0


def test_the_name_that_was_given_first_stays_and_each_note_is_kept_once(
    session: Session,
) -> None:
    make_request(session, name="Sam", note="Hang up if he answers")
    make_request(session, name="Jo", note="Not on Sunday")
    request = make_request(session, note="Not on Sunday")
    assert request.name == "Sam"
    assert request.note == "Hang up if he answers\nNot on Sunday"


def test_many_long_notes_do_not_grow_without_end(session: Session) -> None:
    request, *_ = [make_request(session, note=f"{n:03}" + "x" * 197) for n in range(8)]
    assert request.note is not None
    assert len(request.note) <= intake_rows.NOTE_LIMIT


def test_the_same_post_again_answers_with_the_same_page_and_changes_nothing(
    session: Session,
) -> None:
    make_shift(session)
    ask = an_ask(window=TONIGHT, may_text=True, name="Sam")
    first = take(session, ask)
    before = row_counts(session)
    assert take(session, ask, now=NOW + timedelta(minutes=1)) is first
    assert row_counts(session) == before


def test_the_same_post_again_after_the_call_is_closed_asks_for_no_second_call(
    session: Session,
) -> None:
    make_shift(session)
    ask = an_ask()
    submission = take(session, ask)
    requests.close(session, submission.request, Disposition.HELPED, now=NOW)
    session.flush()
    before = row_counts(session)
    assert take(session, ask, now=NOW + timedelta(hours=1)) is submission
    assert row_counts(session) == before


def test_the_same_post_again_after_its_window_has_passed_is_no_error(session: Session) -> None:
    make_shift(session)
    ask = an_ask(window=TONIGHT)
    submission = take(session, ask)
    assert take(session, ask, now=TONIGHT.end + timedelta(hours=1)) is submission


def test_an_old_form_sent_again_with_other_answers_is_another_submission(
    session: Session,
) -> None:
    make_shift(session)
    first = take(session, an_ask(key="k" * 43, window=TONIGHT))
    second = take(session, an_ask(key="k" * 43, window=LATE_TONIGHT))
    assert second.id != first.id
    assert second.key_digest != first.key_digest
    assert second.request is first.request
    assert intake.submission_by_key(session, "k" * 43) is first


def test_an_old_form_sent_again_for_another_number_opens_neither_page_to_the_other(
    session: Session,
) -> None:
    first = take(session, an_ask(key="k" * 43))
    second = take(session, an_ask(mobile(5), key="k" * 43))
    assert second.request is not first.request
    assert intake.submission_by_key(session, "k" * 43) is first


def test_a_closed_request_is_not_joined(session: Session) -> None:
    first = make_request(session, name="Sam")
    requests.close(session, first, Disposition.HELPED, now=NOW)
    session.flush()
    second = make_request(session)
    assert second.id != first.id
    assert second.name is None


def test_a_request_in_hand_is_joined_without_being_taken_from_the_counsellor(
    session: Session,
) -> None:
    counsellor = make_shift(session)
    request = make_request(session, may_text=True)
    accept(session, request, counsellor)
    due_at = request.due_at
    make_request(session, may_text=False)
    assert (request.state, request.assigned_to_id) == (RequestState.ASSIGNED, counsellor.id)
    assert request.due_at == due_at
    assert request.may_text is False


class TestWithdrawing:
    def test_the_only_submission_closes_the_request_and_gives_its_place_back(
        self, session: Session
    ) -> None:
        make_shift(session)
        submission = take(session, an_ask(window=TONIGHT))
        requests.withdraw(session, submission, now=NOW, tz=LONDON)
        session.flush()
        request = submission.request
        assert (request.state, request.disposition) == (
            RequestState.CLOSED,
            Disposition.WITHDRAWN,
        )
        assert (submission.window.place, submission.window.ended_at) == (None, NOW)

    def test_one_of_two_leaves_the_other_its_call_and_its_time(self, session: Session) -> None:
        make_shift(session)
        first = take(session, an_ask(window=TONIGHT))
        second = take(session, an_ask(window=LATE_TONIGHT))
        requests.withdraw(session, first, now=NOW, tz=LONDON)
        session.flush()
        request = second.request
        assert request.state is RequestState.WAITING
        assert (request.ring_from, request.due_at) == (LATE_TONIGHT.start, LATE_TONIGHT.end)
        assert [w.submission_id for w in open_windows(session, request.id)] == [second.id]

    def test_one_of_two_in_the_same_window_passes_its_place_on(self, session: Session) -> None:
        make_shift(session)
        first = take(session, an_ask(window=TONIGHT))
        second = take(session, an_ask(window=TONIGHT))
        requests.withdraw(session, first, now=NOW, tz=LONDON)
        session.flush()
        assert (first.window.place, second.window.place) == (None, 1)

    def test_both_one_after_the_other_close_it(self, session: Session) -> None:
        submissions = [take(session, an_ask()) for _ in range(2)]
        for submission in submissions:
            requests.withdraw(session, submission, now=NOW, tz=LONDON)
            session.flush()
        assert submissions[0].request.state is RequestState.CLOSED

    def test_twice_is_once(self, session: Session) -> None:
        first = take(session, an_ask())
        take(session, an_ask())
        requests.withdraw(session, first, now=NOW, tz=LONDON)
        session.flush()
        before = row_counts(session)
        requests.withdraw(session, first, now=NOW + timedelta(minutes=1), tz=LONDON)
        session.flush()
        assert first.withdrawn_at == NOW
        assert first.request.state is RequestState.WAITING
        assert row_counts(session) == before

    def test_a_stricter_person_who_withdraws_does_not_make_it_laxer(self, session: Session) -> None:
        strict = take(session, an_ask(may_text=False))
        take(session, an_ask(may_text=True, may_leave_voicemail=True))
        requests.withdraw(session, strict, now=NOW, tz=LONDON)
        assert strict.request.safe_contact == SafeContact()


class TestAWindowThatCannotBePromised:
    def refused(self, session: Session, window: Window, *, phone: str = CALLER) -> str:
        before = row_counts(session)
        with pytest.raises(WindowGone) as gone:
            take(session, an_ask(phone, window=window, name="Sam", may_text=True))
        assert row_counts(session) == before
        assert set(gone.value.fields) == {"when"}
        return gone.value.message

    def test_when_it_is_full_nothing_is_kept(self, session: Session) -> None:
        make_shift(session)
        for number in range(2):
            make_request(session, mobile(number), window=TONIGHT)
        assert self.refused(session, TONIGHT) == "That time has just been taken. Choose another"

    def test_when_it_has_begun_nothing_is_kept(self, session: Session) -> None:
        make_shift(session)
        begun = Window(NOW, NOW + timedelta(hours=2))
        assert self.refused(session, begun) == "That time has just gone. Choose another"

    @pytest.mark.parametrize(
        "window",
        [
            Window(TONIGHT.start - timedelta(days=2), TONIGHT.end - timedelta(days=2)),
            Window(TONIGHT.start + timedelta(days=15), TONIGHT.end + timedelta(days=15)),
            Window(TONIGHT.start, LATE_TONIGHT.end),
            Window(TONIGHT.end, TONIGHT.start),
            Window(TONIGHT.start, TONIGHT.start),
            Window(TONIGHT.start + timedelta(minutes=30), TONIGHT.end + timedelta(minutes=30)),
        ],
    )
    def test_when_it_is_none_of_ours_nothing_is_kept(
        self, session: Session, window: Window
    ) -> None:
        make_shift(session, "00:00", "00:00")
        self.refused(session, window)

    def test_when_nobody_is_on_the_rota_nothing_is_kept(self, session: Session) -> None:
        self.refused(session, TONIGHT)

    def test_a_request_that_was_open_before_stays_as_it_was(self, session: Session) -> None:
        make_shift(session)
        for number in range(2):
            make_request(session, mobile(number), window=TONIGHT)
        request = make_request(session, may_text=True, may_leave_voicemail=True, note="One")
        with pytest.raises(WindowGone):
            take(session, an_ask(window=TONIGHT, note="Two", name="Sam"))
        session.expire_all()
        assert (request.note, request.name) == ("One", None)
        assert request.safe_contact == SafeContact(True, True)

    def test_a_place_that_was_given_back_is_promised_again(self, session: Session) -> None:
        make_shift(session)
        first = take(session, an_ask(mobile(1), window=TONIGHT))
        make_request(session, mobile(2), window=TONIGHT)
        requests.withdraw(session, first, now=NOW, tz=LONDON)
        session.flush()
        assert [
            w.place for w in open_windows(session, make_request(session, window=TONIGHT).id)
        ] == [1]


def test_a_landline_is_never_texted(session: Session) -> None:
    make_request(session, "01632 960001", may_text=True)
    assert count(session, OutboxMessage) == 0


def test_a_request_is_taken_when_nobody_at_all_is_on_the_rota(session: Session) -> None:
    request = make_request(session)
    assert request.state is RequestState.WAITING
    assert request.due_at == NOW + timedelta(hours=1)


def test_every_request_has_a_submission_a_window_and_an_audit_row(session: Session) -> None:
    make_shift(session)
    for number in range(6):
        intake.take_request(session, an_ask(mobile(number % 4)), now=NOW, tz=LONDON)
    session.flush()
    for request_id in session.scalars(select(CallbackRequest.id)):
        assert open_windows(session, request_id)
        assert session.scalar(
            select(AuditEntry.id).where(
                AuditEntry.subject_id == request_id, AuditEntry.action == "request.taken"
            )
        )
