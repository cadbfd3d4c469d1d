"""The manager's page of texts: what went out, where it stands, and no number in full."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.staff import Role
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services.escalation import escalate
from callback_service.ticks import TICKS, run_tick
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    make_manager,
    make_request,
    make_shift,
    mobile,
    stored,
)

SignInAs = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def shown(client: FlaskClient, path: str = "/messages") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_before_the_first_text_it_says_so(sign_in_as: SignInAs) -> None:
    assert "No texts yet." in shown(sign_in_as(Role.MANAGER))


def test_a_text_is_shown_with_its_words_and_the_end_of_its_number(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        make_shift(session)
        make_request(session, name="Canarina", note="canary", may_text=True)
        body = session.scalars(select(OutboxMessage.body)).one()
    page = shown(sign_in_as(Role.MANAGER))
    assert body in page
    assert "ends in</span> 123" in page
    for secret in ("Canarina", "canary", "07700", "+447700", "900123"):
        assert secret not in page, secret


def test_without_a_gateway_the_texts_are_kept_to_be_read(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
    assert run_tick(app, next(tick for tick in TICKS if tick.name == "texts"))
    page = shown(sign_in_as(Role.MANAGER))
    assert "1 kept here" in page
    assert "Texts are not going out" in page


def test_a_text_that_failed_says_why(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        make_request(session, may_text=True)
        message = session.scalars(select(OutboxMessage)).one()
        message.state, message.error_code = OutboxState.FAILED, 30003
        message.reason = "The phone is off or out of reach. Ring anyway."
    page = shown(sign_in_as(Role.MANAGER))
    assert "Some texts did not arrive." in page
    assert "The phone is off or out of reach. Ring anyway. (30003)" in page


def test_notices_to_the_duty_lead_are_there_too(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        make_request(session)
        escalate(session, now=NOW, tz=LONDON)
    page = shown(sign_in_as(Role.MANAGER))
    assert "To the duty lead" in page
    assert "ends in</span> 800" in page


def test_a_long_list_goes_on_over_pages_without_losing_or_doubling_a_text(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        make_shift(session)
        for number in range(120):
            make_request(session, mobile(number), may_text=True)
    client = sign_in_as(Role.MANAGER)
    path, seen = "/messages", list[str]()
    while path:
        page = shown(client, path)
        seen += [row.partition('"')[0] for row in page.split('id="text-')[1:]]
        older = page.partition('href="/messages?before=')[2].partition('"')[0]
        path = f"/messages?before={older.partition('#')[0]}" if older else ""
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.one_database
@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30])
def test_a_nonsense_page_is_no_fault(sign_in_as: SignInAs, before: str) -> None:
    answer = sign_in_as(Role.MANAGER).get(f"/messages?before={before}")
    assert answer.status_code in {200, 404}


@pytest.mark.one_database
@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_it_is_for_managers_only(sign_in_as: SignInAs, role: Role) -> None:
    assert sign_in_as(role).get("/messages").status_code == 403
