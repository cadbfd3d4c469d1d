"""What somebody at home, or a stranger, can learn of a caller from our pages and texts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median
from time import perf_counter

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from callback_service.domain.contact import national
from callback_service.domain.lifecycle import Disposition, Outcome
from callback_service.domain.presence import Rests
from callback_service.extensions import db
from callback_service.models.callback import CallbackRequest
from callback_service.models.number import SaidBy
from callback_service.models.outbox import FOR_CALLERS, OutboxMessage, OutboxState
from callback_service.models.staff import Staff
from callback_service.services import (
    attempts,
    data_requests,
    legal_holds,
    requests,
    suppression,
)
from callback_service.ticks import erase as erase_tick
from callback_service.web.public_form import window_value
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.pages import csrf_token, without_chance
from tests.support.request_builders import (
    CALLER,
    LATE_TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    send_form,
    stored,
)

E164 = "+447700900123"  # of CALLER
STRANGER = "07700 900523"  # asked for nothing
EARLIER = NOW - timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def counsellor(app: Flask) -> int:
    """Somebody on shift, of whom a caller is to learn nothing."""
    with stored(app) as session:
        staff = make_shift(session, name="Canarina Quillfeather", email="quill@example.org")
        staff.phone = "+447700900555"
        return staff.id


def waiting(session: Session) -> None:
    make_request(session, CALLER, name="Sam", may_text=True)


def in_a_call(session: Session) -> None:
    request = make_request(session, CALLER, now=EARLIER)
    staff = session.scalars(select(Staff)).one()
    accept(session, request, staff, now=EARLIER)
    attempts.start_attempt(session, request.id, staff=member(staff), now=EARLIER)


def helped(session: Session) -> None:
    request = make_request(session, CALLER)
    requests.close(session, request, Disposition.HELPED, now=NOW)


def stopped(session: Session) -> None:
    suppression.suppress(session, E164, said_by=SaidBy.TEXT, now=NOW)


KNOWN = [waiting, in_a_call, helped, stopped]


def answered(client: FlaskClient, phone: str) -> tuple[int, str]:
    """What the form answers, and the page it leads to, without what is drawn at random."""
    when = window_value(LATE_TONIGHT)  # what is promised as soon as we can depends on the queue
    answer = send_form(client, phone=phone, messages="text", when=when)
    key = answer.location.removeprefix("/done/")
    pages = "".join(client.get(f"/{room}/{key}").text for room in ("done", "manage"))
    shown = without_chance(html.unescape(pages)).replace(key, "KEY")
    reference = re.findall(r"reference is ([A-Z0-9]+)", shown)[0]
    shown = re.sub(r"([Ee]nds in (?:<[^>]*>)?)\d{3}", r"\1END", shown)
    return answer.status_code, shown.replace(reference, "REF")


@pytest.mark.parametrize("past", KNOWN)
def test_whoever_types_somebodys_number_is_answered_byte_for_byte_as_for_a_strangers(
    app: Flask, past: Callable[[Session], None]
) -> None:
    with stored(app) as session:
        past(session)
    of_stranger = answered(app.test_client(), STRANGER)
    assert "Cancel this call" in of_stranger[1]
    assert answered(app.test_client(), CALLER) == of_stranger


@pytest.mark.one_database
@pytest.mark.parametrize("past", KNOWN)
def test_and_after_about_the_same_time(app: Flask, past: Callable[[Session], None]) -> None:
    """Medians of posts that take turns, with room for a busy machine."""
    with stored(app) as session:
        past(session)
    took: dict[str, list[float]] = {"known": [], "new": []}
    for n in range(9):
        for whose, phone in (("known", CALLER), ("new", mobile(600 + n))):
            client = app.test_client()
            client.environ_base["REMOTE_ADDR"] = f"203.0.113.{n}"
            client.get("/")
            start = perf_counter()
            send_form(client, phone=phone)
            took[whose].append(perf_counter() - start)
    assert 0.5 < median(took["known"]) / median(took["new"]) < 2


def test_no_page_and_no_text_tells_a_caller_who_rings_them(
    app: Flask, client: FlaskClient, counsellor: int
) -> None:
    key = send_form(client, messages="both").location.removeprefix("/done/")
    seen: list[str] = []

    def look() -> None:
        seen.extend(client.get(f"/{room}/{key}").text for room in ("done", "manage"))

    with stored(app) as session:
        request = session.scalars(select(CallbackRequest)).one()
        staff = session.get_one(Staff, counsellor)
        accept(session, request, staff)
        request_id, who = request.id, member(staff)
    look()
    with stored(app) as session:
        attempts.start_attempt(session, request_id, staff=who, now=NOW)
    look()
    with stored(app) as session:
        record = attempts.Record(outcome=Outcome.NO_ANSWER)
        attempts.record_outcome(
            session, request_id, record, staff=who, now=NOW, tz=LONDON, rests=Rests()
        )
    look()
    with stored(app) as session:
        texts = select(OutboxMessage.body).where(OutboxMessage.kind.in_(FOR_CALLERS))
        bodies = list(session.scalars(texts))
    assert len(seen) == 6
    assert len(bodies) > 1
    for told in (*seen, *bodies):
        for secret in ("Canarina", "Quillfeather", "quill@", "900555", national("+447700900555")):
            assert secret not in told, secret


@pytest.mark.one_database
@pytest.mark.parametrize("room", ["form", "done", "manage", "safety"])
def test_whom_to_ring_when_it_cannot_wait_is_said_everywhere(
    client: FlaskClient, room: str
) -> None:
    key = send_form(client).location.removeprefix("/done/")
    path = {"form": "/", "safety": "/safety"}.get(room, f"/{room}/{key}")
    shown = client.get(path)
    assert shown.status_code == 200
    for number in ("999", "116123", "08001111"):
        assert f'href="tel:{number}"' in shown.text, number


def erasing(session: Session) -> None:
    """Its owner asked by their own link for all to be erased, after a conversation."""
    request = make_request(session, CALLER)
    data_requests.note_wish(session, request.phone or "", asked_at=NOW, now=NOW, tz=LONDON)
    requests.close(session, request, Disposition.HELPED, now=NOW)


def held(session: Session) -> None:
    request = make_request(session, CALLER)
    legal_holds.place(
        session, request.id, reason="A court", review_on=NOW.date() + timedelta(days=9),
        actor_id=make_manager(session).id, now=NOW, tz=LONDON,
    )  # fmt: skip


def texted(session: Session) -> None:
    make_request(session, CALLER, may_text=True)
    for text in session.scalars(select(OutboxMessage)):
        text.state, text.lease_until = OutboxState.SENDING, NOW + timedelta(minutes=5)


def erased(client: FlaskClient, phone: str) -> list[tuple[int, str]]:
    """What a link shows around *Erase*, without the key and what is drawn at random."""
    when = window_value(LATE_TONIGHT)
    key = send_form(client, phone=phone, messages="text", when=when).location.rpartition("/")[2]
    path = f"/manage/{key}/erase"
    before = client.get(path)
    fields = {"csrf_token": csrf_token(before.text)}
    answers = [before, client.post(path, data=fields), client.get("/erased")]
    answers += [client.get(page) for page in (path, f"/manage/{key}", f"/done/{key}")]
    answers.append(client.post(path, data=fields))
    return [(one.status_code, same_words(one.text, key) + str(one.location)) for one in answers]


def same_words(page: str, key: str) -> str:
    shown = without_chance(html.unescape(page)).replace(key, "KEY")
    return re.sub(r"(ends in )\d{3}", r"\1END", shown)


@pytest.mark.parametrize("past", [*KNOWN, erasing, held, texted])
def test_erasing_by_a_link_looks_the_same_whatever_the_number_has_behind_it(
    app: Flask, past: Callable[[Session], None]
) -> None:
    with stored(app) as session:
        past(session)
    of_stranger = erased(app.test_client(), STRANGER)
    assert [status for status, _ in of_stranger] == [200, 303, 200, 404, 404, 404, 404]
    assert erased(app.test_client(), CALLER) == of_stranger
    with app.app_context():
        erase_tick(app)
    assert erased(app.test_client(), CALLER) == of_stranger


def statements(app: Flask, phone: str) -> int:
    """How many statements the database is sent while *Erase* is pressed."""
    client, sent = app.test_client(), []
    key = send_form(client, phone=phone).location.rpartition("/")[2]
    path = f"/manage/{key}/erase"
    fields = {"csrf_token": csrf_token(client.get(path).text)}

    def note(*args: object) -> None:
        sent.append(args[2])

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert client.post(path, data=fields).status_code == 303
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(sent)


@pytest.mark.parametrize("past", [*KNOWN, erasing, held, texted])
def test_and_takes_about_the_same_work(app: Flask, past: Callable[[Session], None]) -> None:
    """Counted, not timed: emptying a request, or opening a case, takes twenty statements more."""
    with stored(app) as session:
        past(session)
    known, new = statements(app, CALLER), statements(app, STRANGER)
    assert abs(known - new) <= 4, (known, new)


@pytest.mark.one_database
def test_no_cookie_is_set_before_there_is_a_form(app: Flask) -> None:
    for path in ("/privacy", "/safety", "/accessibility", "/cookies"):
        answer = app.test_client().get(path)
        assert answer.status_code == 200, path
        assert answer.headers.getlist("Set-Cookie") == [], path
    assert app.test_client().get("/").headers.getlist("Set-Cookie") != []
