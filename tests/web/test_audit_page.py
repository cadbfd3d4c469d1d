"""The audit log as managers and administrators see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from callback_service import services
from callback_service.domain.inbound import InboundKind
from callback_service.domain.leave_requests import LeaveState
from callback_service.domain.lifecycle import LetGo
from callback_service.domain.presence import PresenceKind
from callback_service.domain.staff import Role
from callback_service.domain.swaps import SwapState
from callback_service.models.callback import Offer, OfferEnding
from callback_service.models.inbound import InboundText
from callback_service.models.outbox import OutboxState
from callback_service.models.staff import Staff
from callback_service.services import audit, bars, desk
from callback_service.web import audit as audit_page
from callback_service.web.audit_words import DEEDS
from tests.support.builders import NOW
from tests.support.pages import submit
from tests.support.request_builders import accept, make_request, make_shift, member, stored

SignInAs = Callable[..., FlaskClient]
CALLER, NAME, NOTE = "07700 900777", "Canary Caller", "canary note"


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def shown(client: FlaskClient, path: str = "/audit") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return text_of(answer.get_data(as_text=True))


def listed(client: FlaskClient, path: str = "/audit") -> list[str]:
    """What was done, in the rows of the page."""
    page = client.get(path).get_data(as_text=True)
    return [unescape(row) for row in re.findall(r'scope="row"[^>]*>([^<]+)<', page)]


@pytest.fixture
def looked_at(app: Flask) -> tuple[int, str]:
    """A request whose call Jo Hill has opened: its id and reference."""
    with stored(app) as session:
        counsellor = make_shift(session, name="Jo Hill")
        request = make_request(session, CALLER, name=NAME, note=NOTE)
        accept(session, request, counsellor)
        desk.call_sheet(session, request.id, staff=member(counsellor), now=NOW)
        make_request(session, "07700 900778")
        return request.id, request.reference


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMINISTRATOR])
def test_tells_who_looked_at_which_record_and_why_and_nothing_of_the_caller(
    sign_in_as: SignInAs, looked_at: tuple[int, str], role: Role
) -> None:
    page = shown(sign_in_as(role))
    assert "Opened the call and read its details" in page
    assert "Jo Hill" in page
    assert looked_at[1] in page
    assert "It was theirs to ring, with the number" in page
    assert not any(canary in page for canary in ("900777", NAME, NOTE))


@pytest.mark.one_database
def test_is_closed_to_counsellors(sign_in_as: SignInAs) -> None:
    assert sign_in_as(Role.COUNSELLOR).get("/audit").status_code == 403


@pytest.mark.one_database
def test_only_managers_are_led_to_the_history_of_a_request(
    sign_in_as: SignInAs, looked_at: tuple[int, str]
) -> None:
    path, link = f"/audit?record={looked_at[0]}", f"/desk/requests/{looked_at[0]}/history"
    assert link in sign_in_as(Role.MANAGER).get(path).get_data(as_text=True)
    assert link not in sign_in_as(Role.ADMINISTRATOR).get(path).get_data(as_text=True)


def test_lists_who_looked_at_one_record(sign_in_as: SignInAs, looked_at: tuple[int, str]) -> None:
    manager = sign_in_as(Role.MANAGER)
    assert listed(manager, f"/audit?record={looked_at[0]}&what=looks") == [
        "Opened the call and read its details"
    ]
    assert listed(manager, f"/audit?record={looked_at[0]}") == [
        "Opened the call and read its details", "Took the request", "Asked for a call",
    ]  # fmt: skip


def test_is_narrowed_by_a_form_that_leaves_no_reference_in_the_address(
    sign_in_as: SignInAs, looked_at: tuple[int, str]
) -> None:
    manager = sign_in_as(Role.MANAGER)
    typed = {"reference": f" {looked_at[1].lower()} ", "who": "1", "what": "looks"}
    answer = submit(manager, "/audit", typed)
    assert answer.status_code == 303
    assert answer.location == f"/audit?who=1&what=looks&record={looked_at[0]}"
    assert f"Request {looked_at[1]}" in shown(manager, answer.location)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"reference": "NOSUCH"}, "There is no request with this reference."),
        ({"first_day": "yesterday"}, "Enter a day, like 2026-11-25"),
        (
            {"first_day": "2026-11-25", "last_day": "2026-11-24"},
            "The last day is before the first",
        ),
    ],
)
def test_says_what_is_wrong_with_a_filter_and_keeps_what_was_typed(
    sign_in_as: SignInAs, typed: dict[str, str], said: str
) -> None:
    answer = submit(sign_in_as(Role.MANAGER), "/audit", typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in page
    assert all(f'value="{value}"' in page for value in typed.values())


def test_lists_whole_days_of_the_wall_clock(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        for hours, action in ((-21, "demo.seeded"), (0, "rota.undone"), (4, "rota.imported")):
            at = NOW + timedelta(hours=hours)
            audit.record(session, action, subject="test", subject_id=1, now=at)
    manager = sign_in_as(Role.MANAGER)
    day = "/audit?from=2026-11-25&to=2026-11-25"
    assert listed(manager, day) == ["Undid an edit of the rota"]


def test_goes_on_page_by_page(
    app: Flask, sign_in_as: SignInAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "PAGE_LENGTH", 2)
    with stored(app) as session:
        for n in range(5):
            audit.record(session, f"test.deed_{n}", subject="test", subject_id=n, now=NOW)
    manager, seen, path = sign_in_as(Role.MANAGER), [], "/audit?from=2026-11-25&to=2026-11-25"
    while path:
        seen += listed(manager, path)
        page = manager.get(path).get_data(as_text=True)
        older = re.search(r'href="([^"]+)">Older entries', page)
        path = unescape(older[1]) if older else ""
    assert seen == [f"Test: deed {n}" for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("how", ["kept away by a manager", "said that they know the caller"])
def test_whoever_is_barred_from_a_caller_finds_nothing_of_them(
    app: Flask, sign_in_as: SignInAs, looked_at: tuple[int, str], how: str
) -> None:
    request_id, reference = looked_at
    barred, other = (sign_in_as(Role.MANAGER, name=name) for name in ("Barred", "Other"))
    before = listed(barred)
    with stored(app) as session:
        by_name = {one.name: one.id for one in session.query(Staff)}
        text = InboundText(
            provider_sid="SM1", kind=InboundKind.WORDS, request_id=request_id, received_at=NOW
        )
        session.add(text)
        session.flush()
        audit.record(session, "text.received", subject="inbound_text", subject_id=text.id, now=NOW)
        if how == "kept away by a manager":
            bars.bar(session, request_id, colleague_id=by_name["Barred"],
                     actor_id=by_name["Other"], now=NOW)  # fmt: skip
        else:
            say_they_know(session, request_id, by_name["Barred"])
    record = f"/audit?record={request_id}"
    assert reference in shown(other)
    assert "Opened the call and read its details" in listed(other, record)
    assert reference not in shown(barred)
    assert listed(barred, record) == []
    assert reference not in shown(barred, record)
    assert len(listed(barred)) < len(before)
    assert "A text came in" not in " ".join(listed(barred))
    typed = submit(barred, "/audit", {"reference": reference})
    assert typed.status_code == 422
    assert "There is no request with this reference." in typed.text


def say_they_know(session: Session, request_id: int, staff_id: int) -> None:
    session.add(
        Offer(
            request_id=request_id, counsellor_id=staff_id, round=1, made_at=NOW, lapses_at=NOW,
            ended_at=NOW, ending=OfferEnding.DECLINED, reason=LetGo.KNOWS_CALLER,
        )
    )  # fmt: skip


@pytest.mark.parametrize("typed", [{"who": "9" * 5000}, {"reference": "\x00"}])
def test_a_filter_that_nobody_means_is_no_fault(
    sign_in_as: SignInAs, typed: dict[str, str]
) -> None:
    assert submit(sign_in_as(Role.MANAGER), "/audit", typed).status_code in {303, 422}


@pytest.mark.one_database
@pytest.mark.parametrize(
    "path",
    [
        "/audit?from=0001-01-01",
        "/audit?to=9999-12-31",
        "/audit?who=x",
        "/audit?before=999999999999",
        "/audit?from=x&what=x",
        "/audit?record=9",
    ],
)
def test_an_address_that_cannot_be_meant_is_no_fault(sign_in_as: SignInAs, path: str) -> None:
    assert sign_in_as(Role.MANAGER).get(path).status_code == 200


def test_a_poll_of_the_desk_writes_nothing_down(
    app: Flask, sign_in_as: SignInAs, looked_at: tuple[int, str]
) -> None:
    manager, counsellor = sign_in_as(Role.MANAGER), sign_in_as(Role.COUNSELLOR)
    before = listed(manager)
    for _ in range(3):
        counsellor.get("/desk", headers={"HX-Request": "true"})
    assert listed(manager) == before


def test_every_deed_of_the_service_has_plain_words() -> None:
    folder = Path(services.__file__ or "").parent
    source = "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
    starts = "|".join({name.partition(".")[0] for name in DEEDS})
    names = set(re.findall(rf'"((?:{starts})\.[a-z_]+)"', source)) - {"rota.something"}
    names -= {name for name in names if any(deed.startswith(f"{name}_") for deed in DEEDS)}
    kinds = {
        "swap": SwapState, "leave": LeaveState, "presence": PresenceKind, "text": OutboxState,
    }  # fmt: skip
    for start, states in kinds.items():
        names |= {f"{start}.{state}" for state in states}
    assert "request.read" in names
    assert names - set(DEEDS) == set()
