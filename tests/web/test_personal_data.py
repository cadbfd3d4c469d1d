"""The managers' pages about callers' data, as a browser without scripts sees them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.lifecycle import Disposition
from callback_service.domain.signing_in import FRESH_FOR
from callback_service.domain.staff import Role
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import DataRequest, LegalHold
from callback_service.models.staff import Staff
from callback_service.services import bars, data_requests, requests
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.pages import csrf_token, submit, without_chance
from tests.support.request_builders import CALLER, make_request, make_shift, mobile, seen, stored

SignInAs = Callable[..., FlaskClient]
FIND = {"about": "access", "words": "Rang us, and knew the reference"}


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def manager(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Mo Lane")


@pytest.fixture
def colleague(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Jo Park")


@pytest.fixture
def request_id(app: Flask) -> int:
    """A closed request of CALLER, with a name and notes."""
    with stored(app) as session:
        make_shift(session)
        request = make_request(session, name="Robin", note="Hang up if he answers", may_text=True)
        request.closing_note = "Spoke about the children"
        requests.close(session, request, Disposition.HELPED, now=NOW)
        return request.id


def press(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    token = csrf_token(client.get("/personal-data").get_data(as_text=True))
    return client.post(path, data={"csrf_token": token, **fields})


def words(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def found(client: FlaskClient, phone: str = CALLER) -> str:
    """The address of the case of a number."""
    answer = press(client, "/personal-data", phone=phone, **FIND)
    assert answer.status_code == 303, words(answer)
    return answer.location


def test_what_a_link_asked_for_is_a_wish_that_two_of_us_look_into(
    app: Flask, manager: FlaskClient, colleague: FlaskClient, request_id: int
) -> None:
    with stored(app) as session:
        number = session.get_one(CallbackRequest, request_id).phone or ""
        data_requests.note_wish(session, number, asked_at=NOW, now=NOW, tz=LONDON)
    assert "Erasure wished for" in words(manager.get("/personal-data"))
    path = found(manager)
    page = words(manager.get(path))
    assert "Anybody who knows a number can get a link for it" in page
    assert "Erase all of it for good" not in page
    press(colleague, f"{path}/erasure/confirm")
    assert "No erasure is asked for" in words(colleague.get(path))
    assert press(manager, f"{path}/erasure").status_code == 303
    assert "Another manager must confirm it" in words(manager.get(path))
    assert press(colleague, f"{path}/erasure/confirm").status_code == 303
    with seen(app) as session:
        assert session.get_one(CallbackRequest, request_id).phone_sealed is None


class TestFinding:
    def test_a_full_number_shows_what_we_hold(self, manager: FlaskClient, request_id: int) -> None:
        page = words(manager.get(found(manager)))
        for told in ("07700 900123", "Robin", "Hang up if he answers", "Spoke about the children",
                     "Talked it through".lower(), "Answer by", "25 December 2026"):  # fmt: skip
            assert told in page

    def test_an_unknown_number_answers_alike(self, manager: FlaskClient, request_id: int) -> None:
        known = press(manager, "/personal-data", phone=CALLER, **FIND)
        unknown = press(manager, "/personal-data", phone=mobile(555), **FIND)
        assert (known.status_code, unknown.status_code) == (303, 303)
        assert "We hold nothing under this number" in words(manager.get(unknown.location))

    def test_no_address_ever_holds_the_number(self, manager: FlaskClient, request_id: int) -> None:
        assert "7700" not in found(manager)

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"phone": "07700"}, "There is a problem"),
            ({"about": ""}, "Choose why you look"),
            ({"words": " "}, "Say who asks and why"),
        ],
    )
    def test_what_is_missing_is_said_and_the_rest_is_kept(
        self, manager: FlaskClient, fields: dict[str, str], sentence: str
    ) -> None:
        answer = press(manager, "/personal-data", **{"phone": CALLER, **FIND, **fields})
        assert answer.status_code == 422
        assert sentence in words(answer)
        assert "Rang us" in words(answer) or fields.get("words")

    def test_the_list_of_cases_names_no_number(self, manager: FlaskClient, request_id: int) -> None:
        found(manager)
        page = words(manager.get("/personal-data"))
        assert "Case 1" in page
        assert "7700" not in page
        assert "Robin" not in page

    def test_a_look_takes_a_fresh_code(self, manager: FlaskClient, request_id: int) -> None:
        path = found(manager)
        with time_machine.travel(NOW + FRESH_FOR + timedelta(seconds=1), tick=False):
            assert manager.get(path).location == f"/confirm?next={path}"


class TestWhoIsKeptAwayFromTheCaller:
    @pytest.fixture
    def _is_barred(self, app: Flask, manager: FlaskClient, colleague: FlaskClient,
                   request_id: int) -> None:  # fmt: skip
        with stored(app) as session:
            ids = {one.name: one.id for one in session.scalars(select(Staff))}
            bars.bar(session, request_id, colleague_id=ids["Mo Lane"], actor_id=ids["Jo Park"],
                     now=NOW)  # fmt: skip

    @pytest.mark.usefixtures("_is_barred")
    def test_finds_a_number_we_do_not_know_and_a_colleague_finds_all(
        self, manager: FlaskClient, colleague: FlaskClient
    ) -> None:
        known, unknown = found(manager), found(manager, mobile(500))
        pages = [words(manager.get(path)) for path in (known, unknown)]
        assert without_what_was_typed(pages[0]) == without_what_was_typed(pages[1])
        assert "We hold nothing under this number" in pages[0]
        assert "Robin" in words(colleague.get(known))

    @pytest.mark.usefixtures("_is_barred")
    def test_is_handed_nothing_in_a_file(self, manager: FlaskClient) -> None:
        answer = press(manager, f"{found(manager)}/export", **{"as": "json"})
        content = json.loads(answer.get_data(as_text=True))
        assert (content["requests"], content["waiting"], content["calls_to_us"]) == ([], [], 0)

    @pytest.mark.usefixtures("_is_barred")
    def test_changes_and_erases_nothing(
        self, app: Flask, manager: FlaskClient, colleague: FlaskClient, request_id: int
    ) -> None:
        path = found(manager)
        correct = f"{path}/requests/{request_id}/correct"
        press(manager, correct, name="Somebody else")
        press(colleague, f"{path}/erasure")
        press(manager, f"{path}/erasure/confirm")
        with seen(app) as session:
            assert session.get_one(CallbackRequest, request_id).name == "Robin"

    @pytest.mark.usefixtures("_is_barred")
    def test_is_told_of_no_hold(
        self, manager: FlaskClient, colleague: FlaskClient, request_id: int
    ) -> None:
        hold = {"reason": "The coroner asked", "review_on": "2027-01-04"}
        press(colleague, f"/personal-data/holds/{request_id}", **hold)
        path = found(manager)
        answer = press(manager, f"{path}/erasure")
        assert "on hold" not in words(manager.get(answer.location))


def without_what_was_typed(page: str) -> str:
    """A page of a case without its number and the caller's, and without tokens."""
    page = re.sub(r"07700 900\d{3}", "NUMBER", without_chance(page))
    return re.sub(r"(Case |personal-data/)\d+", r"\1N", page)


class TestHandingOver:
    def test_as_a_file_for_programs(self, manager: FlaskClient, request_id: int) -> None:
        answer = press(manager, f"{found(manager)}/export", **{"as": "json"})
        assert answer.headers["Content-Disposition"] == 'attachment; filename="what-we-hold.json"'
        assert answer.headers["Cache-Control"] == "no-store"
        content = json.loads(answer.get_data(as_text=True))
        assert content["number"] == "+447700900123"
        assert content["requests"][0]["note"] == "Hang up if he answers"

    def test_as_a_page_to_read_and_print_with_nothing_from_elsewhere(
        self, app: Flask, manager: FlaskClient, request_id: int
    ) -> None:
        answer = press(manager, f"{found(manager)}/export", **{"as": "page"})
        assert answer.headers["Content-Disposition"] == 'attachment; filename="what-we-hold.html"'
        page = words(answer)
        assert "Spoke about the children" in page
        assert "Mo Lane" not in page
        assert "<script" not in page
        assert "src=" not in page
        with seen(app) as session:
            exports = select(AuditEntry).where(AuditEntry.action == "data_request.exported")
            assert len(session.scalars(exports).all()) == 2  # of the case, and of the request

    def test_what_somebody_wrote_is_never_markup(
        self, app: Flask, manager: FlaskClient, request_id: int
    ) -> None:
        with stored(app) as session:
            session.get_one(CallbackRequest, request_id).note = "<script>alert(1)</script>"
        path = found(manager)
        file = press(manager, f"{path}/export", **{"as": "page"}).get_data(as_text=True)
        assert "<script>alert" not in file + manager.get(path).get_data(as_text=True)


class TestErasing:
    def test_one_asks_and_another_confirms(
        self, app: Flask, manager: FlaskClient, colleague: FlaskClient, request_id: int
    ) -> None:
        path = found(manager)
        press(manager, f"{path}/erasure", stop_texts="y")
        assert "Another manager must confirm it" in words(manager.get(path))
        assert "Erase all of it for good" not in words(manager.get(path))
        assert "Erasure to confirm" in words(colleague.get("/personal-data"))
        assert "Erase all of it for good" in words(colleague.get(path))
        answer = press(colleague, f"{path}/erasure/confirm")
        assert answer.location == "/personal-data"
        assert "is erased" in words(colleague.get(answer.location))
        with seen(app) as session:
            assert session.get_one(CallbackRequest, request_id).phone_sealed is None

    def test_the_one_who_asked_is_refused(
        self, app: Flask, manager: FlaskClient, request_id: int
    ) -> None:
        path = found(manager)
        press(manager, f"{path}/erasure")
        answer = press(manager, f"{path}/erasure/confirm")
        assert "another person must confirm" in words(manager.get(answer.location))
        with seen(app) as session:
            assert session.get_one(CallbackRequest, request_id).phone_sealed is not None

    def test_it_can_be_taken_back_and_the_case_closed(
        self, manager: FlaskClient, colleague: FlaskClient, request_id: int
    ) -> None:
        path = found(manager)
        press(manager, f"{path}/erasure")
        refused = press(manager, f"{path}/answered")
        assert "confirm it, or take it back first" in words(manager.get(refused.location))
        press(colleague, f"{path}/erasure/take-back")
        assert press(manager, f"{path}/answered").location == "/personal-data"
        assert manager.get(path).status_code == 404

    def test_a_page_that_is_out_of_date_does_no_harm(
        self, manager: FlaskClient, colleague: FlaskClient, request_id: int
    ) -> None:
        path = found(manager)
        press(manager, f"{path}/erasure")
        press(colleague, f"{path}/erasure/confirm")
        again = press(colleague, f"{path}/erasure/confirm")
        assert again.location == "/personal-data"
        assert "This case has ended" in words(colleague.get(again.location))


class TestHolds:
    def place(self, client: FlaskClient, request_id: int, **fields: str) -> TestResponse:
        given = {"reason": "A complaint", "review_on": "2027-01-15", **fields}
        return press(client, f"/personal-data/holds/{request_id}", **given)

    def test_it_is_shown_keeps_the_erasure_away_and_ends(
        self, app: Flask, manager: FlaskClient, request_id: int
    ) -> None:
        assert self.place(manager, request_id).status_code == 303
        page = words(manager.get("/personal-data"))
        assert "A complaint" in page
        assert "15 January 2027" in page
        path = found(manager)
        shown = words(manager.get(path))
        assert "nothing can be erased now" in shown
        assert "Ask for the erasure" not in shown
        refused = press(manager, f"{path}/erasure")
        assert "is on hold" in words(manager.get(refused.location))
        with seen(app) as session:
            hold_id = session.scalars(select(LegalHold.id)).one()
        press(manager, f"/personal-data/holds/{hold_id}/end")
        assert "Nothing is on hold" in words(manager.get("/personal-data"))

    def test_what_is_missing_is_said_and_the_rest_is_kept(
        self, manager: FlaskClient, request_id: int
    ) -> None:
        answer = self.place(manager, request_id, review_on="soon")
        assert answer.status_code == 422
        assert "Choose a day within a year" in words(answer)
        assert "A complaint" in words(answer)

    def test_the_history_of_a_request_leads_there(
        self, manager: FlaskClient, request_id: int
    ) -> None:
        page = words(manager.get(f"/desk/requests/{request_id}/history"))
        assert f'href="/personal-data/holds/{request_id}"' in page
        assert manager.get(f"/personal-data/holds/{request_id}").status_code == 200

    def test_a_safeguarding_lead_holds_and_ends_from_the_record_of_an_urgent_request(
        self, app: Flask, sign_in_as: SignInAs, request_id: int
    ) -> None:
        lead = sign_in_as(Role.SAFEGUARDING_LEAD, name="Dana Whyte")
        hold, record = f"/personal-data/holds/{request_id}", f"/desk/requests/{request_id}/record"
        assert lead.get(hold).status_code == 404  # it is not urgent
        with stored(app) as session:
            session.get_one(CallbackRequest, request_id).is_urgent = True
        assert hold in words(lead.get(record))
        day = (NOW + timedelta(days=30)).date().isoformat()
        answer = submit(lead, hold, {"reason": "A concern", "review_on": day})
        assert (answer.status_code, answer.location) == (303, record)
        page = words(lead.get(record))
        assert "A concern" in page
        assert ", by Dana Whyte" in page
        with seen(app) as session:
            hold_id = session.scalars(select(LegalHold.id)).one()
        answer = submit(lead, f"/personal-data/holds/{hold_id}/end", {}, page=record)
        assert (answer.status_code, answer.location) == (303, record)
        assert "A concern" not in words(lead.get(record))
        assert lead.get("/personal-data").status_code == 403

    def test_there_is_none_for_a_request_that_is_not(self, manager: FlaskClient) -> None:
        assert manager.get("/personal-data/holds/77").status_code == 404


class TestPuttingRight:
    def test_a_name(self, app: Flask, manager: FlaskClient, request_id: int) -> None:
        path = found(manager)
        form = f"{path}/requests/{request_id}/correct"
        assert manager.get(form).status_code == 200
        assert press(manager, form, name="Robyn").location == path
        assert "Robyn" in words(manager.get(path))

    def test_nothing_is_no_correction(self, manager: FlaskClient, request_id: int) -> None:
        answer = press(manager, f"{found(manager)}/requests/{request_id}/correct")
        assert answer.status_code == 422
        assert "Enter the right number or the right name" in words(answer)


@pytest.mark.one_database
def test_the_figures_are_shown_before_and_after_anything_was_erased(
    app: Flask, manager: FlaskClient, colleague: FlaskClient, request_id: int
) -> None:
    assert "Nothing has been erased yet" in words(manager.get("/personal-data/figures"))
    path = found(manager)
    press(manager, f"{path}/erasure")
    press(colleague, f"{path}/erasure/confirm")
    assert "fewer than 5" in words(manager.get("/personal-data/figures"))


@pytest.mark.one_database
@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_nobody_but_managers_comes_here(
    app: Flask, sign_in_as: SignInAs, manager: FlaskClient, request_id: int, role: Role
) -> None:
    path = found(manager)
    other = sign_in_as(role)
    token = csrf_token(other.get("/account").get_data(as_text=True))
    for page in ("/personal-data", path, f"/personal-data/holds/{request_id}"):
        assert other.get(page).status_code == 403, page
    for act in (f"{path}/export", f"{path}/erasure", f"{path}/erasure/confirm"):
        assert other.post(act, data={"csrf_token": token}).status_code == 403, act
    with seen(app) as session:
        assert session.scalars(select(DataRequest.asked_at)).all() == [None]
