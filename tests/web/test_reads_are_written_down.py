"""Whoever is shown something of a caller is written down, on whatever page it stands."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service.models.audit import AuditEntry
from callback_service.models.staff import Staff
from tests.support.request_builders import seen
from tests.web.test_policy_matrix import (  # noqa: F401 - cast is a fixture
    SECRETS,
    Cast,
    address,
    cast,
    staff_routes,
)


@pytest.mark.parametrize("who", ["holder", "manager", "safeguarding"])
def test_each_page_that_shows_something_of_a_caller_adds_who_saw_it_to_the_log(
    app: Flask,
    cast: Cast,  # noqa: F811
    who: str,
) -> None:
    client, shown = cast.clients[who], set()
    if who != "holder":
        look = f"/desk/requests/{cast.request_id}/look"
        assert client.post(look, data={"reason": "at_risk"}).status_code == 303
    for rule, method, _ in staff_routes(app):
        if method != "GET":
            continue
        before = reads_by(app, who, cast.request_id)
        body = client.get(address(rule, cast.request_id)).get_data(as_text=True)
        if any(word in body for words in SECRETS.values() for word in words):
            shown.add(rule.rule)
            assert reads_by(app, who, cast.request_id) == before + 1, rule
    assert shown


def reads_by(app: Flask, who: str, request_id: int) -> int:
    """How often the log says that ``who`` read of the request."""
    with seen(app) as session:
        reads = (
            select(func.count())
            .select_from(AuditEntry)
            .join(Staff, Staff.id == AuditEntry.actor_id)
            .where(
                Staff.name == who,
                AuditEntry.subject == "callback_request",
                AuditEntry.subject_id == request_id,
            )
        )
        return session.scalar(reads) or 0
