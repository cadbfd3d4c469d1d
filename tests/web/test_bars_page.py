"""The page by which a manager keeps a colleague away from a caller."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from callback_service.domain.staff import Role
from tests.support.pages import submit
from tests.support.request_builders import make_request, make_shift, stored

SignInAs = Callable[..., FlaskClient]


def words(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_from_the_history_somebody_is_kept_away_and_let_back(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        alex_id = make_shift(session, name="Alex Marsh").id
        request_id = make_request(session).id
    manager = sign_in_as(Role.MANAGER, name="Mo Lane")
    path = f"/desk/requests/{request_id}/keep-away"
    assert path in words(manager, f"/desk/requests/{request_id}/history")
    assert "Nobody, by a manager" in words(manager, path)
    assert submit(manager, path, {"staff_id": str(alex_id)}).status_code == 303
    page = words(manager, path)
    assert "They are kept away from this caller from now on." in page
    lift = re.search(r'action="(/desk/bars/\d+/lift)"', page)
    assert lift is not None
    history = words(manager, f"/desk/requests/{request_id}/history")
    assert "A manager keeps away Alex Marsh" in history
    assert submit(manager, lift.group(1), {}, page=path).status_code == 303
    assert "Nobody, by a manager" in words(manager, path)


def test_nobody_chosen_is_said_at_the_field(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        request_id = make_request(session).id
    manager = sign_in_as(Role.MANAGER)
    for typed in ("", "x", "999999", "²"):
        answer = submit(manager, f"/desk/requests/{request_id}/keep-away", {"staff_id": typed})
        assert answer.status_code == 422
        assert "Choose a colleague" in answer.text
