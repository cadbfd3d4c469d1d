"""What somebody of staff was refused is in the audit log, and nothing of what they typed."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.domain.staff import Role
from callback_service.models.audit import AuditEntry
from callback_service.services import api_tokens, refusals
from callback_service.services.refusals import REFUSED
from tests.support.builders import make_staff
from tests.support.pages import submit
from tests.support.request_builders import make_request, seen, stored

SignInAs = Callable[..., FlaskClient]


def noted(app: Flask) -> list[dict[str, object]]:
    with seen(app) as session:
        rows = select(AuditEntry).where(AuditEntry.action == REFUSED).order_by(AuditEntry.id)
        return [row.detail for row in session.scalars(rows)]


def test_a_page_that_is_not_for_the_role_is_noted_with_who_and_where(
    app: Flask, sign_in_as: SignInAs
) -> None:
    assert sign_in_as(Role.COUNSELLOR, name="Alex Marsh").get("/audit").status_code == 403
    assert noted(app) == [{"route": "audit.page", "status": 403}]
    page = html.unescape(sign_in_as(Role.MANAGER).get("/audit?what=refusals").text)
    assert "Was refused a page or an act" in page
    assert "Alex Marsh" in page
    assert "It is not for their role" in page


def test_a_row_that_hides_is_noted_by_its_number(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        request_id = make_request(session).id
    counsellor = sign_in_as(Role.COUNSELLOR)
    assert counsellor.get(f"/desk/requests/{request_id}").status_code == 404
    assert noted(app) == [{"route": "desk.call", "status": 404, "row": request_id}]


def test_an_act_that_is_refused_is_noted(app: Flask, sign_in_as: SignInAs) -> None:
    counsellor = sign_in_as(Role.COUNSELLOR)
    answer = submit(counsellor, "/desk/requests/77/accept", {}, page="/account")
    assert answer.status_code in {403, 404}
    assert [(one["route"], one["row"]) for one in noted(app)] == [("desk.accept", 77)]


def test_a_guesser_fills_no_table(
    app: Flask, sign_in_as: SignInAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_AN_HOUR", 3)
    manager = sign_in_as(Role.MANAGER)
    for request_id in range(500, 510):
        assert manager.get(f"/desk/requests/{request_id}/record").status_code == 404
    assert [one["row"] for one in noted(app)] == [500, 501, 502]
    assert [one.get("is_last_of_hour") for one in noted(app)] == [None, None, True]
    sign_in_as(Role.COUNSELLOR).get("/audit")  # somebody else has a count of their own
    assert len(noted(app)) == 4


def test_a_wrong_link_on_a_page_for_everybody_is_nobodys_refusal(
    app: Flask, sign_in_as: SignInAs
) -> None:
    manager = sign_in_as(Role.MANAGER)
    for path in ("/calendar/07700900123.ics", "/manage/07700900123", "/no/such/page"):
        assert manager.get(path).status_code == 404
    assert noted(app) == []


def test_an_address_that_does_not_exist_leaves_nothing_of_it(
    app: Flask, sign_in_as: SignInAs
) -> None:
    sign_in_as(Role.COUNSELLOR).get("/audit?who=07700900123&what=Canarina")
    assert "900123" not in str(noted(app))
    assert "Canarina" not in str(noted(app))


def test_a_stranger_leaves_no_row(app: Flask, client: FlaskClient) -> None:
    assert client.get("/audit").status_code == 303
    assert noted(app) == []


def test_a_token_of_the_wrong_role_is_noted_too(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        counsellor = make_staff(session)
        token = api_tokens.make_token(session, counsellor.id, "Screen", now=utc_now())
    answer = client.get("/api/v1/callback-requests", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    [detail] = noted(app)
    assert detail["status"] == 403
