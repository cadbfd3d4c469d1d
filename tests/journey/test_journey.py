"""One request from the form to its close, through real processes, and through their deaths."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from callback_service.domain.wall_time import monday_of
from tests.journey.processes import PATIENCE_S, House, Part, wait_for
from tests.journey.visitor import Visitor
from tests.support.builders import PASSWORD

pytestmark = pytest.mark.journey

MOBILE, AS_TYPED, AS_SHOWN = "+447700900982", "(07700) 900-982", "07700 900982"
PLANNED_WITHIN_S = 1.0
#: The outbox waits this long before it takes a send for unclear, and looks it up.
LEASE_S = 30

Record = Callable[[str, object], None]
#: Managers are texted too: of the gap that the demo's rota has.
TO_CALLERS = "FROM outbox_message WHERE request_id IS NOT NULL"


@pytest.mark.alone
def test_a_request_goes_from_the_form_to_its_close(
    staffed_house: House, record_property: Record
) -> None:
    house = staffed_house
    people = house.people()
    with Visitor(house.url) as caller, Visitor(house.url) as counsellor:
        planned_after_s = _ask(house, caller)
        record_property("planned_after_ms", round(planned_after_s * 1000))
        assert planned_after_s <= PLANNED_WITHIN_S

        _check_one_text(house, caller)
        counsellor.sign_in(_email(people, "counsellor", on_shift=True), PASSWORD)
        _take_the_call(house, counsellor)
        _finish_the_call(house, counsellor)
    with Visitor(house.url) as manager:
        manager.sign_in(_email(people, "manager"), PASSWORD)
        _check_cover(house, manager)
        _check_message_log(manager)
    wait_for(lambda: _is_ready(house), "a beat of every tick")


@pytest.mark.fault("a killed scheduler")
def test_a_scheduler_that_is_killed_forgets_no_request_and_texts_once(
    staffed_house: House,
) -> None:
    house = staffed_house
    with Visitor(house.url) as caller:
        _post(caller)
        _scheduler(house).kill()  # before its next look for texts
        assert len(house.texts(MOBILE)) <= 1
        house.start_scheduler()
        wait_for(lambda: _is_planned(house), "a place in the plan")
        _check_one_text(house, caller)


@pytest.mark.fault("a scheduler killed in a send")
def test_a_scheduler_that_is_killed_in_a_send_texts_once(house: House) -> None:
    house.ask_twilio("misbehave", kind="slow_reply", seconds=20)
    with Visitor(house.url) as caller:
        _post(caller)
        wait_for(lambda: house.texts(MOBILE), "the text at the double")
        _scheduler(house).kill()  # the text is taken, and nobody has heard so
        house.start_scheduler()
        _check_one_text(house, caller)
    assert house.ask_twilio("calls-made")["sends"] == 1


@pytest.mark.fault("a reply of Twilio that is lost")
@pytest.mark.one_database
def test_a_send_nobody_heard_of_is_looked_up_before_it_is_repeated(
    house: House, record_property: Record
) -> None:
    house.ask_twilio("misbehave", kind="receipt_dropped", times=100)
    house.ask_twilio("misbehave", kind="slow_reply", seconds=20)
    with Visitor(house.url) as caller:
        _post(caller)
        wait_for(lambda: house.texts(MOBILE), "the text at the double")
        _scheduler(house).kill()
        house.start_scheduler()
        began_at = time.monotonic()
        wait_for(lambda: _text_state(house) == "sent", "the lookup", within_s=LEASE_S + PATIENCE_S)
    record_property("looked_up_after_s", round(time.monotonic() - began_at, 1))
    assert len(house.texts(MOBILE)) == 1
    assert house.ask_twilio("calls-made")["sends"] == 1
    assert house.row("SELECT provider_sid FROM outbox_message")[0] == house.texts(MOBILE)[0]["sid"]


@pytest.mark.fault("a process told to stop")
def test_a_request_to_stop_lets_work_finish_and_ends_with_zero(house: House) -> None:
    house.ask_twilio("misbehave", kind="receipt_dropped", times=100)
    house.ask_twilio("misbehave", kind="slow_reply", seconds=2)
    with Visitor(house.url) as caller:
        _post(caller)
    wait_for(lambda: house.texts(MOBILE), "the text at the double")
    assert _scheduler(house).stop() == 0
    assert _text_state(house) == "sent"  # the tick at work was let finish
    assert _web(house).stop() == 0


def _ask(house: House, caller: Visitor) -> float:
    """Ask for a call; seconds from the reply until the request has a counsellor in the plan."""
    _post(caller)
    answered_at = time.monotonic()
    wait_for(lambda: _is_planned(house), "a place in the plan")
    return time.monotonic() - answered_at


def _post(caller: Visitor) -> None:
    caller.open("/")
    reply = caller.post(
        "/", phone=AS_TYPED, name="Morgan", when="asap", messages="text", note="", consent="y"
    )
    assert reply.status_code == 303, reply.text
    caller.path = reply.headers["Location"]


def _is_planned(house: House) -> bool:
    """Whether the request is in the plan, with a counsellor whose shift holds the planned time."""
    row = house.row("SELECT staff.role FROM plan_entry JOIN staff ON staff.id = counsellor_id")
    return row is not None and row[0] == "counsellor"


def _check_one_text(house: House, caller: Visitor) -> None:
    """Exactly one text, in the words the page promised, and its receipts up to the last."""
    wait_for(lambda: _is_delivered(house), "the receipt of delivery")
    caller.open(caller.path)
    promise = re.search(r'govuk-panel__body">\s*(.+?)\s*<', caller.page)
    assert promise is not None, caller.words
    when = promise[1][0].lower() + promise[1][1:]
    [sent] = house.texts(MOBILE)
    assert sent["body"] == (
        f"Hi, thanks for your message. We will ring you {when}. "
        "The call may show as No caller ID or an unknown number."
    )
    assert "ends in 982" in caller.words
    assert house.row(f"SELECT count(*) {TO_CALLERS}")[0] == 1


def _is_delivered(house: House) -> bool:
    row = house.row(f"SELECT state, delivery_status {TO_CALLERS}")
    return row is not None and tuple(row) == ("sent", "delivered")


def _text_state(house: House) -> str | None:
    row = house.row(f"SELECT state {TO_CALLERS}")
    return None if row is None else row[0]


def _take_the_call(house: House, counsellor: Visitor) -> None:
    """The desk shows the request without its number; who takes it may ask for the number."""
    counsellor.open("/desk")
    assert house.row("SELECT reference FROM callback_request")[0] in counsellor.words
    assert not _has_number(counsellor.page)
    counsellor.press(f"/desk/requests/{_request_id(house)}/accept")
    assert "Morgan" in counsellor.words
    assert not _has_number(counsellor.page)  # the service rings: it is shown on asking
    counsellor.press(f"/desk/requests/{_request_id(house)}/number")
    assert AS_SHOWN in counsellor.words, counsellor.words


def _has_number(page: str) -> bool:
    return any(part in page for part in (AS_SHOWN, MOBILE, "900982", "7700900982", AS_TYPED))


def _finish_the_call(house: House, counsellor: Visitor) -> None:
    request_id = _request_id(house)
    counsellor.press(f"/desk/requests/{request_id}/ring")
    counsellor.press(
        f"/desk/requests/{request_id}/outcome",
        outcome="answered",
        disposition="helped",
        note="Will ring again.",
    )
    assert "is closed" in counsellor.words, counsellor.words
    closed = house.row("SELECT state, disposition, tries FROM callback_request")
    assert tuple(closed) == ("closed", "helped", 1)
    assert house.row("SELECT outcome FROM attempt")[0] == "answered"
    assert house.row("SELECT kept FROM contact_window")[0]


def _check_cover(house: House, manager: Visitor) -> None:
    """The table of the page holds the same hours as the command prints."""
    monday = monday_of(datetime.now(ZoneInfo("Europe/London")).date())
    week = ("--from", f"{monday}", "--to", f"{monday + timedelta(days=7)}")
    rows = house.flask_json("rota", "cover", *week, "--step", "60", "--format", "json")
    manager.open("/cover")
    assert manager.cover == [(row["on_shift"], row["required"]) for row in rows]
    assert sum(row["short"] for row in rows) > 0
    assert "short" in manager.words


def _check_message_log(manager: Visitor) -> None:
    manager.open("/messages")
    assert "on the phone" in manager.words
    assert "ends in 982" in manager.words
    assert not _has_number(manager.page)


def _email(people: list[dict[str, Any]], role: str, *, on_shift: bool = False) -> str:
    """The address of one of the demo's people of that role, on shift now where that is asked."""
    fitting = [one for one in people if one["role"] == role and (one["on_shift"] or not on_shift)]
    email: str = fitting[0]["email"]
    return email


def _request_id(house: House) -> int:
    request_id: int = house.row("SELECT id FROM callback_request")[0]
    return request_id


def _is_ready(house: House) -> bool:
    with Visitor(house.url) as anybody:
        return '"status":"ok"' in anybody.open("/health/ready")


def _scheduler(house: House) -> Part:
    return next(part for part in reversed(house.parts) if part.name.startswith("scheduler"))


def _web(house: House) -> Part:
    return next(part for part in house.parts if part.name == "web")
