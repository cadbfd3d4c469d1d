"""Guesses of links and references: none is right, and an answer tells nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from callback_service.errors import NotFound
from callback_service.models.calendar import FeedScope
from callback_service.models.staff import Staff
from callback_service.services import accounts, feeds, intake
from tests.support.builders import NOW, make_staff
from tests.support.pages import without_chance
from tests.support.request_builders import an_ask, member, stored, take
from tests.support.settings import SECRET_KEY

#: Through the web, of each of four kinds of link; no address so often that it is held back.
ADDRESSES, GUESSES_EACH = 10, 25
#: Behind the web, of all kinds together: a page takes a hundred times as long as its look-up.
GUESSES = 10_000


@pytest.fixture
def links(app: Flask) -> dict[str, str]:
    """A right link of each kind, its token apart: what guesses are near to, and must not be."""
    with stored(app) as session:
        staff = make_staff(session)
        asked = an_ask()
        take(session, asked)
        feed = feeds.make_link(session, member(staff), FeedScope.OWN, now=NOW)
        new = accounts.invite(
            session, email="new@example.org", name="New", role=staff.role,
            skills=frozenset(), secret_key=SECRET_KEY, now=NOW,
        )  # fmt: skip
    return {
        "/manage/{}": asked.key,
        "/done/{}": asked.key,
        "/calendar/{}.ics": feed,
        "/invitation/{}": new,
    }


def answer_to(client: FlaskClient, path: str, *, address: str = "198.51.100.1") -> tuple[int, str]:
    answer = client.get(path, environ_overrides={"REMOTE_ADDR": address})
    return answer.status_code, without_chance(answer.get_data(as_text=True))


@pytest.mark.one_database  # what is looked up are digests; ten thousand of them below, on both
@pytest.mark.parametrize("link", ["/manage/{}", "/done/{}", "/calendar/{}.ics", "/invitation/{}"])
def test_of_hundreds_of_guesses_none_is_right_and_all_answers_are_one(
    client: FlaskClient, links: dict[str, str], link: str
) -> None:
    right = answer_to(client, link.format(links[link]))
    found = {
        answer_to(client, link.format(secrets.token_urlsafe(32)), address=f"203.0.113.{n}")
        for n in range(ADDRESSES)
        for _ in range(GUESSES_EACH)
    }
    assert len(found) == 1
    [wrong] = found
    assert wrong != right
    assert wrong[0] >= 400


def test_of_ten_thousand_guesses_no_look_up_finds_anything(
    session: Session, links: dict[str, str]
) -> None:
    def open_(look_up: Callable[..., object], token: str) -> bool:
        try:
            return look_up(session, token) is not None
        except NotFound:
            return False

    def by_link(session: Session, token: str) -> object:
        return accounts.staff_by_link(session, token, secret_key=SECRET_KEY, now=NOW)

    kinds: dict[str, Callable[..., object]] = {
        links["/manage/{}"]: intake.submission_by_key,
        links["/calendar/{}.ics"]: feeds.feed_by_token,
        links["/invitation/{}"]: by_link,
    }
    for right, look_up in kinds.items():
        assert open_(look_up, right)
        guesses = (secrets.token_urlsafe(32) for _ in range(GUESSES // len(kinds) + 1))
        assert not any(open_(look_up, guess) for guess in guesses)


def test_a_reference_opens_nothing(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        reference = take(session, an_ask()).request.reference
    for link in ("/manage/{}", "/done/{}"):
        known = answer_to(client, link.format(reference))
        assert known == answer_to(client, link.format("AAAA-AAA"))
        assert known[0] == 404


@pytest.mark.parametrize("link", ["/manage/{}", "/calendar/{}.ics"])
def test_a_guess_that_is_nearly_right_takes_as_long_as_any(
    client: FlaskClient, links: dict[str, str], link: str
) -> None:
    """Medians of runs that take turns, with room for a busy machine."""
    token = links[link]
    near = token[:-1] + ("A" if token[-1] != "A" else "B")
    took: dict[str, list[float]] = {near: [], secrets.token_urlsafe(32): []}
    for _ in range(50):
        for guess, times in took.items():
            start = perf_counter()
            answer_to(client, link.format(guess))
            times.append(perf_counter() - start)
    nearly, far_off = (median(times) for times in took.values())
    assert 0.5 < nearly / far_off < 2


def test_staff_who_are_disabled_and_links_that_were_used_answer_as_a_guess(
    app: Flask, client: FlaskClient, links: dict[str, str]
) -> None:
    guess = answer_to(client, f"/calendar/{secrets.token_urlsafe(32)}.ics")
    with stored(app) as session:
        for staff in session.query(Staff):
            staff.is_active = False
    assert answer_to(client, f"/calendar/{links['/calendar/{}.ics']}.ics") == guess
