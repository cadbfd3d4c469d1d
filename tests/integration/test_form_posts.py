"""A flood of the form waits outside the queue, and nobody else is kept back by it."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import flood
from callback_service.domain.flood import FormLimits
from callback_service.domain.staff import Role
from callback_service.domain.wording import segments
from callback_service.errors import NotFound, TooMany
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.form_post import FormPost
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.sealing import keyring
from callback_service.services import form_posts, intake, retention, text_alarms
from callback_service.services.asks import Ask
from tests.rota_builders import LONDON
from tests.support.builders import make_staff
from tests.support.request_builders import TONIGHT, an_ask, make_manager, make_shift, mobile

LIMITS = FormLimits(a_network=2, in_all=6)
LOUD, QUIET = "81.2.69.1/32", "81.2.70.1/32"
AN_HOUR = flood.COUNTED_FOR


@pytest.fixture(autouse=True)
def _staffed(session: Session) -> None:
    make_shift(session, "00:00", "00:00")


def post(
    session: Session,
    number: int,
    address: str | None,
    *,
    now: datetime,
    is_by_program: bool = False,
    **asked: object,
) -> Ask:
    """One post of the form with a number of its own; what was asked, with its key."""
    ask = an_ask(mobile(number), name=f"Caller {number}", **asked)  # type: ignore[arg-type]
    key = form_posts.take(
        session, ask, address=address, limits=LIMITS, is_by_program=is_by_program, now=now,
        tz=LONDON,
    )  # fmt: skip
    session.commit()
    assert key == ask.key
    return ask


def let_in(session: Session, *, now: datetime) -> int:
    """One run of the tick."""
    moved = form_posts.let_in_due(session, limits=LIMITS, now=now, tz=LONDON)
    session.commit()
    return moved


def requests(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(CallbackRequest)) or 0


def test_beyond_its_limit_a_network_waits_and_the_next_one_does_not(
    session: Session, now: datetime
) -> None:
    loud = [post(session, number, LOUD, now=now) for number in range(10)]
    assert requests(session) == 2
    assert [form_posts.is_waiting(session, ask.key) for ask in loud] == [False] * 2 + [True] * 8
    post(session, 500, QUIET, now=now)
    assert requests(session) == 3


def test_from_the_limit_of_all_on_only_the_first_of_a_network_goes_in(
    session: Session, now: datetime
) -> None:
    for number in range(6):
        post(session, number, f"81.2.69.{number // 2}/32", now=now)
    assert form_posts.is_flooded(session, limits=LIMITS, now=now)
    post(session, 500, QUIET, now=now)
    assert requests(session) == 7
    post(session, 501, QUIET, now=now)
    assert requests(session) == 7
    assert form_posts.is_any_waiting(session)


def test_where_the_address_tells_nothing_nothing_waits(session: Session, now: datetime) -> None:
    for number in range(9):
        post(session, number, None, now=now)
    assert requests(session) == 9
    assert session.scalar(select(FormPost.id)) is None


def test_the_same_form_sent_again_is_one_post_wherever_it_is(
    session: Session, now: datetime
) -> None:
    asks = [post(session, number, LOUD, now=now) for number in range(3)]
    for ask in asks * 2:
        key = form_posts.take(session, ask, address=LOUD, limits=LIMITS, now=now, tz=LONDON)
        assert key == ask.key
    assert session.scalar(select(func.count()).select_from(FormPost)) == 3


def test_a_form_that_waits_and_comes_with_other_answers_is_another(
    session: Session, now: datetime
) -> None:
    *_, ask = (post(session, number, LOUD, now=now) for number in range(3))
    other = an_ask(mobile(700), key=ask.key)
    key = form_posts.take(session, other, address=LOUD, limits=LIMITS, now=now, tz=LONDON)
    assert key != ask.key
    assert form_posts.is_waiting(session, key)
    assert form_posts.is_waiting(session, ask.key)


def test_what_waited_goes_in_as_it_was_sent(session: Session, now: datetime) -> None:
    for number in range(2):
        post(session, number, LOUD, now=now)
    ask = post(session, 700, LOUD, now=now, window=TONIGHT, may_text=True, note="Ring twice")
    assert let_in(session, now=now + AN_HOUR) == 1
    kept = intake.submission_by_key(session, ask.key)
    assert kept is not None
    request = kept.request
    assert (request.phone, request.name, request.note) == (ask.phone.e164, ask.name, ask.note)
    assert (kept.window.starts_at, kept.window.due_at) == (TONIGHT.start, TONIGHT.end)
    assert (kept.may_text, kept.may_leave_voicemail) == (True, False)
    assert not form_posts.is_any_waiting(session)


def test_a_time_that_passed_while_it_waited_becomes_as_soon_as_we_can(
    session: Session, now: datetime
) -> None:
    for number in range(2):
        post(session, number, LOUD, now=now)
    ask = post(session, 700, LOUD, now=now, window=TONIGHT)
    assert let_in(session, now=TONIGHT.end) == 1
    kept = intake.submission_by_key(session, ask.key)
    assert kept is not None
    assert not kept.window.is_window


def test_the_quietest_network_comes_first(session: Session, now: datetime) -> None:
    for number in range(30):
        post(session, number, LOUD, now=now)
    for number in range(4):  # fills what is left of the limit of all
        post(session, 100 + number, f"81.2.71.{number}/32", now=now)
    for number in range(12):  # and of the first posts of networks
        post(session, 200 + number, f"81.2.72.{number}/32", now=now)
    honest = post(session, 500, QUIET, now=now + timedelta(minutes=1))
    assert form_posts.is_waiting(session, honest.key)
    assert let_in(session, now=now + AN_HOUR) > 0
    assert not form_posts.is_waiting(session, honest.key)


def test_a_network_that_flooded_is_let_in_no_faster_than_anybody(
    session: Session, now: datetime
) -> None:
    for number in range(30):
        post(session, number, LOUD, now=now)
    hours = [let_in(session, now=now + n * AN_HOUR) for n in (1, 1, 1, 2, 2, 2)]
    assert sum(hours[:3]) == LIMITS.a_network
    assert sum(hours[3:]) == LIMITS.a_network


def test_with_no_place_left_to_wait_in_the_number_to_ring_is_all_there_is(
    session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "MOST_WAITING_OF_NETWORK", 3)
    for number in range(5):
        post(session, number, LOUD, now=now)
    with pytest.raises(TooMany, match="Ring us instead"):
        post(session, 5, LOUD, now=now)
    post(session, 500, QUIET, now=now)


def test_what_waits_is_sealed_and_its_rows_tell_nobody_who_sent_it(
    session: Session, now: datetime
) -> None:
    for number in range(3):
        post(session, number, LOUD, now=now)
    waiting = session.scalars(select(FormPost).where(FormPost.ask_sealed.is_not(None))).one()
    raw = (
        b"".join(value for value in vars(waiting).values() if isinstance(value, bytes))
        + str(session.scalars(select(AuditEntry.detail)).all()).encode()
    )
    for secret in (b"Caller", b"900002", b"81.2.69"):
        assert secret not in raw


def test_a_caller_takes_back_what_waits(session: Session, now: datetime) -> None:
    *_, ask = (post(session, number, LOUD, now=now) for number in range(3))
    assert form_posts.withdraw(session, ask.key, now=now)
    assert not form_posts.withdraw(session, ask.key, now=now)
    assert let_in(session, now=now + AN_HOUR) == 0


def test_a_manager_lets_one_network_in_and_throws_another_away(
    session: Session, now: datetime
) -> None:
    manager = make_staff(session, role=Role.MANAGER)
    for number in range(6):
        post(session, number, LOUD, now=now)
    for number in range(5):
        post(session, 100 + number, QUIET, now=now)
    quiet, loud = form_posts.groups(session)
    assert [(one.posts, one.numbers) for one in (quiet, loud)] == [(3, 3), (4, 4)]
    before = requests(session)
    assert form_posts.let_in(session, quiet.post_id, actor_id=manager.id, now=now, tz=LONDON) == 3
    assert form_posts.discard(session, loud.post_id, actor_id=manager.id, now=now) == 4
    assert requests(session) == before + 3
    assert form_posts.groups(session) == []
    who = select(AuditEntry.action, func.count()).where(AuditEntry.actor_id == manager.id)
    assert dict(session.execute(who.group_by(AuditEntry.action)).all()) == {
        "form_post.let_in": 3,
        "form_post.discarded": 4,
    }
    with pytest.raises(NotFound):
        form_posts.discard(session, loud.post_id, actor_id=manager.id, now=now)


def test_the_duty_lead_is_told_once_an_hour(session: Session, now: datetime) -> None:
    make_manager(session, is_duty_lead=True)
    for minutes in (0, 1, 59, 61):
        text_alarms.tell_of_flood(session, now=now + timedelta(minutes=minutes), tz=LONDON)
    bodies = session.scalars(
        select(OutboxMessage.body).where(OutboxMessage.kind == TextKind.AUDIT)
    ).all()
    assert len(bodies) == 2
    assert bodies[0] == (
        "Something needs a look: very many requests came in and some wait outside the queue. "
        "Sign in to see it."
    )


def test_which_network_a_post_came_from_is_forgotten_after_an_hour(
    session: Session, now: datetime
) -> None:
    for number in range(3):
        post(session, number, LOUD, now=now)
    soon, later = now + AN_HOUR - timedelta(seconds=1), now + AN_HOUR
    assert not retention.erasure_is_due(session, now=soon)
    assert retention.erasure_is_due(session, now=later)
    retention.erase_old(session, now=later)
    left = session.scalars(select(FormPost)).all()
    assert [one.ask_sealed is not None for one in left] == [True]  # what waits is not forgotten
    assert session.scalar(select(func.count()).select_from(Submission)) == 2


def test_a_key_is_kept_as_its_digest_only(session: Session, now: datetime) -> None:
    ask = post(session, 1, LOUD, now=now)
    digest = session.scalars(select(FormPost.key_digest)).one()
    assert digest == sha256(ask.key.encode()).digest()


class TestWhatSeemsToBeAPrograms:
    @pytest.mark.parametrize("address", [QUIET, None])
    def test_waits_for_a_person_and_then_goes_in_by_itself(
        self, session: Session, now: datetime, address: str | None
    ) -> None:
        ask = post(session, 1, address, now=now, is_by_program=True)
        assert form_posts.is_waiting(session, ask.key)
        just_before = now + flood.HELD_FOR - timedelta(seconds=1)
        assert let_in(session, now=just_before) == 0
        assert let_in(session, now=now + flood.HELD_FOR) == 1
        kept = intake.submission_by_key(session, ask.key)
        assert kept is not None
        assert kept.request.phone == ask.phone.e164

    def test_keeps_nobody_else_of_its_network_back(self, session: Session, now: datetime) -> None:
        post(session, 1, QUIET, now=now, is_by_program=True)
        post(session, 2, QUIET, now=now)
        assert requests(session) == 1

    def test_is_let_in_by_a_manager_before(self, session: Session, now: datetime) -> None:
        manager = make_staff(session, role=Role.MANAGER)
        post(session, 1, QUIET, now=now, is_by_program=True)
        [group] = form_posts.groups(session)
        assert (group.posts, group.by_program) == (1, 1)
        form_posts.let_in(session, group.post_id, actor_id=manager.id, now=now, tz=LONDON)
        assert requests(session) == 1

    def test_has_an_end_of_places_to_wait_in(
        self, session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flood, "MOST_WAITING_OF_NETWORK", 2)
        for number in range(2):
            post(session, number, QUIET, now=now, is_by_program=True)
        with pytest.raises(TooMany, match="Ring us instead"):
            post(session, 2, QUIET, now=now, is_by_program=True)

    def test_sent_again_by_a_person_is_one_post(self, session: Session, now: datetime) -> None:
        ask = post(session, 1, QUIET, now=now, is_by_program=True)
        later = now + timedelta(minutes=1)
        key = form_posts.take(
            session, ask, address=QUIET, limits=LIMITS, is_by_program=True, now=later, tz=LONDON
        )
        assert key == ask.key
        assert session.scalar(select(func.count()).select_from(FormPost)) == 1

    def test_is_told_to_the_duty_lead_once_a_day(self, session: Session, now: datetime) -> None:
        make_manager(session, is_duty_lead=True)
        post(session, 1, QUIET, now=now, is_by_program=True)
        assert form_posts.is_any_held(session, now=now)
        assert not form_posts.is_any_late(session, now=now)
        for hours in (0, 2):
            text_alarms.tell_of_held(session, now=now + timedelta(hours=hours), tz=LONDON)
        [body] = session.scalars(
            select(OutboxMessage.body).where(OutboxMessage.kind == TextKind.AUDIT)
        ).all()
        assert "seems to be sent by a program waits outside the queue" in body
        assert segments(body) == 1


class TestUnderANumber:
    def test_what_waits_is_found_and_erased_and_nothing_else(
        self, session: Session, now: datetime
    ) -> None:
        manager = make_staff(session, role=Role.MANAGER)
        *_, theirs = (post(session, number, LOUD, now=now) for number in range(3))
        other = post(session, 3, LOUD, now=now)
        index = keyring().blind_index("phone", theirs.phone.e164)
        [(came_at, found)] = form_posts.waiting_under(session, index)
        assert (came_at, found.name) == (now, theirs.name)
        assert form_posts.erase_under(session, index, actor_id=manager.id, now=now) == 1
        session.commit()
        assert not form_posts.is_waiting(session, theirs.key)
        assert form_posts.is_waiting(session, other.key)
        assert form_posts.waiting_under(session, index) == []
