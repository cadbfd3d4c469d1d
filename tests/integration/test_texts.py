"""What callers are texted: when their time changes, before it, and only in the times they gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import LineKind, Window
from callback_service.domain.lifecycle import Outcome
from callback_service.domain.texting import TextPolicy
from callback_service.domain.wishes import Wishes
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.number import SaidBy, Suppression
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.staff import Staff
from callback_service.services import attempts, lines, receipts, requests, suppression, texts
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.outbox import why_not_texted
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    accept,
    an_ask,
    make_request,
    make_shift,
    make_shifts,
    member,
    take,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
CALLER = "+447700900123"


@pytest.fixture(autouse=True)
def _usual_policy() -> Iterator[None]:
    yield
    texts.use_policy(TextPolicy())


@pytest.fixture(autouse=True)
def _rota(session: Session) -> None:
    make_shifts(session, 3)


def written(session: Session, kind: TextKind) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id)
    return list(session.scalars(query))


class TestANewTime:
    def test_is_told_when_joining_makes_the_call_sooner(self, session: Session) -> None:
        make_request(session, window=LATE_TONIGHT, may_text=True)
        make_request(session, window=TONIGHT, may_text=True)
        [change] = written(session, TextKind.CHANGE)
        assert change.body == (
            "Hi, the time of our call has changed. We will ring you tonight between 10pm and "
            "midnight."
        )
        assert change.expires_at == TONIGHT.end
        assert change.template == "en/change.v1"

    def test_takes_the_place_of_the_text_that_told_the_old_one(self, session: Session) -> None:
        make_request(session, window=LATE_TONIGHT, may_text=True)
        make_request(session, window=TONIGHT, may_text=True)
        [confirmation] = written(session, TextKind.CONFIRMATION)
        [change] = written(session, TextKind.CHANGE)
        reason = why_not_texted(session, confirmation, now=NOW)
        assert reason == "A newer text tells the time."
        assert why_not_texted(session, change, now=NOW) is None

    def test_is_no_news_where_the_time_told_still_holds(self, session: Session) -> None:
        make_request(session, window=TONIGHT, may_text=True)
        make_request(session, window=LATE_TONIGHT, may_text=True)
        for _ in range(5):
            make_request(session, window=TONIGHT, may_text=True)
        assert written(session, TextKind.CHANGE) == []

    def test_is_told_when_the_earlier_window_is_taken_back(self, session: Session) -> None:
        first = take(session, an_ask(window=TONIGHT, may_text=True))
        take(session, an_ask(window=LATE_TONIGHT, may_text=True))
        requests.withdraw(session, first, now=NOW, tz=LONDON)
        [change] = written(session, TextKind.CHANGE)
        assert "between midnight and 2am" in change.body

    def test_is_told_again_when_it_changes_back_and_forth(self, session: Session) -> None:
        make_request(session, window=LATE_TONIGHT, may_text=True)
        for minute in (1, 3):
            now = NOW + minute * MINUTE
            sooner = take(session, an_ask(window=TONIGHT, may_text=True), now=now)
            requests.withdraw(session, sooner, now=now + MINUTE, tz=LONDON)
        changes = written(session, TextKind.CHANGE)
        assert ["between 10pm" in change.body for change in changes] == [True, False, True, False]

    def test_is_not_told_to_who_was_told_none_or_allows_none(self, session: Session) -> None:
        make_request(session, window=LATE_TONIGHT, may_text=False)
        make_request(session, window=TONIGHT, may_text=True)
        assert written(session, TextKind.CHANGE) == []

    def test_is_not_told_where_the_first_text_never_went(self, session: Session) -> None:
        make_request(session, window=LATE_TONIGHT, may_text=True)
        [confirmation] = written(session, TextKind.CONFIRMATION)
        confirmation.state = OutboxState.DROPPED
        make_request(session, window=TONIGHT, may_text=True)
        assert written(session, TextKind.CHANGE) == []


class TestAReminder:
    WINDOW = Window(NOW + 6 * HOUR, NOW + 8 * HOUR)

    def asked(self, session: Session, **changes: object) -> Submission:
        ask = an_ask(window=self.WINDOW, may_text=True)
        return take(session, replace(ask, wants_reminder=True, **changes))  # type: ignore[arg-type]

    def test_waits_until_an_hour_before_and_ends_when_the_window_begins(
        self, session: Session
    ) -> None:
        self.asked(session)
        [reminder] = written(session, TextKind.REMINDER)
        assert reminder.send_after == self.WINDOW.start - HOUR
        assert reminder.expires_at == self.WINDOW.start
        assert "tonight between 2am and 4am" in reminder.body
        assert why_not_texted(session, reminder, now=reminder.send_after) is None

    def test_is_only_for_who_asked_for_one(self, session: Session) -> None:
        take(session, an_ask(window=self.WINDOW, may_text=True))
        assert written(session, TextKind.REMINDER) == []

    def test_comes_as_long_before_as_is_set_or_not_at_all(self, session: Session) -> None:
        texts.use_policy(TextPolicy(remind_before=30 * MINUTE))
        self.asked(session)
        assert written(session, TextKind.REMINDER)[0].send_after == (
            self.WINDOW.start - 30 * MINUTE
        )

    def test_is_not_written_where_reminders_are_off(self, session: Session) -> None:
        texts.use_policy(TextPolicy(remind_before=None))
        self.asked(session)
        assert written(session, TextKind.REMINDER) == []

    def test_does_not_go_once_the_window_is_taken_back(self, session: Session) -> None:
        submission = self.asked(session)
        take(session, an_ask(may_text=True))
        requests.withdraw(session, submission, now=NOW, tz=LONDON)
        [reminder] = written(session, TextKind.REMINDER)
        reason = why_not_texted(session, reminder, now=reminder.send_after)
        assert reason == "There was nothing to remind of any more."

    def test_does_not_go_once_they_were_rung(self, session: Session) -> None:
        submission = self.asked(session)
        submission.request.first_attempt_at = NOW
        [reminder] = written(session, TextKind.REMINDER)
        assert why_not_texted(session, reminder, now=NOW) is not None


class TestALaterText:
    def unanswered(
        self, session: Session, request: CallbackRequest, counsellor: Staff, *, now: datetime
    ) -> None:
        accept(session, request, counsellor, now=now)
        attempts.start_attempt(session, request.id, staff=member(counsellor), now=now)
        attempts.record_outcome(
            session, request.id, attempts.Record(Outcome.NO_ANSWER),
            staff=member(counsellor), now=now, tz=LONDON,
        )  # fmt: skip
        session.flush()

    def test_goes_inside_the_window_and_ends_with_it(self, session: Session) -> None:
        request = make_request(session, window=TONIGHT, may_text=True)
        counsellor = make_shift(session, name="Jo Hill")
        self.unanswered(session, request, counsellor, now=TONIGHT.start + HOUR)
        [missed] = written(session, TextKind.MISSED)
        assert missed.expires_at <= TONIGHT.end

    def test_is_not_written_after_the_window_however_late_we_rang(self, session: Session) -> None:
        request = make_request(session, window=TONIGHT, may_text=True)
        counsellor = make_shift(session, name="Jo Hill")
        self.unanswered(session, request, counsellor, now=TONIGHT.end + MINUTE)
        assert written(session, TextKind.MISSED) == []

    def test_keeps_to_a_time_that_was_agreed_on_instead(self, session: Session) -> None:
        request = make_request(session, window=TONIGHT, may_text=True)
        counsellor = make_shift(session, name="Jo Hill")
        now, agreed = TONIGHT.start + MINUTE, TONIGHT.end + HOUR
        accept(session, request, counsellor, now=now)
        attempts.start_attempt(session, request.id, staff=member(counsellor), now=now)
        record = attempts.Record(Outcome.NOT_SAFE_NOW, again_at=agreed)
        attempts.record_outcome(
            session, request.id, record, staff=member(counsellor), now=now, tz=LONDON
        )
        session.flush()
        other = make_shift(session, name="Kit Low")
        self.unanswered(session, request, other, now=agreed + MINUTE)
        [missed] = written(session, TextKind.MISSED)
        assert missed.created_at == agreed + MINUTE


class TestTheLanguage:
    def ask_in(self, session: Session, language: str | None) -> OutboxMessage:
        ask = replace(an_ask(may_text=True), wishes=Wishes(language))
        take(session, ask)
        [confirmation] = written(session, TextKind.CONFIRMATION)
        return confirmation

    def test_is_english_until_another_is_set(self, session: Session) -> None:
        assert self.ask_in(session, "cy").template == "en/confirmation.v2"

    def test_is_the_one_they_wish_to_speak_where_it_is_set(self, session: Session) -> None:
        texts.use_policy(TextPolicy(languages=("en", "cy")))
        confirmation = self.ask_in(session, "cy")
        assert confirmation.template == "cy/confirmation.v2"
        assert confirmation.body.startswith(
            "Helo, diolch am eich neges. Byddwn yn eich ffonio erbyn"
        )

    @pytest.mark.parametrize("wished", [None, "pl", "zh-HK"])
    def test_is_english_for_everybody_else(self, session: Session, wished: str | None) -> None:
        texts.use_policy(TextPolicy(languages=("en", "cy")))
        assert self.ask_in(session, wished).template == "en/confirmation.v2"


class TestANumberThatSaidStop:
    def test_is_written_nothing_and_the_request_is_kept_all_the_same(
        self, session: Session
    ) -> None:
        suppression.suppress(session, CALLER, said_by=SaidBy.TEXT, now=NOW)
        request = make_request(session, may_text=True)
        assert request.may_text
        assert session.scalars(select(OutboxMessage)).all() == []

    def test_is_learnt_of_from_a_receipt(self, session: Session) -> None:
        make_request(session, may_text=True)
        [message] = written(session, TextKind.CONFIRMATION)
        for _ in range(2):
            receipts.take_receipt(
                session, message.uid, sid="SM1", status="undelivered", error_code=21610, now=NOW
            )
        assert session.scalars(select(Suppression.said_by)).all() == [SaidBy.GATEWAY]


class TestALineThatIsLookedUp:
    @pytest.fixture(autouse=True)
    def _looks_up(self) -> None:
        texts.use_policy(TextPolicy(looks_numbers_up=True))

    def test_is_waited_for_a_few_seconds(self, session: Session) -> None:
        make_request(session, may_text=True)
        [message] = written(session, TextKind.CONFIRMATION)
        assert message.send_after == NOW + lines.PATIENCE

    def test_lets_the_text_go_as_soon_as_it_is_known(self, session: Session) -> None:
        make_request(session, may_text=True)
        question = lines.next_question(session, now=NOW)
        assert question is not None
        assert question.e164 == CALLER
        lines.take_answer(session, question, LineKind.MOBILE, now=NOW + MINUTE / 60)
        session.flush()
        [message] = written(session, TextKind.CONFIRMATION)
        assert message.send_after == NOW + MINUTE / 60
        assert why_not_texted(session, message, now=NOW + MINUTE) is None

    def test_that_is_a_landline_gets_no_text(self, session: Session) -> None:
        make_request(session, may_text=True)
        question = lines.next_question(session, now=NOW)
        assert question is not None
        lines.take_answer(session, question, LineKind.LANDLINE, now=NOW)
        session.flush()
        [message] = written(session, TextKind.CONFIRMATION)
        reason = why_not_texted(session, message, now=NOW)
        assert reason == "The number is a landline: it gets no texts."

    def test_that_nobody_knows_leaves_it_to_the_digits(self, session: Session) -> None:
        make_request(session, may_text=True)
        question = lines.next_question(session, now=NOW)
        assert question is not None
        lines.take_answer(session, question, None, now=NOW)
        session.flush()
        [message] = written(session, TextKind.CONFIRMATION)
        assert why_not_texted(session, message, now=NOW) is None

    def test_is_asked_about_once(self, session: Session) -> None:
        make_request(session, may_text=True)
        assert lines.question_is_due(session, now=NOW)
        assert lines.next_question(session, now=NOW) is not None
        assert not lines.question_is_due(session, now=NOW + MINUTE)
        assert lines.next_question(session, now=NOW + MINUTE) is None

    def test_that_is_known_is_not_waited_for(self, session: Session) -> None:
        request = make_request(session, may_text=True)
        question = lines.next_question(session, now=NOW)
        assert question is not None
        lines.take_answer(session, question, LineKind.MOBILE, now=NOW)
        session.flush()
        texts.remind(session, request, Window(NOW + 5 * HOUR, NOW + 6 * HOUR), now=NOW, tz=LONDON)
        texts.tell_of_closing(session, request, now=NOW, tz=LONDON)
        [closing] = written(session, TextKind.CLOSING)
        assert closing.send_after == NOW
