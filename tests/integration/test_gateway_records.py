"""What Twilio keeps of an erased request is deleted there, however often it takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.ticks import TickName
from callback_service.extensions import transaction
from callback_service.gateways.base import RecordKept
from callback_service.models.audit import AuditEntry
from callback_service.models.privacy import GatewayRecord, RecordKind
from callback_service.services import gateway_records
from callback_service.ticks import TICKS, run_tick
from tests.support.builders import NOW
from tests.support.request_builders import stored
from tests.support.settings import make_settings
from tests.twilio_double import Misdeed, TwilioDouble

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SENDER = "+447700900999"
CALLER = "+447700900123"
TICK = next(tick for tick in TICKS if tick.name == TickName.RECORDS)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: NOW) as double:
        yield double


@pytest.fixture
def settings(database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
    """An installation whose texts go to the double."""
    return make_settings(
        database_url,
        tmp_path,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_FROM=SENDER,
        TWILIO_API_URL=double.url,
    )


def a_text_there(double: TwilioDouble, *, is_delivered: bool = True) -> str:
    sid = double.state.create({"To": CALLER, "From": SENDER, "Body": "Hi"}).sid
    if is_delivered:
        double.deliver()
    return sid


def owe(app: Flask, kind: RecordKind, *sids: str) -> None:
    with stored(app) as session:
        gateway_records.owe(session, kind, sids, now=NOW)


def owed(app: Flask) -> list[tuple[str, int, str | None]]:
    with stored(app) as session:
        rows = session.scalars(select(GatewayRecord).order_by(GatewayRecord.id))
        return [(row.sid, row.tries, row.trouble) for row in rows]


def test_a_text_is_deleted_there_and_its_id_here(app: Flask, double: TwilioDouble) -> None:
    sid = a_text_there(double)
    owe(app, RecordKind.TEXT, sid)
    assert run_tick(app, TICK)
    assert double.state.get(sid) is None
    assert owed(app) == []
    with stored(app) as session:
        deeds = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "gateway.record_deleted")
        ).all()
    assert [deed.detail for deed in deeds] == [{"kind": "text"}]


def test_a_call_is_deleted_there(app: Flask, double: TwilioDouble) -> None:
    form = {"To": CALLER, "From": SENDER, "Url": "http://localhost/answer"}
    leg = double.call_state.create(form, [])
    double.call_state.move(leg.sid, "completed")
    owe(app, RecordKind.CALL, leg.sid)
    assert run_tick(app, TICK)
    assert double.call_state.get(leg.sid) is None
    assert owed(app) == []


def test_what_is_gone_there_already_is_fine(app: Flask) -> None:
    owe(app, RecordKind.TEXT, "SM" + "f" * 32)
    owe(app, RecordKind.CALL, "CA" + "f" * 32)
    assert run_tick(app, TICK)
    assert owed(app) == []


def test_a_text_that_is_not_at_its_end_is_deleted_later(app: Flask, double: TwilioDouble) -> None:
    sid = a_text_there(double, is_delivered=False)
    owe(app, RecordKind.TEXT, sid)
    assert run_tick(app, TICK)
    assert owed(app) == [(sid, 1, "Twilio has not finished with the record yet.")]
    double.deliver()
    assert run_tick(app, TICK)
    assert owed(app)[0][1] == 1, "it was tried before its time"
    with time_machine.travel(NOW + gateway_records.FIRST_PAUSE, tick=False):
        assert run_tick(app, TICK)
    assert owed(app) == []


@pytest.mark.parametrize(
    "misdeed", [Misdeed.ERROR_500, Misdeed.TOO_MANY_REQUESTS, Misdeed.RESET, Misdeed.GARBAGE]
)
def test_whatever_goes_wrong_it_is_tried_again(
    app: Flask, double: TwilioDouble, misdeed: Misdeed
) -> None:
    sid = a_text_there(double)
    owe(app, RecordKind.TEXT, sid)
    double.misbehave(misdeed, on="delete", seconds=0)
    assert run_tick(app, TICK)
    [(_, tries, trouble)] = owed(app)
    assert tries == 1
    assert trouble
    assert CALLER not in trouble
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        assert run_tick(app, TICK)
    assert owed(app) == []


def test_the_pauses_grow_to_six_hours(session: Session) -> None:
    gateway_records.owe(session, RecordKind.TEXT, ["SM1"], now=NOW)
    pauses, now = [], NOW
    for _ in range(12):
        taken = gateway_records.claim(session, now=now)
        assert taken is not None
        gateway_records.record(session, taken, RecordKept("no"), now=now)
        session.flush()
        row = session.scalars(select(GatewayRecord)).one()
        pauses.append(row.try_at - now)
        now = row.try_at
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses[-1] == timedelta(hours=6)


def test_one_that_was_overtaken_records_nothing(session: Session) -> None:
    gateway_records.owe(session, RecordKind.TEXT, ["SM1"], now=NOW)
    first = gateway_records.claim(session, now=NOW)
    assert gateway_records.claim(session, now=NOW) is None, "it is on lease"
    second = gateway_records.claim(session, now=NOW + gateway_records.LEASE)
    assert first is not None
    assert second is not None
    gateway_records.record(session, first, None, now=NOW)
    assert session.scalars(select(GatewayRecord.sid)).all() == ["SM1"]
    gateway_records.record(session, second, None, now=NOW)
    assert session.scalars(select(GatewayRecord.sid)).all() == []


def test_the_same_record_is_owed_once_and_ids_of_ours_never(session: Session) -> None:
    for _ in range(2):
        gateway_records.owe(
            session, RecordKind.TEXT, ["SM1", None, "console-1", "erased:3"], now=NOW
        )
    assert session.scalars(select(GatewayRecord.sid)).all() == ["SM1"]


def test_what_is_owed_for_a_day_is_told(session: Session) -> None:
    assert gateway_records.debt(session, now=NOW) is None
    gateway_records.owe(session, RecordKind.TEXT, ["SM1"], now=NOW)
    early = gateway_records.debt(session, now=NOW)
    late = gateway_records.debt(session, now=NOW + gateway_records.TROUBLE_AFTER)
    assert early is not None
    assert late is not None
    assert (early.is_late, late.is_late, late.count) == (False, True, 1)


def test_without_an_account_the_tick_has_nothing_to_ask(app: Flask) -> None:
    app.extensions["record_remover"] = None
    with app.app_context(), transaction() as session:
        gateway_records.owe(session, RecordKind.TEXT, ["SM1"], now=NOW)
    assert run_tick(app, TICK)
    assert [sid for sid, *_ in owed(app)] == ["SM1"]
