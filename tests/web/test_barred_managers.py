"""What a manager who is barred from a caller finds on the pages where managers see all callers.

A request that is open keeps its line, which says nothing of the person: it must not be lost.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.auditing import FindingKind
from callback_service.domain.inbound import InboundKind
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.skills import Gender
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.models.finding import Finding
from callback_service.models.inbound import InboundText
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.staff import Staff
from callback_service.services import bars, requests, suppression
from callback_service.services.api_tokens import make_token
from tests.support.builders import NOW
from tests.support.pages import submit
from tests.support.request_builders import CALLER, make_request, mobile, stored

SignInAs = Callable[..., FlaskClient]
EARLIER = NOW - timedelta(minutes=5)
E164 = "+447700900123"  # of CALLER
ENDING = "ends in</span> 123"  # of CALLER


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@dataclass(frozen=True)
class Known:
    """A caller, and two managers: one is kept away from them."""

    request_id: int
    reference: str
    text_id: int
    barred: FlaskClient
    other: FlaskClient


@pytest.fixture
def known(app: Flask, sign_in_as: SignInAs) -> Known:
    barred, other = (sign_in_as(Role.MANAGER, name=name) for name in ("Barred", "Other"))
    with stored(app) as session:
        request = make_request(session, CALLER, may_text=True)
        make_request(session, mobile(500), may_text=True)
        text_id = session.scalars(
            select(OutboxMessage.id).where(OutboxMessage.request_id == request.id)
        ).one()
        bars.bar(session, request.id, colleague_id=id_of(session, "Barred"),
                 actor_id=id_of(session, "Other"), now=NOW)  # fmt: skip
        return Known(request.id, request.reference, text_id, barred, other)


def id_of(session: Session, name: str) -> int:
    found: int = session.scalars(select(Staff.id).where(Staff.name == name)).one()
    return found


def shown(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def close(app: Flask, request_id: int) -> None:
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        requests.close(session, request, Disposition.HELPED, now=NOW)


def test_the_texts_to_the_caller_are_not_listed_and_all_others_are(known: Known) -> None:
    row = f'id="text-{known.text_id}"'
    assert row in shown(known.other, "/messages")
    page = shown(known.barred, "/messages")
    assert row not in page
    assert ENDING not in page
    assert page.count('id="text-') == 1


def test_the_gateway_is_not_asked_after_a_text_of_theirs(app: Flask, known: Known) -> None:
    with stored(app) as session:
        text = session.get_one(OutboxMessage, known.text_id)
        text.state, text.provider_sid, text.first_tried_at = OutboxState.SENT, "SM1", NOW
    asked = f"/messages/{known.text_id}/ask"
    assert submit(known.barred, asked, {}, page="/messages").status_code == 404
    assert submit(known.other, asked, {}, page="/messages").status_code == 303


def test_that_they_wrote_after_the_end_is_only_counted(app: Flask, known: Known) -> None:
    close(app, known.request_id)
    with stored(app) as session:
        text = InboundText(
            provider_sid="SM1", kind=InboundKind.WORDS, received_at=NOW,
            request_id=known.request_id,
        )  # fmt: skip
        session.add(text)
        session.flush()
        text.body = "please"
    assert known.reference in shown(known.other, "/messages")
    page = shown(known.barred, "/messages")
    assert known.reference not in page
    assert "1 more is for a colleague to read." in page


def test_a_stop_of_theirs_stays_and_is_not_told_of(app: Flask, known: Known) -> None:
    with stored(app) as session:
        suppression.suppress(session, E164, said_by=SaidBy.TEXT, now=NOW)
    typed = {"phone": CALLER, "do": "allow"}
    said = submit(known.barred, "/messages/numbers", typed, page="/messages")
    assert said.status_code == 303
    assert "Nothing stood against texts" in shown(known.barred, "/messages")
    with stored(app) as session:
        assert suppression.is_suppressed(session, E164)
    submit(known.other, "/messages/numbers", typed, page="/messages")
    with stored(app) as session:
        assert not suppression.is_suppressed(session, E164)


def test_what_was_found_wrong_is_listed_while_it_is_open_and_not_after(
    app: Flask, known: Known
) -> None:
    with stored(app) as session:
        found = Finding(
            kind=FindingKind.UNOWNED, request_id=known.request_id, found_at=EARLIER,
            told_at=EARLIER,
        )  # fmt: skip
        session.add(found)
    assert known.reference in shown(known.barred, "/findings")
    close(app, known.request_id)
    assert known.reference in shown(known.other, "/findings")
    assert known.reference not in shown(known.barred, "/findings")


def test_a_program_of_theirs_gets_the_open_request_and_not_the_closed_one(
    app: Flask, known: Known
) -> None:
    with stored(app) as session:
        tokens = {
            name: make_token(session, id_of(session, name), "test", now=NOW)
            for name in ("Barred", "Other")
        }

    def listed(name: str) -> set[str]:
        bearer = {"Authorization": f"Bearer {tokens[name]}"}
        answer = app.test_client().get("/api/v1/callback-requests", headers=bearer).json or {}
        return {item["reference"] for item in answer["items"]}

    assert listed("Barred") == listed("Other")
    close(app, known.request_id)
    assert listed("Other") - listed("Barred") == {known.reference}


def test_the_line_on_the_desk_says_nothing_of_the_person(app: Flask, known: Known) -> None:
    with stored(app) as session:
        session.get_one(CallbackRequest, known.request_id).wish_gender = Gender.WOMAN

    def line(client: FlaskClient) -> str:
        rest = shown(client, "/desk").partition(f'id="request-{known.request_id}"')[2]
        return rest.partition("</tr>")[0]

    assert "Asked for a woman" in line(known.other)
    assert "Text only" in line(known.other)
    own = line(known.barred)
    assert known.reference in own
    assert "For a colleague" in own
    for told in ("Asked for", "Text only", "No message", "/history", "/accept", "/urgent"):
        assert told not in own, told
