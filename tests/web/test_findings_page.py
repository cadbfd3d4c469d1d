"""The managers' page of findings: what was found, when, and whether it was mended."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from callback_service.domain.auditing import CONFIRM_AFTER, FindingKind
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.staff import Role
from callback_service.models.finding import Finding
from callback_service.services import requests
from callback_service.web import findings
from tests.support.builders import NOW
from tests.support.request_builders import accept, make_request, make_shift, mobile, stored

SignInAs = Callable[..., FlaskClient]
EARLIER = NOW - timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def shown(client: FlaskClient, path: str = "/findings") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_with_nothing_found_it_says_so(sign_in_as: SignInAs) -> None:
    assert "Nothing was found wrong." in shown(sign_in_as(Role.MANAGER))


def test_what_is_open_is_said_in_words_with_a_way_to_the_request(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        request = make_request(session, name="Canarina", note="canary")
        session.add(
            Finding(
                kind=FindingKind.UNOWNED, request_id=request.id, found_at=EARLIER, told_at=EARLIER
            )
        )
        reference, request_id = request.reference, request.id
    page = shown(sign_in_as(Role.MANAGER))
    assert findings.KINDS[FindingKind.UNOWNED] in page
    assert f'href="/desk#request-{request_id}">{reference}<' in page
    assert "1 open" in page
    assert "It needs a person to see to it." in page
    assert "19:55" in page
    for secret in ("Canarina", "canary", "07700", "900123"):
        assert secret not in page, secret


def test_what_was_mended_says_when_and_leads_to_the_call_or_nowhere(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        held, closed = make_request(session), make_request(session, mobile(2))
        accept(session, held, make_shift(session))
        requests.close(session, closed, Disposition.HELPED, now=NOW)
        for request in (held, closed):
            session.add(
                Finding(
                    kind=FindingKind.OVERHELD, request_id=request.id, found_at=EARLIER,
                    repaired_at=EARLIER + CONFIRM_AFTER, gone_at=NOW,
                )
            )  # fmt: skip
        held_id, closed_reference = held.id, closed.reference
    page = shown(sign_in_as(Role.MANAGER))
    assert "2 mended" in page
    assert "needs a person" not in page
    assert f'href="/desk/requests/{held_id}"' in page
    assert f"{closed_reference}</span> (closed)" in page
    assert "Nobody could be" in page


def test_a_stopped_tick_is_named(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        session.add(
            Finding(
                kind=FindingKind.TICK_STOPPED, detail="escalation", found_at=EARLIER,
                told_at=EARLIER, gone_at=NOW,
            )
        )  # fmt: skip
    page = shown(sign_in_as(Role.MANAGER))
    assert findings.KINDS[FindingKind.TICK_STOPPED] in page
    assert "escalation" in page
    assert "1 over" in page


def test_what_may_pass_by_itself_is_not_shown_yet(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        session.add(Finding(kind=FindingKind.TICK_STOPPED, found_at=NOW))
    assert "Nothing was found wrong." in shown(sign_in_as(Role.MANAGER))


@pytest.mark.one_database
def test_a_long_list_goes_on_over_pages(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        request = make_request(session)
        for _ in range(findings.PAGE_LENGTH + 5):
            session.add(
                Finding(
                    kind=FindingKind.UNTOLD, request_id=request.id, found_at=EARLIER, gone_at=NOW
                )
            )
    client = sign_in_as(Role.MANAGER)
    first = shown(client)
    older = first.partition('href="/findings?before=')[2].partition('"')[0]
    words = findings.KINDS[FindingKind.UNTOLD]
    assert first.count(words) == findings.PAGE_LENGTH
    assert shown(client, f"/findings?before={older}").count(words) == 5


@pytest.mark.one_database
def test_every_kind_has_its_words() -> None:
    assert set(findings.KINDS) == set(FindingKind)


@pytest.mark.one_database
@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_it_is_for_managers_only(sign_in_as: SignInAs, role: Role) -> None:
    assert sign_in_as(role).get("/findings").status_code == 403
