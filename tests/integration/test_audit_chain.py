"""The chain of audit entries: what is in it, and that nothing done to it goes unseen."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from callback_service.extensions import db, reading, transaction
from callback_service.models.audit import AuditEntry, AuditSeal
from callback_service.services import audit, audit_chain, plain_rows
from callback_service.services.audit_chain import Mark, Verdict
from tests.support.audit_tampering import tamper
from tests.support.builders import NOW
from tests.support.settings import ROOT, SECRET_KEY

pytestmark = pytest.mark.traced_on_both

INSERTED = (
    "INSERT INTO audit_entry (id, at, action, subject, detail) "
    "VALUES ({}, '2026-11-25 20:00:00+00:00', 'x', 'x', '{{}}')"
)
CHANGES = (
    "UPDATE audit_entry SET action = 'x'",
    "UPDATE audit_seal SET key_id = 'x'",
    "DELETE FROM audit_entry",
    "DELETE FROM audit_seal",
    "DELETE FROM audit_head",
)
OTHER_SECRET = "another-key-of-forty-characters-0123456789"


def write(app: Flask, *actions: str) -> None:
    """One transaction for each deed."""
    for n, action in enumerate(actions):
        with app.app_context(), transaction() as session:
            note(session, action, n)


def note(session: Session, action: str, n: int = 0) -> None:
    audit.record(
        session, action, subject="test", subject_id=n, now=NOW + timedelta(microseconds=n),
        reason="é \r\n x", kinds={"b": 1, "a": [1.5, None]},
    )  # fmt: skip


def verdict(app: Flask, mark: Mark | None = None) -> Verdict:
    with app.app_context(), reading() as session:
        return audit_chain.verify(session, mark=mark)


@pytest.fixture
def five(app: Flask) -> Flask:
    """A chain of five entries, with ids 1 to 5."""
    write(app, "one", "two", "three", "four", "five")
    return app


def test_what_was_written_is_sealed_in_order_and_found_whole(five: Flask) -> None:
    found = verdict(five)
    assert (found.sealed, found.older, found.trouble) == (5, 0, None)
    with five.app_context(), reading() as session:
        seals = select(AuditSeal.position, AuditSeal.entry_id).order_by(AuditSeal.position)
        assert session.execute(seals).all() == [(n, n) for n in range(1, 6)]


def test_an_empty_log_is_whole(app: Flask) -> None:
    assert verdict(app) == Verdict(0, 0, None, None)


@pytest.mark.parametrize(
    ("deed", "trouble"),
    [
        ("UPDATE audit_entry SET action = 'x' WHERE id = 3", "Entry 3 of 2026-11-25 20:00 UTC"),
        ("UPDATE audit_entry SET actor_id = NULL, subject_id = NULL WHERE id = 1", "Entry 1 of"),
        ("UPDATE audit_entry SET at = '2026-11-24 20:00:00+00:00' WHERE id = 2", "Entry 2 of"),
        ("UPDATE audit_entry SET detail = '{}' WHERE id = 5", "Entry 5 of"),
        ("DELETE FROM audit_entry WHERE id = 2", "Entry 2, at place 2 of the chain, was deleted."),
        ("DELETE FROM audit_entry WHERE id = 5", "Entry 5, at place 5 of the chain, was deleted."),
        ("DELETE FROM audit_seal WHERE position = 1", "place 1 of the chain is missing."),
        ("UPDATE audit_head SET position = 4", "The note of where the chain ends is not as"),
        ("UPDATE audit_head SET proof = NULL", "The note of where the chain ends is not as"),
        ("UPDATE audit_head SET begins_after = 9", "Entry 1 of"),
        ("DELETE FROM audit_head", "The note of where the chain ends was deleted."),
        ("UPDATE audit_seal SET key_id = 'x' WHERE position = 3", "sealed with another SECRET_KEY"),
        (INSERTED.format(9), "Entry 9 was not written by this service."),
    ],
)
def test_whatever_is_done_to_the_log_is_found(five: Flask, deed: str, trouble: str) -> None:
    tamper(five, deed)
    found = verdict(five).trouble
    assert found is not None
    assert trouble in found


def test_a_tail_that_was_cut_off_is_found(five: Flask) -> None:
    cut = ("DELETE FROM audit_seal WHERE position > 3", "DELETE FROM audit_entry WHERE id > 3")
    tamper(five, *cut)
    assert verdict(five).trouble == "The last entries were deleted: 2 are missing."


def test_a_tail_that_was_cut_off_and_its_note_put_back_is_found(five: Flask) -> None:
    tamper(
        five,
        "DELETE FROM audit_seal WHERE position > 3",
        "DELETE FROM audit_entry WHERE id > 3",
        "UPDATE audit_head SET position = 3, mac = (SELECT mac FROM audit_seal WHERE position = 3)",
    )
    assert verdict(five).trouble == "The note of where the chain ends is not as it was written."


def test_two_entries_that_changed_places_are_found(five: Flask) -> None:
    tamper(
        five,
        "UPDATE audit_seal SET entry_id = -1 WHERE position = 2",
        "UPDATE audit_seal SET entry_id = 2 WHERE position = 3",
        "UPDATE audit_seal SET entry_id = 3 WHERE position = 2",
    )
    assert str(verdict(five).trouble).startswith("Entry 3 of")


def test_an_old_copy_that_was_put_back_is_found_by_a_mark_noted_outside(five: Flask) -> None:
    mark = verdict(five).end
    assert mark is not None
    write(five, "six")
    assert verdict(five, mark).trouble is None
    assert Mark.parse(str(mark)) == mark
    beyond = Mark(7, b"")
    assert verdict(five, beyond).trouble == "The chain ends before place 7, which was noted."
    other = Mark(mark.position, bytes(32))
    assert "written anew" in str(verdict(five, other).trouble)


def test_the_service_goes_on_writing_when_the_end_was_deleted_and_the_break_stays_seen(
    five: Flask,
) -> None:
    tamper(five, "DELETE FROM audit_head")
    write(five, "six")
    assert "at place 6 of the chain, or its seal, is not as it was written" in str(
        verdict(five).trouble
    )


def test_entries_of_before_the_chain_are_counted_and_not_called_wrong(app: Flask) -> None:
    tamper(
        app,
        INSERTED.format(1),
        "DELETE FROM audit_head",
        "INSERT INTO audit_head (id, position, begins_after) VALUES (1, 0, 1)",
    )
    with app.app_context(), transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT setval('audit_entry_id_seq', 1)"))
        note(session, "first")
    found = verdict(app)
    assert (found.sealed, found.older, found.trouble) == (1, 1, None)


def test_a_transaction_that_fails_leaves_nothing_in_the_chain(five: Flask) -> None:
    with five.app_context():
        with suppress(ZeroDivisionError), transaction() as session:
            note(session, "failed")
            session.flush()
            raise ZeroDivisionError
        with transaction() as session:
            note(session, "six")
    assert (verdict(five).sealed, verdict(five).trouble) == (6, None)


def put(session: Session, entry_id: int) -> None:
    """An entry that is written without the session."""
    entry = AuditEntry(id=entry_id, at=NOW, action="put", subject="test", detail={"a": [1.5]})
    plain_rows.put(session, entry)
    audit.note_written(session, entry)


def test_what_was_written_without_the_session_is_sealed_with_the_rest(five: Flask) -> None:
    with five.app_context(), transaction() as session:
        note(session, "six")
        session.flush()
        put(session, 7)
    assert (verdict(five).sealed, verdict(five).trouble) == (7, None)


def test_what_was_written_without_it_goes_with_its_transaction(five: Flask) -> None:
    with five.app_context():
        with suppress(RuntimeError), transaction() as session:
            put(session, 6)
            raise RuntimeError
        with transaction() as session:
            note(session, "six")
    assert (verdict(five).sealed, verdict(five).trouble) == (6, None)


def test_what_a_savepoint_took_back_is_not_sealed(five: Flask) -> None:
    with five.app_context(), transaction() as session:
        note(session, "before")
        with suppress(ZeroDivisionError), session.begin_nested():
            note(session, "taken back")
            raise ZeroDivisionError
        with session.begin_nested():
            note(session, "kept")
    assert (verdict(five).sealed, verdict(five).trouble) == (7, None)
    with five.app_context(), reading() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(2))
        assert actions.all() == ["kept", "before"]


def test_no_entry_is_noted_that_a_savepoint_may_still_take_back(app: Flask) -> None:
    with app.app_context(), transaction() as session, session.begin_nested():
        entry = AuditEntry(id=1, at=NOW, action="one", subject="staff", detail={})
        with pytest.raises(RuntimeError, match="savepoint"):
            audit.note_written(session, entry)


@pytest.mark.parametrize("table", ["audit_entry", "audit_seal"])
@pytest.mark.parametrize("deed", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete_what_is_written(
    five: Flask, table: str, deed: str
) -> None:
    column = "subject_id" if table == "audit_entry" else "entry_id"
    with five.app_context(), pytest.raises(DBAPIError, match="only ever added to"):
        db.session.execute(text(deed.format(table, column, column)))


def test_the_database_refuses_to_replace_or_empty(five: Flask) -> None:
    with five.app_context():
        is_sqlite = db.engine.dialect.name == "sqlite"
        replace = (
            "INSERT OR REPLACE INTO audit_entry (id, at, action, subject, detail) "
            "SELECT id, at, 'x', subject, detail FROM audit_entry"
        )
        deed = replace if is_sqlite else "TRUNCATE audit_entry, audit_seal"
        with pytest.raises(DBAPIError, match="only ever added to"):
            db.session.execute(text(deed))


def test_the_command_tells_a_whole_log_from_a_broken_one(five: Flask, cli: FlaskCliRunner) -> None:
    whole = cli.invoke(args=["audit", "verify"])
    assert (whole.exit_code, whole.output.splitlines()[0]) == (
        0,
        "The audit log is whole: 5 entries.",
    )
    mark = whole.output.split()[-1]
    assert cli.invoke(args=["audit", "verify", "--mark", mark]).exit_code == 0
    assert cli.invoke(args=["audit", "verify", "--mark", "5:xy"]).exit_code == 2
    tamper(five, "DELETE FROM audit_entry WHERE id = 2")
    broken = cli.invoke(args=["audit", "verify"])
    assert broken.exit_code == 1
    assert broken.output == (
        "Error: The audit log is not whole. Entry 2, at place 2 of the chain, was deleted.\n"
    )


def test_after_a_change_of_the_key_the_former_one_proves_what_came_before(
    five: Flask, cli: FlaskCliRunner, tmp_path_factory: pytest.TempPathFactory
) -> None:
    audit_chain.use_secret(OTHER_SECRET)
    try:
        write(five, "six")
        former = tmp_path_factory.mktemp("keys") / "former"
        former.write_text(SECRET_KEY)
        alone = cli.invoke(args=["audit", "verify"])
        both = cli.invoke(args=["audit", "verify", "--former-secret-file", str(former)])
    finally:
        audit_chain.use_secret(SECRET_KEY)
    assert "Entry 1, at place 1 of the chain, was sealed with another SECRET_KEY" in alone.output
    assert (both.exit_code, both.output.splitlines()[0]) == (
        0,
        "The audit log is whole: 6 entries.",
    )


def test_a_walk_holds_few_rows_in_memory(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "WALKED_AT_ONCE", 2)
    write(app, *"abcde")
    with app.app_context(), reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditSeal)) == 5
        rows = audit_chain._rows(session)
        assert [row.position for row in rows] == [1, 2, 3, 4, 5]
    assert verdict(app).trouble is None


@pytest.fixture
def limited(app: Flask) -> Iterator[str]:
    """A database user with the rights that the page on deploying tells to give."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    grants = page.split("```sql\n")[1].split("```")[0]
    user = f"limited_{secrets.token_hex(4)}"
    with app.app_context():
        if db.engine.dialect.name != "postgresql":
            pytest.skip("SQLite has no users")
        with db.engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {user}"))
            connection.exec_driver_sql(grants.replace("callback;", f"{user};"))
        yield user
        with db.engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {user}"))
            connection.execute(text(f"DROP ROLE {user}"))


def test_a_user_of_postgresql_with_few_rights_writes_and_can_change_nothing(
    five: Flask, limited: str
) -> None:
    with five.app_context():
        with transaction() as session:
            session.execute(text(f"SET LOCAL ROLE {limited}"))
            note(session, "six")
        for deed in CHANGES:
            with pytest.raises(DBAPIError, match="permission denied"):
                _do_as(limited, deed)
    assert (verdict(five).sealed, verdict(five).trouble) == (6, None)


def _do_as(user: str, deed: str) -> None:
    with transaction() as session:
        session.execute(text(f"SET LOCAL ROLE {user}"))
        session.execute(text(deed))
