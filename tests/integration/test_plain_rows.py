"""Rows that are read and written without the objects of the session."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.models.form_post import FormPost
from callback_service.models.plan import PlanTrigger
from callback_service.services import plain_rows
from tests.support.builders import NOW


def post(key: bytes = b"key") -> dict[str, object]:
    return {"key_digest": key, "network_index": b"network", "posted_at": NOW}


def posts(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(FormPost)) or 0


def test_what_the_session_has_yet_to_write_is_read(session: Session) -> None:
    session.add(PlanTrigger(reason="test", at=NOW))
    assert plain_rows.row(session, select(PlanTrigger.reason, PlanTrigger.at)) == ("test", NOW)


def test_a_row_that_is_new_is_put_in_with_its_defaults(session: Session) -> None:
    assert plain_rows.put_if_new(session, FormPost, post())
    [stored] = session.scalars(select(FormPost))
    assert (len(stored.uid), stored.posted_at) == (32, NOW)


def test_a_new_row_is_put_in_and_told_its_key(session: Session) -> None:
    trigger = PlanTrigger(reason="test", at=NOW)
    plain_rows.put(session, trigger)
    assert session.scalars(select(PlanTrigger.id)).all() == [trigger.id]


def test_the_session_does_not_get_to_know_a_row_that_is_put_in(session: Session) -> None:
    trigger = PlanTrigger(reason="test", at=NOW)
    plain_rows.put(session, trigger)
    assert trigger not in session


def test_a_row_that_another_is_in_the_way_of_is_not(session: Session) -> None:
    plain_rows.put_if_new(session, FormPost, post())
    assert not plain_rows.put_if_new(session, FormPost, post())
    assert posts(session) == 1


def test_it_goes_with_the_savepoint_it_was_written_in(session: Session) -> None:
    plain_rows.put_if_new(session, FormPost, post(b"earlier"))
    with session.begin_nested() as savepoint:
        plain_rows.put_if_new(session, FormPost, post())
        savepoint.rollback()
    assert posts(session) == 1
