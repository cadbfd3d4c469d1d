"""The page of decoys, and that nobody else notices any of it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service.clock import utc_now
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.staff import Role
from callback_service.services import decoy_planting, decoys, requests
from callback_service.ticks import tell_of_decoys
from tests.rota_builders import LONDON
from tests.support.pages import submit, without_chance
from tests.support.request_builders import make_request, make_shift, seen, stored

SignInAs = Callable[..., FlaskClient]
TIME = re.compile(r"\d{1,2}:\d\d")


@pytest.fixture
def planted(app: Flask) -> tuple[int, str]:
    """The request of a decoy: its id and reference."""
    with stored(app) as session:
        make_shift(session, "00:00", "00:00")
        decoy_planting.plant(
            session, name=None, note=None, consent_version="test", now=utc_now(), tz=LONDON
        )
        [row] = decoys.list_decoys(session)
    assert row.request_id is not None
    assert row.reference is not None
    return row.request_id, row.reference


def words(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def open_one(app: Flask, manager: FlaskClient, planted: tuple[int, str]) -> None:
    assert manager.get(f"/desk/requests/{planted[0]}/record").status_code == 200
    with app.app_context():
        assert tell_of_decoys(app) == 1


@pytest.mark.parametrize("role", [Role.SAFEGUARDING_LEAD, Role.ADMINISTRATOR])
def test_those_who_may_know_see_who_opened_one_and_see_to_it(
    app: Flask, sign_in_as: SignInAs, planted: tuple[int, str], role: Role
) -> None:
    open_one(app, sign_in_as(Role.MANAGER, name="Mo Lane"), planted)
    knowing = sign_in_as(role, name="Dana Whyte")
    page = words(knowing, "/decoys")
    assert "Decoys (1 new)" in page
    assert "Mo Lane" in page
    assert "Opened the record of the request" in page
    assert planted[1] in page
    with seen(app) as session:
        [opening] = decoys.openings(session, limit=5)
    path = f"/decoys/openings/{opening.id}/seen"
    assert submit(knowing, path, {}, page="/decoys").status_code == 303
    page = words(knowing, "/decoys")
    assert "1 new" not in page
    assert "Seen to by Dana Whyte" in page


def test_the_administrators_audit_page_says_that_one_was_opened(
    app: Flask, sign_in_as: SignInAs, planted: tuple[int, str]
) -> None:
    open_one(app, sign_in_as(Role.MANAGER), planted)
    assert "Opened a decoy" in words(sign_in_as(Role.ADMINISTRATOR), "/audit")


def test_whoever_opened_one_finds_nothing_of_it_anywhere(
    app: Flask, sign_in_as: SignInAs, planted: tuple[int, str]
) -> None:
    manager = sign_in_as(Role.MANAGER)
    open_one(app, manager, planted)
    for path in ("/audit", "/messages", "/looks", "/desk", "/findings",
                 f"/desk/requests/{planted[0]}/history"):  # fmt: skip
        assert "ecoy" not in words(manager, path), path
    assert manager.get("/decoys").status_code == 403


def test_the_page_of_a_decoy_is_that_of_any_request_that_was_taken_back(
    app: Flask, sign_in_as: SignInAs, planted: tuple[int, str]
) -> None:
    with stored(app) as session:
        real = make_request(session, now=utc_now())
        requests.close(session, real, Disposition.WITHDRAWN, now=utc_now())
    manager, pages = sign_in_as(Role.MANAGER), []
    with seen(app) as session:
        for request_id in (planted[0], real.id):
            one = session.get_one(type(real), request_id)
            page = without_chance(words(manager, f"/desk/requests/{request_id}/record"))
            for told in (
                one.reference,
                (one.phone or "")[-3:],
                f"/{request_id}/",
                f'/{request_id}"',
            ):
                page = page.replace(told, "X")
            pages.append(TIME.sub("", page))
    assert pages[0] == pages[1]


@pytest.mark.one_database
def test_nobody_else_comes_to_the_page(sign_in_as: SignInAs) -> None:
    for role in (Role.COUNSELLOR, Role.MANAGER):
        client = sign_in_as(role)
        assert client.get("/decoys").status_code == 403
        assert client.post("/decoys/openings/1/seen").status_code in {400, 403}


@pytest.mark.one_database
@pytest.mark.parametrize("role", [Role.SAFEGUARDING_LEAD, Role.ADMINISTRATOR])
def test_those_who_are_told_can_give_the_number_to_tell_them_at(
    sign_in_as: SignInAs, role: Role
) -> None:
    client = sign_in_as(role)
    page = words(client, "/account/texts")
    assert "One text for each offer" not in page
    answer = submit(client, "/account/texts", {"phone": "07700 900555"})
    assert answer.status_code == 303
