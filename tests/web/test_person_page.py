"""One account on its own page: where it is signed in, its role and its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.staff import SignIn, Staff
from tests.support.pages import submit
from tests.support.signing_in import sign_in

pytestmark = pytest.mark.one_database  # the services behind it are tried on both

SignInAs = Callable[..., FlaskClient]
ROBIN = "robin@example.org"


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def administrator(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.ADMINISTRATOR, name="Sam Field", email="sam@example.org")


@pytest.fixture
def robin(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.COUNSELLOR, email=ROBIN, name="Robin Vale")


def page_of(session: Session, email: str = ROBIN) -> str:
    return f"/staff/{session.scalars(select(Staff.id).where(Staff.email == email)).one()}"


def test_the_page_counts_browsers_and_one_is_ended_at_its_next_request(
    app: Flask, administrator: FlaskClient, robin: FlaskClient, session: Session
) -> None:
    other = app.test_client()
    sign_in(other, ROBIN)
    path = page_of(session)
    assert "Signed in with 2 browsers" in administrator.get(path).text
    first = session.scalars(
        select(SignIn.id).join(Staff).where(Staff.email == ROBIN).order_by(SignIn.id).limit(1)
    ).one()
    answer = submit(administrator, f"{path}/sign-ins/{first}/end", {}, page=path)
    assert answer.location == path
    assert (robin.get("/account").status_code, other.get("/account").status_code) == (303, 200)
    assert "Signed in with 1 browser" in administrator.get(path).text
    submit(administrator, f"{path}/sign-ins/end", {}, page=path)
    assert other.get("/account").status_code == 303
    assert "Signed in with no browser" in administrator.get(path).text


def test_a_new_role_bites_at_the_next_request(
    administrator: FlaskClient, robin: FlaskClient, session: Session
) -> None:
    path = page_of(session)
    assert robin.get("/desk").status_code == 200
    submit(administrator, f"{path}/role", {"role": "administrator"}, page=path)
    assert robin.get("/desk").status_code == 303
    sign_in(robin, ROBIN)
    assert robin.get("/desk").status_code == 403
    assert robin.get("/staff").status_code == 200
    assert "The role was changed" in robin.get("/account").text


def test_a_new_address_signs_in_with_the_same_password_and_app(
    app: Flask, administrator: FlaskClient, robin: FlaskClient, session: Session
) -> None:
    path = page_of(session)
    submit(administrator, f"{path}/email", {"email": "Vale@example.org"}, page=path)
    assert robin.get("/account").status_code == 303
    assert sign_in(app.test_client(), ROBIN).status_code == 422
    assert sign_in(robin, "vale@example.org").status_code == 303


@pytest.mark.parametrize(
    ("deed", "form", "reason"),
    [
        ("email", {"email": "sam@example.org"}, "There is an account with this e-mail address"),
        ("email", {"email": "no address"}, "Enter an e-mail address, like"),
        ("email", {"email": ""}, "Enter an e-mail address."),
        ("role", {"role": "owner"}, "Not a valid choice"),
        ("role", {"role": "counsellor"}, "is counsellor already"),
    ],
)
def test_a_faulty_change_is_refused_with_the_reason(
    administrator: FlaskClient,
    robin: FlaskClient,
    session: Session,
    deed: str,
    form: dict[str, str],
    reason: str,
) -> None:
    path = page_of(session)
    answer = submit(administrator, f"{path}/{deed}", form, page=path)
    assert answer.status_code in {409, 422}
    assert reason in answer.text
    assert robin.get("/account").status_code == 200


def test_ones_own_page_offers_no_change_and_takes_none(
    administrator: FlaskClient, session: Session
) -> None:
    path = page_of(session, "sam@example.org")
    page = administrator.get(path).text
    assert "This is you." in page
    assert "Change the role" not in page
    for deed, form in (("role", {"role": "manager"}), ("email", {"email": "x@example.org"})):
        assert submit(administrator, f"{path}/{deed}", form, page="/account").status_code == 409


def test_the_page_shows_what_happened_and_who_did_it(
    administrator: FlaskClient, robin: FlaskClient, session: Session
) -> None:
    path = page_of(session)
    submit(administrator, f"{path}/sign-ins/end", {}, page=path)
    page = administrator.get(path).text
    assert "Signed out everywhere" in page
    assert "Sam Field" in page


def test_an_account_that_is_not_there_is_not_found(administrator: FlaskClient) -> None:
    assert administrator.get("/staff/4711").status_code == 404
