"""Fields that no form has change nothing, whoever sends them and wherever to."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from tests.support.request_builders import send_form, stored
from tests.web.test_policy_matrix import (  # noqa: F401 - cast is a fixture
    NOT_THERE,
    Cast,
    address,
    cast,
    staff_routes,
)

EXTRA = {
    "role": "administrator", "is_active": "1", "id": "1", "email": "me@example.org",
    "state": "closed", "assigned_to": "1", "assigned_to_id": "1", "staff": "1",
    "counsellor_id": "1", "actor_id": "1", "is_urgent_": "yes", "disposition_": "helped",
    "closing_note": "x", "reference": "x", "due_at": "2030-01-01", "is_beyond": "0",
    "a_day": "1000", "is_manager": "1", "password_hash": "x", "totp_secret": "x",
}  # fmt: skip
#: What these do to the person who presses them is what they are for.
MEANT = {"/account/sign-ins/end-others", "/account/recovery-codes"}


def standing(app: Flask) -> tuple[list[Any], list[Any]]:
    """What none of the presses below may change."""
    with stored(app) as session:
        staff = session.execute(
            select(Staff.id, Staff.email, Staff.name, Staff.role, Staff.is_active,
                   Staff.password_hash, Staff.totp_secret_sealed).order_by(Staff.id)
        ).all()  # fmt: skip
        asked = session.execute(
            select(CallbackRequest.id, CallbackRequest.state, CallbackRequest.assigned_to_id,
                   CallbackRequest.is_urgent, CallbackRequest.due_at, CallbackRequest.reference,
                   CallbackRequest.closing_note_sealed, CallbackRequest.disposition)
        ).all()  # fmt: skip
    return [tuple(row) for row in staff], [tuple(row) for row in asked]


@pytest.mark.one_database
def test_extra_fields_change_no_account_and_no_request(
    app: Flask,
    cast: Cast,  # noqa: F811
) -> None:
    before, sent = standing(app), 0
    for rule, method, _ in staff_routes(app):
        if method != "POST" or rule.rule in MEANT:
            continue
        for who in ("counsellor", "manager", "safeguarding", "administrator", "half"):
            cast.clients[who].post(address(rule, NOT_THERE), data=EXTRA)
            sent += 1
    assert sent > 200
    assert standing(app) == before


@pytest.mark.one_database
def test_extra_fields_of_a_press_that_is_allowed_change_nothing_beside_it(
    app: Flask,
    cast: Cast,  # noqa: F811
) -> None:
    own = f"/desk/requests/{cast.request_id}"
    cast.clients["holder"].post(f"{own}/urgent", data={**EXTRA, "is_urgent": "yes"})
    assert cast.clients["holder"].post(f"{own}/ring", data=EXTRA).status_code == 303
    with stored(app) as session:
        request = session.get_one(CallbackRequest, cast.request_id)
        assert (request.state, request.assigned_to.name if request.assigned_to else None) == (
            "calling",
            "holder",
        )
        assert {one.role for one in session.scalars(select(Staff))} == set(Role)


@pytest.mark.one_database
def test_extra_fields_of_the_public_form_change_nothing(app: Flask) -> None:
    assert send_form(app.test_client(), **EXTRA).status_code == 303
    with stored(app) as session:
        request = session.scalars(select(CallbackRequest)).one()
        assert (request.state, request.assigned_to_id, request.is_urgent) == (
            "waiting",
            None,
            False,
        )
        assert request.closing_note is None
