"""Rows that are inserted together."""

from __future__ import annotations

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.models.audit import AuditEntry
from callback_service.models.form_post import FormPost
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.plan import PlanTrigger
from callback_service.services import plain_rows
from callback_service.services.new_rows import MOST_VALUES, NewRows, next_id
from callback_service.services.server import is_server
from tests.support.builders import NOW

pytestmark = pytest.mark.traced_on_both


def a_post(key: bytes = b"key") -> FormPost:
    return FormPost(key_digest=key, network_index=b"network", posted_at=NOW)


def an_entry(entry_id: int) -> AuditEntry:
    return AuditEntry(id=entry_id, at=NOW, action="x", subject="x", subject_id=1, detail={"a": 1})


def written(session: Session, rows: NewRows) -> int:
    """Write them; in how many statements."""
    asked: list[str] = []

    def look(*given: object) -> None:
        asked.append(str(given[2]))

    engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", look)
    rows.write(session)
    event.remove(engine, "before_cursor_execute", look)
    return len(asked)


def test_rows_of_several_tables_are_written_at_once_on_a_server(session: Session) -> None:
    rows = NewRows()
    rows.add(PlanTrigger(reason="test", at=NOW))
    rows.add(a_post())
    rows.add(an_entry(7))
    assert written(session, rows) == (1 if is_server(session) else 3)
    assert session.scalars(select(PlanTrigger.reason)).all() == ["test"]
    assert session.scalars(select(AuditEntry.detail)).all() == [{"a": 1}]
    assert session.scalars(select(FormPost.posted_at)).all() == [NOW]


def test_more_values_than_one_statement_takes_go_in_several(session: Session) -> None:
    rows, count = NewRows(), MOST_VALUES
    for _ in range(count):
        rows.add(PlanTrigger(reason="test", at=NOW))
    assert written(session, rows) == (2 if is_server(session) else count)
    assert session.scalar(select(func.count()).select_from(PlanTrigger)) == count


def test_what_was_written_is_not_written_again(session: Session) -> None:
    rows = NewRows()
    rows.add(PlanTrigger(reason="test", at=NOW))
    rows.write(session)
    assert written(session, rows) == 0


def test_a_row_gets_the_defaults_of_its_model(session: Session) -> None:
    rows = NewRows()
    rows.add(
        OutboxMessage(
            once_key="once", kind=TextKind.CONFIRMATION, template="en/x", body="x" * 200,
            send_after=NOW, expires_at=NOW, created_at=NOW,
        )
    )  # fmt: skip
    rows.write(session)
    [found] = session.scalars(select(OutboxMessage))
    assert (found.segments, found.urgency, found.state) == (2, 2, OutboxState.QUEUED)
    assert len(found.uid) == 32


def test_a_row_that_may_be_there_already_is_left_as_it_is(session: Session) -> None:
    plain_rows.put(session, a_post())
    rows = NewRows()
    rows.add(PlanTrigger(reason="test", at=NOW))
    rows.add(a_post(), unless_there=True)
    rows.write(session)
    assert session.scalar(select(func.count()).select_from(FormPost)) == 1
    assert session.scalar(select(func.count()).select_from(PlanTrigger)) == 1


def test_any_other_row_that_is_there_already_is_refused_with_all_the_rest(session: Session) -> None:
    plain_rows.put(session, a_post())
    rows = NewRows()
    rows.add(PlanTrigger(reason="test", at=NOW))
    rows.add(a_post())
    with pytest.raises(IntegrityError), session.begin_nested():
        rows.write(session)
    assert session.scalar(select(func.count()).select_from(PlanTrigger)) == 0


def test_the_next_id_is_one_that_no_row_has(session: Session) -> None:
    def next_trigger() -> int:
        on_server = is_server(session)
        return plain_rows.row(session, select(next_id(PlanTrigger, on_server=on_server)))[0]

    given = []
    for _ in range(3):
        plain_rows.put(session, PlanTrigger(id=next_trigger(), reason="test", at=NOW))
        given.append(next_trigger())
    assert session.scalars(select(PlanTrigger.id).where(PlanTrigger.id == given[-1])).all() == []
    assert given == sorted(set(given))
