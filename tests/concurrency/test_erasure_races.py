"""Two managers confirm at once, one holds while the clock erases, two erase by the clock."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import About, Figure
from callback_service.services import (
    data_requests,
    erasures,
    legal_holds,
    own_erasures,
    requests,
    retention,
)
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    mobile,
    phone_of,
    stored,
    take,
)

LATER = NOW + USUAL.lasts(Kept.CALLERS)


def confirm(case_id: int, staff_id: int) -> str:
    with transaction() as session:
        erasures.confirm(session, case_id, USUAL, actor_id=staff_id, now=NOW)
    return "erased"


def find(staff_id: int) -> int:
    with transaction() as session:
        return data_requests.open_case(
            session,
            phone_of(CALLER),
            about=About.ACCESS,
            words="Rang us",
            actor_id=staff_id,
            now=NOW,
            tz=LONDON,
        )


def erase() -> int:
    with transaction() as session:
        return retention.erase_old(session, now=LATER)[Kept.CALLERS]


def carry_out(submission_id: int) -> bool:
    with transaction() as session:
        return own_erasures.carry_out(session, submission_id, USUAL, now=NOW, tz=LONDON)


def hold(request_id: int, staff_id: int) -> str:
    with transaction() as session:
        legal_holds.place(
            session,
            request_id,
            reason="A court",
            review_on=(LATER + timedelta(days=30)).date(),
            actor_id=staff_id,
            now=LATER,
            tz=LONDON,
        )
    return "held"


def hold_or_erase(what: str, request_id: int, staff_id: int) -> str:
    return hold(request_id, staff_id) if what == "hold" else str(erase())


def test_of_managers_who_confirm_at_once_one_erases_and_it_is_done_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
        make_request(session, name="Robin")
        asker = make_manager(session)
        others = [make_manager(session, phone=None).id for _ in range(4)]
        case_id = data_requests.open_case(
            session, phone_of(CALLER), about=About.ERASURE, words="Rang us", actor_id=asker.id,
            now=NOW, tz=LONDON,
        )  # fmt: skip
        erasures.ask(session, case_id, stop_texts=True, stop_calls=True, actor_id=asker.id, now=NOW)
    ends = race(settings, confirm, [(case_id, staff_id) for staff_id in others])
    assert sorted(end.value or end.sentence for end in ends) == [
        *["This case has ended."] * 3,
        "erased",
    ]
    with stored(app) as session:
        erased = select(func.count()).where(AuditEntry.action == "request.erased")
        assert session.scalar(erased) == 1
        assert session.scalars(select(CallbackRequest.phone_sealed)).all() == [None]


def test_of_managers_who_find_a_number_at_once_all_come_to_one_case(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        managers = [make_manager(session, phone=None).id for _ in range(6)]
    ends = race(settings, find, [(staff_id,) for staff_id in managers])
    assert not [end.sentence for end in ends if end.refused_with]
    assert len({end.value for end in ends}) == 1


def test_clocks_that_run_at_once_empty_each_request_once_and_count_it_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        for number in range(12):
            make_shift(session, name=f"Counsellor {number}")
            request = make_request(session, mobile(number))
            requests.close(session, request, Disposition.HELPED, now=NOW)
    ends = race(settings, erase, [()] * 4)
    assert not [end.sentence for end in ends if end.refused_with]
    assert sum(end.value for end in ends) == 12
    with stored(app) as session:
        assert session.scalar(select(func.sum(Figure.count))) == 36


def test_ticks_that_carry_out_one_link_at_once_empty_its_request_once_and_count_it_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
        submission = take(session, an_ask(name="Robin"))
        own_erasures.ask(session, submission, now=NOW, tz=LONDON)
        submission_id = submission.id
    ends = race(settings, carry_out, [(submission_id,)] * 4)
    assert not [end.sentence for end in ends if end.refused_with]
    assert sorted(end.value for end in ends) == [False, False, False, True]
    with stored(app) as session:
        assert session.scalar(select(func.sum(Figure.count))) == 3


def test_what_is_put_on_hold_while_the_clock_runs_is_held_or_was_erased_and_never_both(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
        request = make_request(session, name="Robin")
        requests.close(session, request, Disposition.HELPED, now=NOW)
        request_id, manager_id = request.id, make_manager(session).id
    both = race(
        settings,
        hold_or_erase,
        [("hold", request_id, manager_id), ("erase", request_id, manager_id)],
    )
    held, erased = both[0].value == "held", both[1].value == "1"
    assert held != erased, both
    with stored(app) as session:
        row = session.get_one(CallbackRequest, request_id)
        assert (row.phone_sealed is None) == erased
