"""The history of the rota, undoing, and being told what changed while a page was open."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.rota_changes import Leave, LeaveReason, Override, OverrideKind
from callback_service.domain.staff import Role
from callback_service.extensions import db, transaction
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.services import cover_requirements, rota_changes, shift_patterns
from callback_service.services.rota_edits import latest_revision
from tests.rota_builders import LONDON, a_requirement, local, make_pattern
from tests.support.builders import make_staff
from tests.support.pages import csrf_token, submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
TODAY = datetime.now(UTC).astimezone(LONDON).date()  # pages read the clock themselves
#: A Sunday, three days on or more: rest is counted by weeks, whatever day the tests run on.
SOON = TODAY + timedelta(days=9 - (TODAY.weekday() + 3) % 7)
HISTORY, CHANGES, PATTERNS = "/rota/history", "/rota/changes", "/rota/patterns"
SEEN = re.compile(r'name="seen_revision" value="(\d+)"')
LEAVE = {
    "what": "annual", "by_id": "", "duty": "counselling", "from_on": SOON.isoformat(),
    "from_at": "09:00", "until_on": SOON.isoformat(), "until_at": "17:00", "step": "save",
}  # fmt: skip


class Somebody:
    """A counsellor who works from nine to five, and another manager who changes the rota."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        with app.app_context(), transaction() as session:
            staff = make_staff(session, name="Amira Khan")
            self.staff_id = staff.id
            self.pattern_id = make_pattern(session, staff).id
            self.sam = make_staff(session, role=Role.MANAGER, name="Sam Reed").id

    def is_away(self, hours: int = 1) -> int:
        """Sam gives her leave; the id of the change."""
        start = local(f"{SOON + timedelta(days=1)} 09:00")
        leave = Leave(self.staff_id, start, start + timedelta(hours=hours), LeaveReason.TRAINING)
        with self._app.app_context(), transaction() as session:
            row = rota_changes.make_change(
                session, leave, actor_id=self.sam, now=datetime.now(UTC), tz=LONDON
            )
            return row.id

    def cancels(self, change_id: int) -> None:
        with self._app.app_context(), transaction() as session:
            rota_changes.cancel_change(session, change_id, actor_id=self.sam, now=datetime.now(UTC))

    def states(self, needed: int) -> int:
        with self._app.app_context(), transaction() as session:
            need = a_requirement(needed)
            row = cover_requirements.add_requirement(
                session, need, actor_id=self.sam, now=datetime.now(UTC)
            )
            return row.id

    def removes(self, requirement_id: int) -> None:
        with self._app.app_context(), transaction() as session:
            cover_requirements.remove_requirement(
                session, requirement_id, actor_id=self.sam, now=datetime.now(UTC), tz=LONDON
            )

    def ends_her_pattern(self) -> None:
        with self._app.app_context(), transaction() as session:
            shift_patterns.end_pattern(
                session, self.pattern_id, last_on=SOON, actor_id=self.sam,
                now=datetime.now(UTC), tz=LONDON,
            )  # fmt: skip


@pytest.fixture
def amira(app: Flask) -> Somebody:
    return Somebody(app)


def night_before(day: date) -> tuple[datetime, datetime]:
    """A late shift that leaves five hours of rest before nine."""
    return local(f"{day - timedelta(days=1)} 20:00"), local(f"{day} 04:00")


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def seen_on(page: str) -> str:
    """What the forms of a page say that it saw; all say the same."""
    [seen] = set(SEEN.findall(page))
    return str(seen)


def send(client: FlaskClient, path: str, page: str, **answers: object) -> TestResponse:
    """Send a form of ``page`` with what is hidden in it."""
    hidden = {"csrf_token": csrf_token(page), "seen_revision": seen_on(page)}
    return client.post(path, data={**answers, **hidden})


def count(app: Flask, model: type[RotaChange | ShiftPattern | CoverRequirement]) -> int:
    with app.app_context():
        return len(db.session.scalars(select(model.id)).all())


def test_an_untouched_rota_has_no_history(sign_in_as: SignIn) -> None:
    assert "Nothing has been changed." in text(sign_in_as(Role.MANAGER).get(HISTORY))


def test_a_manager_reads_who_changed_what_and_undoes_it_after_one_question(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    change_id = amira.is_away()
    client = sign_in_as(Role.MANAGER, name="Mo Lane")
    assert HISTORY in text(client.get("/rota"))
    shown = text(client.get(HISTORY))
    assert "Made a change for some dates" in shown
    assert "Sam Reed, <time" in shown
    assert "Amira Khan is away (training)" in shown
    [path] = re.findall(r'href="(/rota/history/\d+/undo)"', shown)
    asked = text(client.get(path))
    assert "Undo this?" in asked
    assert "<strong>No longer:</strong> Amira Khan is away (training)" in asked
    assert "No gap opens" in asked
    with app.app_context():
        assert db.session.get_one(RotaChange, change_id).cancelled_at is None
    answer = submit(client, path, {})
    assert (answer.status_code, answer.location) == (303, HISTORY)
    shown = text(client.get(HISTORY))
    assert "Undone." in shown
    assert "Undid what Sam Reed did on" in shown
    assert "Mo Lane, <time" in shown
    assert path not in shown  # only the undo itself can be undone now
    assert len(re.findall(r"govuk-tag--grey\">\s*Undone", shown)) == 1
    with app.app_context():
        assert db.session.get_one(RotaChange, change_id).cancelled_at is not None


def test_an_undo_that_breaks_a_rule_of_rest_asks_for_a_reason(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    with app.app_context(), transaction() as session:
        start = local(f"{SOON} 09:00")  # her own shift, which ends at five
        leave = Leave(amira.staff_id, start, start + timedelta(hours=8), LeaveReason.TRAINING)
        late = Override(OverrideKind.ADD, amira.staff_id, *night_before(SOON))
        for change in (leave, late):
            rota_changes.make_change(
                session, change, actor_id=amira.sam, now=datetime.now(UTC), tz=LONDON
            )
        path = f"{HISTORY}/{latest_revision(session) - 1}/undo"
    client = sign_in_as(Role.MANAGER)
    asked = text(client.get(path))
    assert "This breaks a rule of rest. It needs a reason." in asked
    refused = submit(client, path, {})
    assert refused.status_code == 409
    assert "Give a reason." in text(refused)
    assert submit(client, path, {"rest_reason": "x" * 201}).status_code == 422
    assert submit(client, path, {"rest_reason": "She asked for it"}).status_code == 303
    assert "She asked for it" in text(client.get(HISTORY))


def test_what_cannot_be_undone_says_why(app: Flask, sign_in_as: SignIn, amira: Somebody) -> None:
    change_id = amira.is_away()
    with app.app_context():
        path = f"{HISTORY}/{latest_revision(db.session())}/undo"
    client = sign_in_as(Role.MANAGER)
    page = text(client.get(path))
    amira.cancels(change_id)
    answer = client.post(path, data={"csrf_token": csrf_token(page)})
    assert (answer.status_code, answer.location) == (303, HISTORY)
    assert "Sam Reed changed this again on" in text(client.get(HISTORY))
    assert client.get(path, follow_redirects=True).request.path == HISTORY
    assert client.get(f"{HISTORY}/4242/undo").status_code == 404


def test_the_history_is_shown_for_one_person(sign_in_as: SignIn, amira: Somebody) -> None:
    amira.is_away()
    amira.states(3)
    client = sign_in_as(Role.MANAGER)
    shown = text(client.get(f"{HISTORY}?person={amira.staff_id}"))
    assert f'<option value="{amira.staff_id}" selected>' in shown
    assert "Amira Khan is away" in shown
    assert "3 needed" not in shown
    assert "Nothing older." in text(client.get(f"{HISTORY}?before=1"))
    for wrong in ("person=x", "person=99999999999999999999", "before=-1"):
        assert client.get(f"{HISTORY}?{wrong}").status_code == 422


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_only_managers_read_the_history_and_undo(
    app: Flask, sign_in_as: SignIn, amira: Somebody, role: Role
) -> None:
    change_id = amira.is_away()
    with app.app_context():
        path = f"{HISTORY}/{latest_revision(db.session())}/undo"
    client = sign_in_as(role)
    assert client.get(HISTORY).status_code == 403
    assert client.get(path).status_code == 403
    assert submit(client, path, {}, page="/account").status_code == 403
    with app.app_context():
        assert db.session.get_one(RotaChange, change_id).cancelled_at is None


def test_a_change_is_not_saved_over_what_somebody_else_did_meanwhile(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    client = sign_in_as(Role.MANAGER)
    page = text(client.get(CHANGES))
    asked = text(send(client, CHANGES, page, **{**LEAVE, "staff_id": amira.staff_id, "step": "x"}))
    assert seen_on(asked) == seen_on(page)
    amira.is_away()
    refused = send(client, CHANGES, asked, **LEAVE, staff_id=amira.staff_id)
    told = text(refused)
    assert refused.status_code == 409
    assert re.search(r"Sam Reed changed the rota at \d\d:\d\d while you had this page open", told)
    assert "<strong>Added:</strong> Amira Khan is away (training)" in told
    assert f'<option value="{amira.staff_id}" selected>' in told
    assert "Save anyway" in told
    assert count(app, RotaChange) == 1
    assert send(client, CHANGES, told, **LEAVE, staff_id=amira.staff_id).status_code == 303
    assert count(app, RotaChange) == 2


def test_what_concerns_other_people_does_not_get_in_the_way(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    other = Somebody(app)
    client = sign_in_as(Role.MANAGER)
    page = text(client.get(CHANGES))
    other.is_away()
    other.states(3)
    assert send(client, CHANGES, page, **LEAVE, staff_id=amira.staff_id).status_code == 303


def test_a_pattern_is_not_added_or_ended_over_what_changed_meanwhile(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    client = sign_in_as(Role.MANAGER)
    end = f"{PATTERNS}/{amira.pattern_id}/end"
    add = f"{PATTERNS}/add"
    added, ended = text(client.get(add)), text(client.get(end))
    line = {
        "staff_id": amira.staff_id, "duty": "counselling", "weekdays": ["0"], "start": "18:00",
        "end": "19:00", "from_on": SOON.isoformat(), "until_on": "", "recurs": "weekly",
        "step": "save",
    }  # fmt: skip
    amira.ends_her_pattern()
    sooner = {"last_on": TODAY - timedelta(days=1), "step": "save"}
    for path, page, answers in ((add, added, line), (end, ended, sooner)):
        refused = send(client, path, page, **answers)
        assert refused.status_code == 409
        assert "<strong>After:</strong> Amira Khan works as counsellor" in text(refused)
        assert send(client, path, text(refused), **answers).status_code == 303
    assert count(app, ShiftPattern) == 2


def test_a_change_is_not_cancelled_over_what_changed_meanwhile(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    client = sign_in_as(Role.MANAGER)
    change_id = amira.is_away()
    path = f"{CHANGES}/{change_id}/cancel"
    page = text(client.get(path))
    amira.ends_her_pattern()
    refused = send(client, path, page)
    assert refused.status_code == 409
    assert "Cancel it anyway" in text(refused)
    amira.cancels(change_id)
    gone = send(client, path, text(refused))
    assert gone.status_code == 409
    assert "Sam Reed changed the rota at" in text(gone)


def test_a_requirement_is_not_changed_over_what_changed_meanwhile(
    app: Flask, sign_in_as: SignIn, amira: Somebody
) -> None:
    first = amira.states(2)
    client = sign_in_as(Role.MANAGER)
    page = text(client.get("/cover"))
    amira.removes(first)
    need = {
        "applies_on": "weekdays", "weekdays": ["0"], "start": "09:00", "end": "10:00",
        "needed": "4", "from_on": TODAY.isoformat(), "until_on": "",
    }  # fmt: skip
    refused = send(client, "/cover/requirements", page, **need)
    assert refused.status_code == 409
    assert "<strong>After:</strong> 2 needed: every day" in text(refused)
    assert 'value="4"' in text(refused)
    assert send(client, "/cover/requirements", text(refused), **need).status_code == 303
    gone = send(client, f"/cover/requirements/{first}/remove", page)
    assert gone.status_code == 409
    assert "Sam Reed changed the rota at" in text(gone)


@pytest.mark.parametrize("seen", [None, "", "x", "-1", "4242", "9" * 30])
def test_a_form_that_does_not_say_what_it_saw_is_not_saved_and_keeps_what_was_typed(
    app: Flask, sign_in_as: SignIn, amira: Somebody, seen: str | None
) -> None:
    client = sign_in_as(Role.MANAGER)
    page = text(client.get(CHANGES))
    answers = {**LEAVE, "staff_id": amira.staff_id, "csrf_token": csrf_token(page)}
    more = {} if seen is None else {"seen_revision": seen}
    refused = client.post(CHANGES, data={**answers, **more})
    told = text(refused)
    assert refused.status_code == 409
    assert "does not say which state of the rota it showed" in told
    assert f'<option value="{amira.staff_id}" selected>' in told
    assert count(app, RotaChange) == 0
    assert send(client, CHANGES, told, **LEAVE, staff_id=amira.staff_id).status_code == 303


@pytest.mark.parametrize("what", ["line", "end", "change", "requirement", "need"])
def test_nothing_on_the_rota_is_changed_by_a_form_that_does_not_say_what_it_saw(
    app: Flask, sign_in_as: SignIn, amira: Somebody, what: str
) -> None:
    need, away = amira.states(2), amira.is_away()
    line = {"weekdays": ["0"], "start": "18:00", "end": "19:00", "from_on": SOON.isoformat()}
    forms: dict[str, tuple[str, dict[str, object]]] = {
        "line": (f"{PATTERNS}/add", {**line, "staff_id": amira.staff_id, "duty": "counselling",
                                     "recurs": "weekly", "step": "save"}),
        "end": (f"{PATTERNS}/{amira.pattern_id}/end", {"last_on": TODAY, "step": "save"}),
        "change": (f"{CHANGES}/{away}/cancel", {}),
        "requirement": (f"/cover/requirements/{need}/remove", {}),
        "need": ("/cover/requirements", {**line, "applies_on": "weekdays", "needed": "4"}),
    }  # fmt: skip
    path, answers = forms[what]
    client = sign_in_as(Role.MANAGER)
    token = csrf_token(text(client.get(CHANGES)))
    with app.app_context():
        before = latest_revision(db.session())
    refused = client.post(path, data={**answers, "csrf_token": token})
    assert refused.status_code == 409
    assert "does not say which state of the rota it showed" in text(refused)
    with app.app_context():
        assert latest_revision(db.session()) == before
