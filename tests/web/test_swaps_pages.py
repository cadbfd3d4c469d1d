"""The pages for swaps, availability, leave, sudden absences and giving an open shift back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.leave_requests import LeaveState
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.staff import Role
from callback_service.domain.swaps import SwapState
from callback_service.extensions import db
from callback_service.models.availability import LeaveRequest, Unavailability
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.rota_notice import RotaNotice
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services import rota_changes
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
TODAY = datetime.now(UTC).astimezone(LONDON).date()  # pages read the clock themselves
SOON = TODAY + timedelta(days=2)
SPAN = local(f"{SOON} 07:00"), local(f"{SOON} 15:00")
SHIFT = f"counselling {SPAN[0].isoformat()} {SPAN[1].isoformat()}"


def page(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def works(app: Flask, name: str, times: str) -> int:
    """Give who is called ``name`` a shift on every day."""
    with app.app_context():
        staff = db.session.scalars(select(Staff).where(Staff.name == name)).one()
        start, _, end = times.partition("-")
        make_pattern(db.session(), staff, start, end)
        db.session.commit()
        return staff.id


def one_swap(app: Flask) -> Swap:
    with app.app_context():
        return db.session.scalars(select(Swap)).one()


def make(app: Flask, change: Change) -> None:
    """Change the rota for a time, behind the pages."""
    with app.app_context():
        rota_changes.make_change(
            db.session(), change, actor_id=None, now=datetime.now(UTC), tz=LONDON
        )
        db.session.commit()


@pytest.fixture
def ana(app: Flask, sign_in_as: SignIn) -> FlaskClient:
    """Somebody on shift from seven to three."""
    client = sign_in_as(Role.COUNSELLOR, name="Ana Sol")
    works(app, "Ana Sol", "07:00-15:00")
    return client


@pytest.fixture
def ben(sign_in_as: SignIn) -> FlaskClient:
    return sign_in_as(Role.COUNSELLOR, name="Ben Ito")


@pytest.fixture
def mo(sign_in_as: SignIn) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Mo Lane")


def shift_value(client: FlaskClient, address: str) -> str:
    """The choice of the form for the shift of SPAN."""
    start = SPAN[0].astimezone(UTC).isoformat()
    shown = page(client.get(address))
    values = [part.partition('"')[0] for part in shown.split('<option value="')[1:]]
    return next(value for value in values if start in value)


def offer(client: FlaskClient, **answers: object) -> TestResponse:
    address = f"/rota/swaps/offer?to={answers.get('to', 0)}"
    given = {"to": 0, "shift": shift_value(client, address), **answers}
    return submit(client, "/rota/swaps/offer", given, page=address)


def test_a_shift_goes_from_one_to_another_through_the_pages(
    app: Flask, ana: FlaskClient, ben: FlaskClient, mo: FlaskClient
) -> None:
    assert "You have offered or taken no shift." in page(ana.get("/rota/swaps"))
    assert offer(ana).status_code == 303
    path = f"/rota/swaps/{one_swap(app).id}"
    assert "Take the offer back" in page(ana.get("/rota/swaps"))
    assert "Look at it and take it" in page(ben.get("/rota/swaps"))
    asked = page(ben.get(f"{path}/take"))
    assert "Take this shift?" in asked
    assert "A manager approves it before it holds." in asked
    assert submit(ben, f"{path}/take", {}).status_code == 303
    assert one_swap(app).state is SwapState.TAKEN
    assert "Swaps (1)" in page(mo.get("/rota"))
    assert "No gap opens and no promise is lost." in page(mo.get(path))
    submit(mo, f"{path}/approve", {}, page=path)
    assert one_swap(app).state is SwapState.APPROVED
    assert "Agreed" in page(ana.get("/rota/swaps"))
    submit(mo, f"{path}/undo", {}, page="/rota/swaps")
    assert one_swap(app).state is SwapState.UNDONE
    assert "Both have their own shifts again." in page(mo.get("/rota/swaps"))


def test_an_extra_shift_is_offered_and_a_swap_that_cannot_be_undone_says_why(
    app: Flask, ben: FlaskClient, mo: FlaskClient, sign_in_as: SignIn
) -> None:
    """Cy has an extra shift, gives it to Ben, and is on leave then."""
    cy = sign_in_as(Role.COUNSELLOR, name="Cy Roe")
    with app.app_context():
        cy_id = db.session.scalars(select(Staff.id).where(Staff.name == "Cy Roe")).one()
    make(app, Override(OverrideKind.ADD, cy_id, *SPAN))
    assert offer(cy).status_code == 303
    path = f"/rota/swaps/{one_swap(app).id}"
    submit(ben, f"{path}/take", {})
    submit(mo, f"{path}/approve", {}, page=path)
    assert one_swap(app).state is SwapState.APPROVED
    make(app, Leave(cy_id, *SPAN, LeaveReason.ANNUAL))
    submit(mo, f"{path}/undo", {}, page="/rota/swaps")
    assert "overlaps another change: Cy Roe is away" in page(mo.get("/rota/swaps"))
    assert one_swap(app).state is SwapState.APPROVED


def test_a_swap_that_breaks_rest_is_approved_with_a_reason(
    app: Flask, ana: FlaskClient, ben: FlaskClient, mo: FlaskClient
) -> None:
    works(app, "Ben Ito", "23:00-06:00")
    assert offer(ana).status_code == 303
    path = f"/rota/swaps/{one_swap(app).id}"
    submit(ben, f"{path}/take", {})
    assert "It needs a reason." in page(mo.get(path))
    answer = submit(mo, f"{path}/approve", {"rest_reason": " "}, page=path)
    assert answer.status_code == 422
    assert "Give a reason." in page(answer)
    assert one_swap(app).state is SwapState.TAKEN
    given = {"rest_reason": "Nobody else was free"}
    assert submit(mo, f"{path}/approve", given, page=path).status_code == 303
    assert one_swap(app).state is SwapState.APPROVED
    assert "Nobody else was free" in page(mo.get("/rota/people"))


def test_one_colleague_is_asked_for_a_shift_in_return(
    app: Flask, ana: FlaskClient, ben: FlaskClient
) -> None:
    ben_id = works(app, "Ben Ito", "15:00-23:00")
    shown = page(ana.get(f"/rota/swaps/offer?to={ben_id}"))
    theirs = local(f"{SOON} 15:00").astimezone(UTC).isoformat()
    [wanted] = {p.partition('"')[0] for p in shown.split('<option value="')[1:] if theirs in p[:60]
                and p.index(theirs) < 20}  # fmt: skip
    assert offer(ana, to=ben_id, wanted=wanted).status_code == 303
    assert "Swaps (1)" in page(ben.get("/rota"))
    assert one_swap(app).wanted_starts_at == local(f"{SOON} 15:00")


@pytest.mark.parametrize("shift", ["", "counselling", "nonsense"])
def test_a_shift_that_is_not_listed_is_refused_beside_its_field(
    app: Flask, ana: FlaskClient, shift: str
) -> None:
    answer = offer(ana, shift=shift)
    assert answer.status_code == 422
    assert "Choose a shift of the list." in page(answer)
    assert ana.get("/rota/swaps/offer?to=999999").status_code == 404
    assert ana.get("/rota/swaps/offer?to=x").status_code == 404


def test_taking_names_what_stands_against_it(
    app: Flask, ana: FlaskClient, ben: FlaskClient
) -> None:
    offer(ana)
    with app.app_context():
        ben_id = db.session.scalars(select(Staff.id).where(Staff.name == "Ben Ito")).one()
        db.session.add(
            Unavailability(
                staff_id=ben_id, weekdays=127, starts=SPAN[0].time(), ends=SPAN[1].time(),
                from_on=SOON, until_on=SOON, created_by_id=ben_id, created_at=datetime.now(UTC),
            )
        )  # fmt: skip
        db.session.commit()
    take = f"/rota/swaps/{one_swap(app).id}/take"
    assert "Ben Ito cannot work on " in page(ben.get(take))
    assert "Take this shift</button>" in page(ben.get(take)).replace("\n", "").replace("  ", "")
    works(app, "Ben Ito", "12:00-20:00")
    assert "Ben Ito has a shift then already" in page(ben.get(take))
    assert "Take this shift</button>" not in page(ben.get(take)).replace("\n", "")


def test_a_manager_acts_for_others_and_declines_with_a_reason(
    app: Flask, ana: FlaskClient, ben: FlaskClient, mo: FlaskClient
) -> None:
    with app.app_context():
        ids = dict(db.session.execute(select(Staff.name, Staff.id)).all())
    address = f"/rota/swaps/offer?whose={ids['Ana Sol']}&to=0"
    given = {"whose": ids["Ana Sol"], "to": 0, "shift": shift_value(mo, address)}
    assert submit(mo, "/rota/swaps/offer", given, page=address).status_code == 303
    path = f"/rota/swaps/{one_swap(app).id}"
    assert "Who takes this shift?" in page(mo.get(f"{path}/take"))
    who = f"{path}/take?who={ids['Ben Ito']}"
    assert "Give them this shift" in page(mo.get(who))
    submit(mo, f"{path}/take", {"who": ids["Ben Ito"]}, page=who)
    assert one_swap(app).taken_by_id == ids["Ben Ito"]
    answer = submit(mo, f"{path}/decline", {"reason": ""}, page=path)
    assert (answer.status_code, "Give a reason." in page(answer)) == (422, True)
    submit(mo, f"{path}/decline", {"reason": "Too close"}, page=path)
    assert "Reason: Too close" in page(ben.get("/rota/swaps"))


def test_a_counsellor_decides_nothing_for_others(
    app: Flask, ana: FlaskClient, ben: FlaskClient, sign_in_as: SignIn
) -> None:
    offer(ana)
    path = f"/rota/swaps/{one_swap(app).id}"
    assert ana.get(f"{path}/take").status_code == 409
    assert submit(ben, f"{path}/withdraw", {}, page="/rota/availability").status_code == 409
    for closed in ("approve", "decline", "undo"):
        answer = submit(ben, f"{path}/{closed}", {}, page="/rota/availability")
        assert answer.status_code == 403
    assert one_swap(app).state is SwapState.OFFERED
    for address in ("swaps", "availability", "leave", "absences"):
        assert sign_in_as(Role.ADMINISTRATOR).get(f"/rota/{address}").status_code == 403


def cannot_work(client: FlaskClient, **answers: object) -> TestResponse:
    given = {"weekdays": [str(SOON.weekday())], "start": "06:00", "end": "09:00",
             "from_on": TODAY.isoformat(), "until_on": "", **answers}  # fmt: skip
    return submit(client, "/rota/availability", given)


def test_who_states_a_time_is_shown_the_shifts_they_have_then(
    app: Flask, ana: FlaskClient, mo: FlaskClient
) -> None:
    assert cannot_work(ana).status_code == 303
    shown = page(ana.get("/rota/availability"))
    assert "You have these shifts then. They stay yours:" in shown
    assert "Ana Sol</strong> cannot work on " in page(mo.get("/rota/availability"))
    with app.app_context():
        stated_id = db.session.scalars(select(Unavailability.id)).one()
    path = f"/rota/availability/{stated_id}/take-back"
    assert submit(mo, path, {}, page="/rota/availability").status_code == 404
    assert submit(ana, path, {}, page="/rota/availability").status_code == 303
    assert "You have said nothing" in page(ana.get("/rota/availability"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"weekdays": []}, "Choose at least one day."),
        ({"start": ""}, "Enter both times, or choose all day."),
        ({"end": "25:00"}, "Enter a time of the 24-hour clock"),
        ({"end": "06:00"}, "Enter another time, or choose all day."),
        ({"from_on": ""}, "Enter a date"),
        ({"until_on": "2020-01-01"}, "day"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_beside_its_field(
    app: Flask, ben: FlaskClient, wrong: dict[str, object], sentence: str
) -> None:
    answer = cannot_work(ben, **wrong)
    assert answer.status_code == 422
    assert "<title>Error: " in page(answer)
    assert sentence in page(answer)
    with app.app_context():
        assert db.session.scalars(select(Unavailability)).all() == []


def test_a_change_and_an_open_shift_warn_of_a_stated_time(
    app: Flask, ben: FlaskClient, mo: FlaskClient
) -> None:
    assert cannot_work(ben, all_day="y", start="", end="").status_code == 303
    with app.app_context():
        ben_id = db.session.scalars(select(Staff.id).where(Staff.name == "Ben Ito")).one()
        change_id = rota_changes.make_change(
            db.session(), OpenShift(*SPAN), actor_id=None, now=datetime.now(UTC), tz=LONDON
        ).id
        db.session.commit()
    change = {
        "what": "add", "staff_id": ben_id, "duty": "counselling", "step": "preview",
        "from_on": SOON, "from_at": "07:00", "until_on": SOON, "until_at": "15:00",
    }  # fmt: skip
    asked = page(submit(mo, "/rota/changes", change))
    assert "Ben Ito cannot work on " in asked
    assert "Somebody said that they cannot work then." in asked
    take = f"/rota/open-shifts/{change_id}/take"
    asked = page(submit(ben, take, {}, page="/rota/open-shifts"))
    assert "Take this shift all the same?" in asked
    answer = submit(ben, take, {"confirmed": "y"}, page="/rota/open-shifts")
    assert answer.status_code == 303
    assert "The shift is yours" in page(ben.get("/rota/open-shifts"))


def test_who_took_an_open_shift_gives_it_back_before_it_begins(
    app: Flask, ben: FlaskClient, mo: FlaskClient
) -> None:
    with app.app_context():
        change_id = rota_changes.make_change(
            db.session(), OpenShift(*SPAN), actor_id=None, now=datetime.now(UTC), tz=LONDON
        ).id
        db.session.commit()
    submit(ben, f"/rota/open-shifts/{change_id}/take", {}, page="/rota/open-shifts")
    path = f"/rota/open-shifts/{change_id}/give-back"
    assert mo.get(path).status_code == 404
    assert "nobody on shift, 1 needed" in page(ben.get(path))
    assert submit(ben, path, {}).status_code == 303
    with app.app_context():
        row = db.session.get_one(RotaChange, change_id)
        assert (row.staff_id, row.taken_at, row.spans) == (None, None, [])
    assert "Take this shift" in page(mo.get("/rota/open-shifts"))
    assert submit(ben, path, {}, page="/rota/swaps/offer").status_code in {400, 404}


def ask_for_leave(client: FlaskClient, **answers: object) -> TestResponse:
    given = {"kind": "annual", "from_on": SOON.isoformat(), "until_on": SOON.isoformat(), **answers}
    return submit(client, "/rota/leave", given)


def test_leave_is_asked_for_and_granted_after_seeing_what_it_breaks(
    app: Flask, ana: FlaskClient, mo: FlaskClient
) -> None:
    assert ask_for_leave(ana).status_code == 303
    assert "Leave (1)" in page(mo.get("/rota"))
    with app.app_context():
        row = db.session.scalars(select(LeaveRequest)).one()
    path = f"/rota/leave/{row.id}"
    assert "nobody on shift, 1 needed" in page(mo.get(path))
    submit(mo, f"{path}/grant", {}, page=path)
    assert "Granted" in page(ana.get("/rota/leave"))
    with app.app_context():
        change = db.session.scalars(select(RotaChange)).one()
        assert (change.kind, change.reason) == (ChangeKind.LEAVE, LeaveReason.ANNUAL)
        assert (change.starts_at, change.ends_at) == (
            local(f"{SOON} 00:00"), local(f"{SOON + timedelta(days=1)} 00:00"),
        )  # fmt: skip
    assert mo.get(path).status_code == 409


def test_leave_is_declined_with_a_reason_or_taken_back(
    app: Flask, ana: FlaskClient, mo: FlaskClient
) -> None:
    ask_for_leave(ana)
    twice = ask_for_leave(ana, kind="training")
    assert (twice.status_code, "asked for leave already" in page(twice)) == (422, True)
    assert ask_for_leave(ana, kind="sick").status_code == 422
    assert ask_for_leave(ana, from_on="2020-01-01").status_code == 422
    with app.app_context():
        path = f"/rota/leave/{db.session.scalars(select(LeaveRequest.id)).one()}"
    assert submit(mo, f"{path}/decline", {"reason": " "}, page=path).status_code == 422
    submit(mo, f"{path}/decline", {"reason": "Too few that day"}, page=path)
    assert "Reason: Too few that day" in page(ana.get("/rota/leave"))
    ask_for_leave(ana)
    with app.app_context():
        newest = max(db.session.scalars(select(LeaveRequest.id)))
    back = f"/rota/leave/{newest}/withdraw"
    assert submit(mo, back, {}, page="/rota/leave").status_code == 404
    submit(ana, back, {}, page="/rota/leave")
    with app.app_context():
        states = db.session.scalars(select(LeaveRequest.state).order_by(LeaveRequest.id)).all()
    assert states == [LeaveState.DECLINED, LeaveState.WITHDRAWN]


def test_managers_see_a_sudden_absence_until_one_has_seen_to_it(
    app: Flask, sign_in_as: SignIn, mo: FlaskClient
) -> None:
    client = sign_in_as(Role.COUNSELLOR, name="Cy Roe")
    works(app, "Cy Roe", "00:00-00:00")
    submit(client, "/rota/ill", {"back_on": SOON.isoformat()})
    assert "Sudden absences (1)" in page(mo.get("/rota"))
    shown = page(mo.get("/rota/absences"))
    assert "Cy Roe</strong> is away" in shown
    assert "Shifts they do not work:" in shown
    with app.app_context():
        notice_id = db.session.scalars(select(RotaNotice.id)).one()
    submit(mo, f"/rota/absences/{notice_id}/seen", {}, page="/rota/absences")
    assert "Nobody is away that you have not seen to." in page(mo.get("/rota/absences"))
    assert client.get("/rota/absences").status_code == 403
