"""What stays of a request that was erased: nobody, no exact time, and no byte in the files."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.figures import Measure
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Keeping, Kept
from callback_service.domain.ticks import TickName
from callback_service.extensions import db
from callback_service.models.base import Base, UtcDateTime
from callback_service.models.callback import Attempt, CallbackRequest, Submission
from callback_service.models.inbound import InboundText
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.privacy import ErasureRun, Figure, GatewayRecord
from callback_service.services import figures, inbound_texts, intake, receipts, requests, retention
from callback_service.ticks import TICKS, clear_log, run_tick
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    an_ask,
    make_request,
    make_shift,
    mobile,
    stored,
    take,
)

LATER = NOW + USUAL.lasts(Kept.CALLERS) + timedelta(hours=1)
SID = "SM" + "a" * 32
INBOUND_SID = "SM" + "b" * 32
CANARY = "zebracanary"
AT_2103 = NOW + timedelta(minutes=3, seconds=7)


def a_full_request(session: Session, phone: str = CALLER) -> CallbackRequest:
    """A request with a text out, a text in, a try and notes, closed at 20:03."""
    counsellor = make_shift(session)
    request = make_request(
        session, phone, name=CANARY, note=f"note {CANARY}", may_text=True, now=AT_2103
    )
    text = session.scalars(
        select(OutboxMessage).where(OutboxMessage.request_id == request.id)
    ).one()
    text.state, text.provider_sid, text.sent_at = OutboxState.SENT, SID, AT_2103
    arrived = inbound_texts.Arrived(INBOUND_SID, request.phone or "", "+441632960000", CANARY)
    inbound_texts.take_text(
        session, arrived, our_numbers=frozenset(), allow_drama=True, now=AT_2103
    )
    session.add(
        Attempt(
            request_id=request.id,
            counsellor_id=counsellor.id,
            number=1,
            started_at=AT_2103 + timedelta(minutes=20),
            ended_at=AT_2103 + timedelta(minutes=38, seconds=40),
            outcome="answered",
        )
    )
    request.first_attempt_at = AT_2103 + timedelta(minutes=20)
    request.closing_note = f"spoke {CANARY}"
    requests.close(session, request, Disposition.HELPED, now=AT_2103)
    session.commit()
    return request


def erase(session: Session) -> None:
    assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 1
    session.commit()


def test_of_every_time_in_an_emptied_request_the_day_stays(session: Session) -> None:
    request = a_full_request(session)
    erase(session)
    exact = []
    for mapper in Base.registry.mappers:
        if not {"request_id"} & set(mapper.columns.keys()) and mapper.class_ is not CallbackRequest:
            continue
        for row in session.scalars(select(mapper.class_)):
            if getattr(row, "request_id", row.id) != request.id:
                continue
            times = [c.key for c in mapper.columns if isinstance(c.type, UtcDateTime)]
            exact += [
                (mapper.class_.__name__, name)
                for name in times
                if (at := getattr(row, name)) and (at.hour, at.minute, at.second) != (0, 0, 0)
            ]
    # How long a call took stays, to the minute; what the gateway still has is owed from now.
    assert sorted(set(exact)) == [
        ("Attempt", "ended_at"),
        ("GatewayRecord", "owed_since"),
        ("GatewayRecord", "try_at"),
    ]


def test_how_long_a_call_took_stays_to_the_minute(session: Session) -> None:
    a_full_request(session)
    erase(session)
    attempt = session.scalars(select(Attempt)).one()
    assert attempt.ended_at is not None
    assert attempt.ended_at - attempt.started_at == timedelta(minutes=19)


def test_the_reference_and_the_link_lead_nowhere_any_more(session: Session) -> None:
    make_shift(session)
    key = intake.new_key()
    request = take(session, an_ask(key=key)).request
    spoken = request.reference
    requests.close(session, request, Disposition.HELPED, now=NOW)
    session.commit()
    erase(session)
    assert intake.submission_by_key(session, key) is None
    assert (
        session.scalar(select(CallbackRequest).where(CallbackRequest.reference == spoken)) is None
    )
    assert session.scalars(select(Submission.fingerprint)).one() == bytes(16)


def test_two_emptied_requests_do_not_collide(session: Session) -> None:
    for number in range(2):
        make_shift(session, name=f"Counsellor {number}")
        request = make_request(session, mobile(number))
        requests.close(session, request, Disposition.HELPED, now=NOW)
    session.commit()
    assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 2


def test_the_gateway_is_owed_nothing_it_does_not_hold_and_all_that_it_does(
    session: Session,
) -> None:
    a_full_request(session)
    erase(session)
    assert set(session.scalars(select(GatewayRecord.sid))) == {SID, INBOUND_SID}
    assert (
        session.scalars(select(OutboxMessage.provider_sid)).all()
        == [None] * session.query(OutboxMessage).count()
    )


def test_a_receipt_that_comes_late_brings_nothing_back(session: Session) -> None:
    a_full_request(session)
    text = session.scalars(select(OutboxMessage).where(OutboxMessage.provider_sid == SID)).one()
    uid = text.uid
    erase(session)
    taken = receipts.take_receipt(
        session, uid, sid=SID, status="delivered", error_code=None, now=LATER
    )
    assert not taken
    assert text.provider_sid is None


def test_a_text_on_its_way_is_waited_for(session: Session) -> None:
    a_full_request(session)
    text = session.scalars(select(OutboxMessage).where(OutboxMessage.provider_sid == SID)).one()
    text.state, text.lease_until = OutboxState.SENDING, LATER
    session.commit()
    assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 0
    text.state, text.lease_until = OutboxState.SENT, None
    session.commit()
    erase(session)


def test_it_is_counted_once_and_small_counts_are_not_shown(session: Session) -> None:
    a_full_request(session)
    erase(session)
    counted = session.execute(select(Figure.measure, Figure.line, Figure.count)).all()
    assert sorted(counted) == [
        (Measure.ASKED, "20", 1),
        (Measure.ENDED, "helped", 1),
        (Measure.WAITED, "within half an hour", 1),
    ]
    month = figures.by_month(
        session, Measure.ENDED, since=NOW.date().replace(day=1), keeping=Keeping()
    )
    assert [span.lines for span in month] == [[("helped", "fewer than 5")]]


def test_five_alike_are_shown(session: Session) -> None:
    for number in range(5):
        make_shift(session, name=f"Counsellor {number}")
        request = make_request(session, mobile(number))
        requests.close(session, request, Disposition.HELPED, now=NOW)
    session.commit()
    retention.erase_old(session, now=LATER)
    since = NOW.date().replace(day=1)
    assert figures.by_hour(session, since=since, keeping=Keeping()) == [("20", "5")]
    assert figures.by_day(session, since=since, keeping=Keeping()) == [(NOW.date(), "5")]


def test_notes_and_texts_may_go_before_the_number(session: Session) -> None:
    request = a_full_request(session)
    keeping = Keeping({Kept.NOTES: timedelta(days=2), Kept.TEXTS: timedelta(days=3)})
    after = NOW + timedelta(days=2, hours=1)
    assert retention.erase_old(session, now=after, keeping=keeping)[Kept.NOTES] == 1
    assert (request.closing_note, request.name) == (None, CANARY)
    assert session.scalars(select(InboundText.body_sealed)).one() is not None
    counts = retention.erase_old(session, now=after + timedelta(days=1), keeping=keeping)
    assert counts[Kept.TEXTS] == 3
    assert session.scalars(select(InboundText.body_sealed)).one() is None
    assert request.phone is not None


def test_a_dry_run_counts_what_a_run_erases_and_changes_nothing(session: Session) -> None:
    request = a_full_request(session)
    due = retention.count_due(session, now=LATER)
    assert (due[Kept.CALLERS], due[Kept.NOTES], due[Kept.TEXTS]) == (1, 1, 3)
    assert request.name == CANARY
    assert not session.dirty
    erased = retention.erase_old(session, now=LATER)
    assert {kind: erased[kind] for kind in Kept} == {kind: due[kind] for kind in Kept}
    assert retention.count_due(session, now=LATER).total() == 0


@pytest.mark.one_database
def test_no_byte_of_it_is_in_the_file_or_the_log_of_sqlite(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        request = a_full_request(session)
        values = [request.phone_sealed, request.name_sealed, request.note_sealed,
                  request.closing_note_sealed, request.phone_index]  # fmt: skip
        values += session.scalars(select(InboundText.body_sealed)).all()
        needles = [bytes(one) for one in values if one is not None] + [SID.encode()]
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    assert all(needle in files_of(path) for needle in needles)
    with time_machine.travel(LATER, tick=False):
        assert run_tick(app, next(tick for tick in TICKS if tick.name == TickName.RETENTION))
    # The ids of records at the gateway are still owed; nothing of the person is there.
    assert [n for n in needles if n in files_of(path)] == [SID.encode()]


@pytest.mark.one_database
def test_a_reader_that_holds_the_log_is_waited_for_and_told_of(
    app: Flask, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    with stored(app) as session:
        request = a_full_request(session)
        sealed = bytes(request.name_sealed or b"")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM callback_request").fetchone()
    tick = next(tick for tick in TICKS if tick.name == TickName.RETENTION)
    with time_machine.travel(LATER, tick=False):
        assert run_tick(app, tick)
    assert sealed in files_of(path)
    with time_machine.travel(LATER + timedelta(minutes=11), tick=False):
        assert run_tick(app, tick)
        assert "readers hold the database's log" in caplog.text
        reader.execute("COMMIT")
        assert run_tick(app, tick)
    assert sealed not in files_of(path)
    with stored(app) as session:
        assert (
            session.scalars(select(ErasureRun).where(ErasureRun.cleared_at.is_(None))).all() == []
        )
    reader.close()


def test_after_an_erasure_nothing_is_owed_to_the_log_of_postgresql(app: Flask) -> None:
    with stored(app) as session:
        a_full_request(session)
    with app.app_context():
        with time_machine.travel(LATER, tick=False):
            assert run_tick(app, next(tick for tick in TICKS if tick.name == TickName.RETENTION))
            assert clear_log()
        left = db.session.scalars(select(ErasureRun).where(ErasureRun.cleared_at.is_(None))).all()
    assert left == []


def files_of(path: Path) -> bytes:
    """The database and its write-ahead log."""
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*") if one.is_file())
