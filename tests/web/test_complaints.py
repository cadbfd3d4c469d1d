"""The form to complain with, and what managers make of it, as browsers without scripts see it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.complaints import AnswerBy
from callback_service.domain.flood import FormLimits
from callback_service.domain.policy import FIELDS, Action, Condition, Field, Sight, sight
from callback_service.domain.staff import Role
from callback_service.domain.wording import forbidden_words
from callback_service.extensions import db
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.complaint import Complaint
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxMessage
from callback_service.models.staff import Staff
from callback_service.services import bars, suppression
from tests.support.builders import NOW
from tests.support.complaint_builders import (
    RING,
    WORDS,
    complain,
    fetch_complaint_form,
    make_complaint,
    told,
)
from tests.support.pages import submit, without_chance
from tests.support.request_builders import CALLER, make_request, make_shift, mobile, seen, stored
from tests.support.settings import make_settings

SignInAs = Callable[..., FlaskClient]
NUMBER_TO_RING = "01632 960 000"
PERSON = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def manager(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Mo Lane")


@pytest.fixture
def colleague(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Jo Park")


def words(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def kept(app: Flask) -> list[tuple[str | None, AnswerBy, str | None, str | None]]:
    """What was kept of each complaint: words, how to answer, whereto, the number given."""
    with seen(app) as session:
        rows = session.scalars(select(Complaint).order_by(Complaint.id))
        return [(one.words, one.answer_by, one.answer_to, one.phone) for one in rows]


class TestTheForm:
    def test_keeps_what_went_wrong_and_says_what_happens_next(
        self, app: Flask, client: FlaskClient
    ) -> None:
        answer = complain(client, answer_by="phone", ring=RING, phone=CALLER)
        assert answer.status_code == 303
        page = words(client.get(answer.location))
        assert "By 24 December 2026 a person tells you" in page
        assert "within 30 days" in page
        assert "ico.org.uk/make-a-complaint" in page
        assert re.search(r"Reference [2-9A-HJKMNP-Z]{6}\b", page)
        [complaint] = kept(app)
        assert complaint == (WORDS, AnswerBy.PHONE, "+447700900321", "+447700900123")

    def test_with_nothing_chosen_nobody_is_to_answer(self, app: Flask, client: FlaskClient) -> None:
        answer = complain(client)
        assert kept(app) == [(WORDS, AnswerBy.NONE, None, None)]
        page = words(client.get(answer.location))
        assert "we do not contact you" in page
        assert NUMBER_TO_RING in page

    def test_no_choice_is_made_beforehand_and_no_browser_fills_it_in(
        self, client: FlaskClient
    ) -> None:
        page = client.get("/complaint").text
        assert " checked" not in page
        assert set(re.findall(r'autocomplete="([^"]*)"', page)) == {"off"}

    def test_the_page_after_it_holds_nothing_that_was_written(self, client: FlaskClient) -> None:
        answer = complain(client, answer_by="phone", ring=RING, phone=CALLER)
        page = words(client.get(answer.location))
        for told_us in ("brother", RING, "321", "900123", "900 123"):
            assert told_us not in page.replace(NUMBER_TO_RING, "")
            assert told_us not in answer.location

    def test_no_text_ever_follows(self, app: Flask, client: FlaskClient) -> None:
        complain(client, answer_by="phone", ring=RING, phone=CALLER)
        with seen(app) as session:
            assert session.scalars(select(OutboxMessage)).all() == []

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"words": " "}, "Tell us what went wrong"),
            ({"words": "x" * 2_001}, "Use 2,000 characters or fewer"),
            ({"answer_by": "text"}, "Choose how we may answer"),
            ({"ring": RING}, "Choose whether we may answer you"),
            ({"answer_by": "phone"}, "Enter a phone number"),
            ({"answer_by": "phone", "ring": "0909 8790 123"}, "Enter a mobile or home number"),
            ({"answer_by": "writing"}, "Enter where we may write to you"),
            ({"answer_by": "writing", "write_to": "x" * 301}, "Use 300 characters or fewer"),
            ({"phone": "12"}, "Enter a mobile or home number"),
        ],
    )
    def test_each_bad_answer_has_its_sentence_and_the_rest_is_kept(
        self, app: Flask, client: FlaskClient, fields: dict[str, str], sentence: str
    ) -> None:
        answer = complain(client, **fields)
        assert answer.status_code == 422
        page = words(answer)
        assert sentence in page
        assert "Error: Tell us what went wrong</title>" in page
        assert fields.get("words", "my brother was here").strip() in page
        assert kept(app) == []

    def test_a_thousand_line_breaks_are_counted_as_one_character_each(
        self, app: Flask, client: FlaskClient
    ) -> None:
        assert complain(client, words="a" + "\r\n" * 1_998 + "b").status_code == 303

    def test_the_same_press_twice_is_one_complaint(self, app: Flask, client: FlaskClient) -> None:
        form = {**fetch_complaint_form(client), "words": WORDS}
        answers = [client.post("/complaint", data=form) for _ in range(2)]
        assert answers[0].location == answers[1].location
        assert len(kept(app)) == 1

    def test_it_needs_its_token_and_comes_back_as_it_was_typed(
        self, app: Flask, client: FlaskClient
    ) -> None:
        answer = client.post("/complaint", data={"words": WORDS})
        assert answer.status_code == 400
        assert "my brother was here" in words(answer)
        assert "send it again" in words(answer)
        assert kept(app) == []

    def test_what_was_typed_never_becomes_markup(self, client: FlaskClient) -> None:
        answer = complain(client, words="<script>alert(1)</script>", phone="<b>12")
        assert b"<script>alert" not in answer.data
        assert b"<b>12" not in answer.data

    def test_a_link_that_is_not_known_says_so(self, client: FlaskClient) -> None:
        assert client.get(f"/complaint/sent/{'x' * 43}").status_code == 404


class TestDiscretion:
    @pytest.fixture
    def pages(self, client: FlaskClient) -> list[TestResponse]:
        """Every page of the form."""
        after = complain(client, answer_by="phone", ring=RING)
        return [client.get("/complaint"), complain(client, words=""), client.get(after.location)]

    def test_titles_and_addresses_give_nothing_away(self, pages: list[TestResponse]) -> None:
        for page in pages:
            title = page.text.partition("<title>")[2].partition("</title>")[0]
            assert forbidden_words(title) == [], title
            assert "allback" not in title
        assert forbidden_words("/complaint/sent") == []

    def test_nothing_is_stored_and_the_way_out_is_there(self, pages: list[TestResponse]) -> None:
        for page in pages:
            assert page.headers["Cache-Control"] == "no-store"
            assert 'href="/exit"' in page.text

    def test_the_one_cookie_is_that_of_the_form(self, app: Flask) -> None:
        client = app.test_client()
        form = client.get("/complaint")
        after = client.get(complain(client).location)
        set_by = [one.split("=")[0] for one in form.headers.getlist("Set-Cookie")]
        assert (set_by, after.headers.getlist("Set-Cookie")) == (["form"], [])

    def test_where_to_go_if_it_is_about_somebody_here(
        self, database_url: str, tmp_path: Path
    ) -> None:
        chosen = {"DATA_PROTECTION_OFFICER": "Sam Rowe, 1 High Street, Kendal"}
        client = create_app(make_settings(database_url, tmp_path, **chosen)).test_client()
        assert "outside this service instead: Sam Rowe, 1 High Street" in words(
            client.get("/complaint")
        )

    def test_without_such_a_person_it_is_the_commissioner(self, client: FlaskClient) -> None:
        page = words(client.get("/complaint"))
        assert "You can go to the Information Commissioner" in page

    def test_the_privacy_page_leads_to_it(self, client: FlaskClient) -> None:
        assert 'href="/complaint"' in client.get("/privacy").text


def waiting(session: Session) -> None:
    make_request(session, CALLER, name="Sam", may_text=True)


def stopped(session: Session) -> None:
    suppression.suppress(session, "+447700900123", said_by=SaidBy.TEXT, now=NOW)


def complained_of(session: Session) -> None:
    make_complaint(session, told(phone=CALLER))


KNOWN = [waiting, stopped, complained_of]
STRANGER = "07700 900523"


class TestWhetherANumberIsKnown:
    """Nobody learns it here: the answer is the same, and so is the work."""

    @pytest.fixture(autouse=True)
    def _on_shift(self, app: Flask) -> None:
        with stored(app) as session:
            make_shift(session)

    def answered(self, client: FlaskClient, phone: str) -> tuple[int, str]:
        answer = complain(client, answer_by="phone", ring=phone, phone=phone)
        page = without_chance(words(client.get(answer.location)))
        return answer.status_code, re.sub(r"Reference \w+", "Reference", page)

    @pytest.mark.parametrize("past", KNOWN)
    def test_the_answer_is_the_same_byte_for_byte(
        self, app: Flask, past: Callable[[Session], None]
    ) -> None:
        with stored(app) as session:
            past(session)
        of_stranger = self.answered(app.test_client(), STRANGER)
        assert of_stranger[0] == 303
        assert self.answered(app.test_client(), CALLER) == of_stranger

    @pytest.mark.parametrize("past", KNOWN)
    def test_the_statements_are_the_same_one_by_one(
        self, app: Flask, past: Callable[[Session], None]
    ) -> None:
        with stored(app) as session:
            past(session)
        self.statements(app, mobile(78))  # the first of all begins the chain of the audit log
        of_stranger = self.statements(app, STRANGER)
        assert len(of_stranger) > 2
        assert self.statements(app, CALLER) == of_stranger

    def statements(self, app: Flask, phone: str) -> list[str]:
        client, sent = app.test_client(), []
        form = {**fetch_complaint_form(client), "words": WORDS, "phone": phone}

        def note(*args: object) -> None:
            sent.append(str(args[2]))

        with app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            assert client.post("/complaint", data=form).status_code == 303
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return sent


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Limits that a few posts reach."""
        return replace(settings, form_limits=FormLimits(2, 100, least_time=timedelta(0)))

    @pytest.fixture
    def client(self, client: FlaskClient) -> FlaskClient:
        """A browser at an address that tells something."""
        client.environ_base["REMOTE_ADDR"] = "81.2.69.1"
        return client

    def test_beyond_it_the_number_to_ring_is_shown_and_the_words_are_kept(
        self, app: Flask, client: FlaskClient
    ) -> None:
        for _ in range(2):
            assert complain(client).status_code == 303
        answer = complain(client, answer_by="writing", write_to="9 High Street")
        assert answer.status_code == 429
        page = words(answer)
        assert "Send it later, or ring us" in page
        for shown in (NUMBER_TO_RING, "my brother was here", "9 High Street"):
            assert shown in page
        assert len(kept(app)) == 2
        client.environ_base["REMOTE_ADDR"] = "81.2.69.2"
        assert complain(client).status_code == 303

    def test_it_keeps_nobody_from_asking_for_a_call(self, app: Flask, client: FlaskClient) -> None:
        for _ in range(3):
            complain(client)
        with seen(app) as session:
            assert session.scalars(select(CallbackRequest)).all() == []
        assert "Very many requests" not in words(client.get("/"))

    def test_after_an_hour_it_is_free_again(
        self, client: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        for _ in range(3):
            complain(client)
        clock.shift(timedelta(hours=1))
        assert complain(client).status_code == 303


class TestPrograms:
    @pytest.fixture
    def client(self, client: FlaskClient) -> FlaskClient:
        """A browser at an address that tells something."""
        client.environ_base["REMOTE_ADDR"] = "81.2.69.1"
        return client

    def marked(self, app: Flask) -> list[bool]:
        with seen(app) as session:
            return list(session.scalars(select(Complaint.is_by_program).order_by(Complaint.id)))

    def test_what_fills_in_the_field_for_programs_is_kept_and_marked(
        self, app: Flask, client: FlaskClient, clock: time_machine.Traveller, manager: FlaskClient
    ) -> None:
        form = fetch_complaint_form(client)
        clock.shift(PERSON)
        answer = client.post("/complaint", data={**form, "words": WORDS, "comments": "buy"})
        assert answer.status_code == 303
        assert self.marked(app) == [True]
        assert "Perhaps by a program" in words(manager.get("/personal-data"))

    def test_so_is_what_comes_back_at_once_and_a_person_is_not(
        self, app: Flask, client: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        complain(client)
        form = fetch_complaint_form(client)
        clock.shift(PERSON)
        client.post("/complaint", data={**form, "words": WORDS})
        assert self.marked(app) == [True, False]


@pytest.mark.one_database
@pytest.mark.parametrize(
    "url",
    ["sqlite:////nowhere/at/all/callback.sqlite3", "postgresql+psycopg://nobody@127.0.0.1:1/none"],
)
def test_with_the_database_away_the_form_is_there_and_what_was_typed_stays(
    tmp_path: Path, url: str
) -> None:
    client = create_app(make_settings(url, tmp_path)).test_client()
    answer = complain(client, answer_by="writing", write_to="9 High Street")
    assert answer.status_code == 503
    page = words(answer)
    for shown in (NUMBER_TO_RING, "my brother was here", "9 High Street", "We could not save this"):
        assert shown in page


class TestManagers:
    @pytest.fixture
    def path(self, app: Flask) -> str:
        """Where the page of a complaint is."""
        with stored(app) as session:
            complaint_id = make_complaint(session, told(phone=CALLER)).id
        return f"/personal-data/complaints/{complaint_id}"

    def press(self, client: FlaskClient, path: str, **fields: str) -> TestResponse:
        return submit(client, path, fields, page="/personal-data")

    def acknowledge(self, client: FlaskClient, path: str, **fields: str) -> TestResponse:
        given = {"how": "rang", "on": "2026-11-25", **fields}
        return self.press(client, f"{path}/acknowledged", **given)

    def test_find_it_in_their_list_without_a_word_of_it(
        self, manager: FlaskClient, path: str
    ) -> None:
        page = words(manager.get("/personal-data"))
        for shown in (
            "They complain",
            "24 December 2026: say that we have it",
            "To be acknowledged",
        ):
            assert shown in page
        assert path in page
        for hidden in ("brother", "7700"):
            assert hidden not in page

    def test_are_told_on_every_page_that_one_is_open_until_it_is_closed(
        self, manager: FlaskClient, sign_in_as: SignInAs, path: str
    ) -> None:
        assert "Personal data (1 open)" in words(manager.get("/cover"))
        assert "Personal data" not in words(sign_in_as(Role.COUNSELLOR).get("/desk"))
        self.acknowledge(manager, path)
        self.press(manager, f"{path}/answered")
        page = words(manager.get("/cover"))
        assert "Personal data" in page
        assert "open)" not in page

    def test_see_what_is_overdue(
        self, manager: FlaskClient, path: str, clock: time_machine.Traveller, sign_in_as: SignInAs
    ) -> None:
        assert "Overdue" not in words(manager.get("/personal-data"))
        clock.shift(timedelta(days=30))
        later = sign_in_as(Role.MANAGER, name="Lee Ford")
        assert "Overdue" in words(later.get("/personal-data"))
        assert "It was to be acknowledged by 24 December 2026" in words(later.get(path))

    def test_read_acknowledge_and_answer_it(
        self, app: Flask, manager: FlaskClient, path: str
    ) -> None:
        page = words(manager.get(path))
        for shown in ("You rang while my brother was here", "07700 900321", "07700 900123",
                      "never a text"):  # fmt: skip
            assert shown in page
        assert "They have their answer" not in page
        assert self.acknowledge(manager, path).location == path
        assert "25 November 2026, noted by Mo Lane" in words(manager.get(path))
        assert "To be answered" in words(manager.get("/personal-data"))
        assert self.press(manager, f"{path}/answered").location == "/personal-data"
        assert "Nobody waits for an answer" in words(manager.get("/personal-data"))
        assert manager.get(path).status_code == 404
        with seen(app) as session:
            done = select(AuditEntry).where(AuditEntry.subject == "complaint")
            audited = {one.action: one.detail for one in session.scalars(done)}
        assert audited["complaint.acknowledged"] == {"how": "rang"}
        assert set(audited) == {
            "complaint.received", "complaint.read", "complaint.acknowledged", "complaint.answered",
        }  # fmt: skip

    def test_are_told_what_is_missing(self, manager: FlaskClient, path: str) -> None:
        answer = self.acknowledge(manager, path, how="wrote", on="2026-11-26")
        assert answer.status_code == 422
        assert "as far as they allowed it" in words(answer)
        assert "from the day it came until today" in words(answer)

    def test_do_not_answer_who_wants_no_answer(self, app: Flask, manager: FlaskClient) -> None:
        with stored(app) as session:
            one = make_complaint(session, told(answer_by=AnswerBy.NONE, phone=CALLER)).id
        page = words(manager.get(f"/personal-data/complaints/{one}"))
        assert "do not contact them in any way" in page
        assert "We rang the number" not in page

    def test_erase_it_two_together(
        self, app: Flask, manager: FlaskClient, colleague: FlaskClient, path: str
    ) -> None:
        self.press(manager, f"{path}/erasure")
        assert "Another manager must confirm it" in words(manager.get(path))
        self.press(manager, f"{path}/erasure/confirm")
        assert "another person must confirm" in words(manager.get(path))
        assert "Erasure to confirm" in words(colleague.get("/personal-data"))
        self.press(colleague, f"{path}/erasure/take-back")
        assert "Ask for the erasure" in words(colleague.get(path))
        self.press(manager, f"{path}/erasure")
        assert self.press(colleague, f"{path}/erasure/confirm").location == "/personal-data"
        assert kept(app) == [(None, AnswerBy.PHONE, None, None)]

    def test_write_down_what_came_by_post(self, app: Flask, manager: FlaskClient) -> None:
        given = {"words": WORDS, "answer_by": "writing", "write_to": "9 High Street"}
        new = "/personal-data/complaints/new"
        refused = submit(manager, new, {**given, "came_on": "soon"})
        assert refused.status_code == 422
        assert "Enter the day it came" in words(refused)
        assert "9 High Street" in words(refused)
        answer = submit(manager, new, {**given, "came_on": "2026-11-20"})
        page = words(manager.get(answer.location))
        assert "20 November 2026, written down by Mo Lane" in page
        assert "Not yet: by 19 December 2026" in page

    def test_see_it_with_all_that_is_held_of_its_number(
        self, manager: FlaskClient, path: str
    ) -> None:
        find = {"phone": CALLER, "about": "access", "words": "They rang"}
        case = submit(manager, "/personal-data", find).location
        page = words(manager.get(case))
        assert "in which this number was given" in page
        assert "my brother was here" in page
        export = submit(manager, f"{case}/export", {"as": "page"}, page=case)
        assert "my brother was here" in words(export)

    def test_kept_away_from_its_caller_have_its_line_alone(
        self, app: Flask, manager: FlaskClient, colleague: FlaskClient, path: str
    ) -> None:
        with stored(app) as session:
            make_shift(session)
            request_id = make_request(session, CALLER).id
            session.flush()
            ids = {one.name: one.id for one in session.scalars(select(Staff))}
            bars.bar(session, request_id, colleague_id=ids["Mo Lane"], actor_id=ids["Jo Park"],
                     now=NOW)  # fmt: skip
        page = words(manager.get("/personal-data"))
        assert "For a colleague" in page
        assert path not in page
        kept_away, missing = manager.get(path), manager.get("/personal-data/complaints/999")
        assert (kept_away.status_code, without_chance(kept_away.text)) == (
            missing.status_code, without_chance(missing.text),
        )  # fmt: skip
        assert "my brother was here" in words(colleague.get(path))


def test_no_page_of_staff_shows_it_to_whom_the_table_does_not(
    app: Flask, sign_in_as: SignInAs
) -> None:
    with stored(app) as session:
        complaint_id = make_complaint(session, told(phone=mobile(77))).id
    rooms = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("complaint_")]
    shown = {}
    for role in Role:
        client = sign_in_as(role)
        body = ""
        for rule in rooms:
            if "GET" in (rule.methods or ()):
                given = dict.fromkeys(rule.arguments, complaint_id)
                body += client.get(str(rule.build(given)[1])).text  # type: ignore[index]
        shown[role] = "my brother was here" in body or "900321" in body.replace(" ", "")
    met = {Condition.STEP_UP}
    assert shown == {role: sight(role, Field.COMPLAINT, met) is Sight.WHOLE for role in Role}
    assert shown[Role.MANAGER]
    assert Action.HANDLE_COMPLAINTS  # its routes are walked by the matrix of all routes
    assert "complaint.words_sealed" in FIELDS[Field.COMPLAINT].kept_in
