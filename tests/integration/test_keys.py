"""Keys of requests and of the service: what seals what, sealing anew, retiring, and the copies."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import LargeBinary, delete, event, func, select
from sqlalchemy.orm import Session

from callback_service import create_app
from callback_service.domain.data_keys import DataKeys
from callback_service.domain.lifecycle import Disposition, LetGo, RequestState
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.domain.text_limits import TextLimits
from callback_service.extensions import db
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.privacy import LegalHold
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import BY_REQUEST, BY_SERVICE, header_of, keyring
from callback_service.models.staff import Staff
from callback_service.services import (
    keys,
    messages,
    outbox_claims,
    request_keys,
    requests,
    retention,
)
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import accept, make_request, make_shift, stored
from tests.support.sealed_rows import (
    CANARIES,
    of_strangers,
    one_of_each,
    opened,
    seal_by_service,
    sealed_columns,
)
from tests.support.settings import make_settings

LATER = NOW + USUAL.lasts(Kept.CALLERS)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "keys" / "data_keys"
    path.parent.mkdir()
    path.write_text(f"k1:{base64.b64encode(os.urandom(32)).decode()}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def installed(database_url: str, tmp_path: Path, key_file: Path) -> Iterator[Flask]:
    """The service with its keys in a file."""
    app = create_app(
        make_settings(database_url, tmp_path, DATA_KEYS="", DATA_KEYS_FILE=str(key_file))
    )
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


Run = Callable[..., str]


@pytest.fixture
def run(installed: Flask) -> Run:
    """``run("rotate")``: what ``flask keys rotate`` prints, which must succeed unless told."""
    cli = installed.test_cli_runner()

    def run(*arguments: str, fails: bool = False) -> str:
        done = cli.invoke(args=["keys", *arguments])
        assert (done.exit_code != 0) is fails, done.output
        return done.output

    return run


def settle(key_file: Path) -> None:
    """Let the keys have changed an hour ago."""
    an_hour_ago = key_file.stat().st_mtime - 3600
    os.utime(key_file, (an_hour_ago, an_hour_ago))


def ids_in(key_file: Path) -> list[str]:
    return [line.partition(":")[0] for line in key_file.read_text(encoding="utf-8").split()]


def begins(session: Session, header: bytes) -> int:
    """How many sealed values begin with ``header``."""
    return sum(
        session.scalar(
            select(func.count()).where(
                func.substr(column, 1, len(header), type_=LargeBinary) == header
            )
        )
        or 0
        for column in sealed_columns()
    )


@contextmanager
def counted(session: Session, *words: str) -> Iterator[list[str]]:
    """The statements with any of ``words`` that are run meanwhile."""
    found: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if any(word in statement for word in words):
            found.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", look)
    yield found
    event.remove(engine, "before_cursor_execute", look)


class TestKeysOfRequests:
    """What a caller told us is sealed by the key of their request, and by no other."""

    def test_everything_that_hangs_on_a_request_is_sealed_by_its_key(
        self, session: Session
    ) -> None:
        one_of_each(session)
        session.commit()
        for mapper in Base.registry.mappers:
            for field in keys.sealed_fields(mapper.class_).values():
                theirs = select(getattr(mapper.class_, field.column))
                firsts = {value[:1] for value in session.scalars(theirs) if value is not None}
                about = BY_REQUEST in firsts
                assert about is field.by_request, field.column

    def test_a_text_that_was_not_given_its_request_takes_no_number(self) -> None:
        text = OutboxMessage(uid="u", request_id=1)
        with pytest.raises(RuntimeError, match="before its number"):
            text.to = "+447700900123"

    def test_a_model_that_knows_its_request_seals_by_it(self) -> None:
        for mapper in Base.registry.mappers:
            fields = keys.sealed_fields(mapper.class_).values()
            is_theirs = "request_id" in mapper.columns or mapper.class_ is CallbackRequest
            if mapper.class_ is LegalHold:
                is_theirs = False  # why something was held is told after the request has gone
            assert all(field.by_request is is_theirs for field in fields), mapper.class_

    def test_each_request_has_a_key_of_its_own_that_is_in_no_other_table(
        self, session: Session
    ) -> None:
        one, other = make_request(session), make_request(session, "07700 900124")
        session.commit()
        assert session.scalar(select(func.count()).select_from(RequestKey)) == 2
        assert one.request_key is not None
        with pytest.raises(Exception, match="does not open"):
            one.request_key.open(other.phone_sealed or b"", context=f"x:{other.uid}")

    def test_the_keys_of_many_are_read_at_once(self, session: Session) -> None:
        make_shift(session)
        for number in range(5):
            make_request(session, f"07700 90012{number}", may_text=True)
        session.commit()
        with counted(session, "FROM request_key", "JOIN request_key") as looks:
            rows = messages.latest(session, messages.Chosen(), viewer_id=0, limit=9)
            assert {row.to_ending for row in rows} == {f"12{number}" for number in range(5)}
            assert len(looks) == 1
            session.expire_all()
            claims = outbox_claims.claim(session, TextLimits(), now=NOW, tz=LONDON)
            assert len({claim.to for claim in claims}) == 5
            assert len(looks) == 2

    def test_taking_a_request_reads_no_key(self, session: Session) -> None:
        with counted(session, "FROM request_key", "JOIN request_key") as looks:
            make_request(session, name="Sam", note="Hang up", may_text=True)
        assert looks == []

    def test_erasing_a_request_destroys_its_key_and_leaves_the_others(
        self, session: Session
    ) -> None:
        make_shift(session)
        request, other = make_request(session), make_request(session, "07700 900124")
        requests.close(session, request, Disposition.HELPED, now=NOW)
        session.commit()
        retention.erase_old(session, now=LATER)
        session.commit()
        assert session.scalars(select(RequestKey.request_uid)).all() == [other.uid]
        assert other.phone is not None

    def test_words_that_come_after_the_erasure_are_sealed_by_the_service(
        self, session: Session
    ) -> None:
        request = make_request(session)
        request_keys.destroy(session, request)
        session.commit()
        request.closing_note = "Rang the office"
        session.commit()
        assert (request.phone, request.closing_note) == (None, "Rang the office")


class TestCopiesThatCameBack:
    """Rows of an older backup whose key is gone: nothing opens, and nothing breaks."""

    @pytest.fixture
    def copy(self, session: Session) -> CallbackRequest:
        """An open request with a queued text, whose key was destroyed since."""
        make_shift(session)
        request = make_request(session, name="Robin", note="Hang up", may_text=True)
        request.closing_note = "Engaged"
        make_request(session, "07700 900124", may_text=True)
        request_keys.destroy(session, request)
        session.commit()
        return request

    def test_read_as_erased(self, session: Session, copy: CallbackRequest) -> None:
        session.expire_all()
        assert (copy.phone, copy.name, copy.note, copy.closing_note) == (None,) * 4
        assert copy.phone_sealed is not None

    def test_are_shown_without_a_number(self, session: Session, copy: CallbackRequest) -> None:
        rows = messages.latest(session, messages.Chosen(), viewer_id=0, limit=10)
        assert sorted(row.to_ending for row in rows) == ["", "124"]

    def test_get_no_text_and_stop_no_other(self, session: Session, copy: CallbackRequest) -> None:
        claims = outbox_claims.claim(session, TextLimits(), now=NOW, tz=LONDON)
        session.commit()
        assert [claim.to for claim in claims] == ["+447700900124"]
        dropped = select(OutboxMessage).where(OutboxMessage.request_id == copy.id)
        assert session.scalars(dropped).one().state is OutboxState.DROPPED

    def test_make_room_for_whoever_asks_again(
        self, session: Session, copy: CallbackRequest
    ) -> None:
        again = make_request(session, name="Robin")
        session.commit()
        assert (again.phone, again.name) == ("+447700900123", "Robin")
        assert (again.id != copy.id, copy.disposition) == (True, Disposition.EXPIRED)

    def test_are_emptied_and_closed_when_told(
        self, session: Session, copy: CallbackRequest, cli: FlaskCliRunner
    ) -> None:
        assert "Requests without a key: 1." in cli.invoke(args=["keys", "erase-again"]).output
        session.expire_all()
        assert copy.phone_sealed is not None
        done = cli.invoke(args=["keys", "erase-again", "--apply"])
        assert "Emptied: 1." in done.output
        session.expire_all()
        assert (copy.state, copy.note) == (RequestState.CLOSED, None)
        assert session.scalar(select(request_keys.erased_copies().exists())) is False
        assert "without a key" not in cli.invoke(args=["keys", "list"]).output

    def test_are_not_emptied_where_all_keys_are_missing(
        self, session: Session, copy: CallbackRequest, cli: FlaskCliRunner
    ) -> None:
        session.execute(delete(RequestKey))
        session.commit()
        done = cli.invoke(args=["keys", "erase-again", "--apply"])
        assert done.exit_code == 1
        assert "restore it first" in done.output
        session.expire_all()
        assert copy.phone_sealed is not None


def test_the_page_of_a_call_says_that_nothing_of_it_can_be_read(
    app: Flask, sign_in_as: Callable[..., FlaskClient]
) -> None:
    manager = sign_in_as(Role.MANAGER)
    with stored(app) as session:
        request = make_request(session)
        accept(session, request, session.scalars(select(Staff)).one())
        request_keys.destroy(session, request)
        path = f"/desk/requests/{request.id}"
    page = manager.get(path)
    assert page.status_code == 200
    assert "cannot be read any more" in page.get_data(as_text=True)


class TestRotating:
    """The commands, with the keys in a file."""

    def test_every_sealed_column_is_sealed_anew_and_opens(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        session = db.session()
        one_of_each(session)
        of_strangers(session)
        session.commit()
        before = opened(session)
        assert set(CANARIES.values()) <= set(before)
        run("rotate")
        assert "Rows sealed anew: " in run("reencrypt")
        assert begins(session, header_of("k1")) == 0
        settle(key_file)
        run("retire", "k1")
        assert ids_in(key_file) == ["k2", "index"]
        assert opened(session) == before

    def test_every_sealed_column_is_known_to_it(self, installed: Flask) -> None:
        known = {str(value) for room in keys.rooms() for value in room.values}
        named = {
            f"{mapper.class_.__name__}.{column.key}"
            for mapper in Base.registry.mappers
            for column in mapper.columns
            if column.key.endswith("_sealed") or column.key == "wrapped"
        }
        assert known == named
        assert {str(column) for column in sealed_columns()} == named

    def test_the_index_of_numbers_outlives_every_key(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        before = keyring().blind_index("phone", "+447700900123")
        for old in ("k1", "k2"):
            run("rotate")
            run("reencrypt")
            settle(key_file)
            run("retire", old)
        assert keyring().newest == "k3"
        again = DataKeys.parse(key_file.read_text(encoding="utf-8"))
        assert again.ids == ("k3",)
        assert keyring().blind_index("phone", "+447700900123") == before

    def test_a_running_process_uses_a_new_key_without_a_restart(
        self, installed: Flask, run: Run
    ) -> None:
        sealed = keyring().seal("a", context="x")
        run("rotate")
        assert keyring().seal("a", context="x").startswith(header_of("k2"))
        assert keyring().open(sealed, context="x") == "a"

    def test_a_key_may_be_added_to_open_with_before_it_seals(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        run("rotate", "--behind")
        assert ids_in(key_file) == ["k1", "k2", "index"]
        assert keyring().newest == "k1"
        run("rotate", "k2")
        assert ids_in(key_file) == ["k2", "k1", "index"]
        assert keyring().newest == "k2"

    def test_a_file_that_cannot_be_used_leaves_the_keys_as_they_are(
        self, installed: Flask, key_file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = key_file.read_text(encoding="utf-8")[3:20]
        key_file.write_text(f"k1:{secret}", encoding="utf-8")
        for _ in range(3):
            assert keyring().open(keyring().seal("a", context="x"), context="x") == "a"
        assert caplog.text.count("cannot be used") == 1
        assert secret not in caplog.text

    def test_a_key_is_not_retired_while_a_row_names_it(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        session = db.session()
        one_of_each(session)
        session.commit()
        run("rotate")
        settle(key_file)
        assert "Values that name k1: " in run("retire", "k1", fails=True)
        assert ids_in(key_file) == ["k2", "k1", "index"]

    def test_nor_right_after_a_change_nor_while_it_seals_nor_when_there_is_none(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        run("rotate")
        assert "less than a minute ago" in run("retire", "k1", fails=True)
        settle(key_file)
        assert "is the key that seals" in run("retire", "k2", fails=True)
        assert "There is no key k7" in run("retire", "k7", fails=True)

    def test_the_list_counts_what_each_key_seals_and_shows_no_key(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        session = db.session()
        one_of_each(session)
        session.commit()
        run("rotate")
        listed = run("list")
        assert re.search(r"k2 +seals +0 keys of requests, 0 values", listed)
        assert re.search(r"k1 +opens +1 keys of requests, [1-9]\d* values", listed)
        for line in key_file.read_text(encoding="utf-8").split():
            assert line.partition(":")[2] not in listed

    def test_the_list_tells_of_values_whose_key_is_not_there(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        session = db.session()
        one_of_each(session)
        session.commit()
        other = base64.b64encode(os.urandom(32)).decode()
        key_file.write_text(f"k9:{other}\n", encoding="utf-8")
        assert re.search(r"missing +1 keys of requests, [1-9]\d* values", run("list"))
        assert "do not open" in run("reencrypt", fails=True)

    def test_requests_from_before_there_were_keys_get_one(self, installed: Flask, run: Run) -> None:
        session = db.session()
        row = one_of_each(session)
        seal_by_service(session, row)
        session.commit()
        before = opened(session)
        run("reencrypt")
        assert opened(session) == before
        assert session.scalar(select(func.count()).select_from(RequestKey)) == 1
        offer = session.scalars(select(Offer).where(Offer.reason == LetGo.OTHER)).one()
        assert (offer.words_sealed or b"")[:1] == BY_REQUEST

    def test_what_was_erased_is_given_no_key(self, installed: Flask, run: Run) -> None:
        session = db.session()
        request = make_request(session)
        request_keys.destroy(session, request)
        session.commit()
        request.closing_note = "Later"
        session.commit()
        run("rotate")
        run("reencrypt")
        session.expire_all()
        assert (request.request_key, request.closing_note, request.phone) == (None, "Later", None)

    def test_the_file_stays_for_its_owner_and_leaves_no_draft(
        self, installed: Flask, run: Run, key_file: Path
    ) -> None:
        run("rotate")
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert list(key_file.parent.iterdir()) == [key_file]


def test_where_keys_are_in_no_file_the_commands_print_what_to_set(
    cli: FlaskCliRunner, session: Session
) -> None:
    index = keyring().blind_index("phone", "x")
    printed = cli.invoke(args=["keys", "rotate"]).output.splitlines()[-1]
    found = DataKeys.parse(printed)
    assert found.ids == ("k1", "k2")  # it opens first, and seals when every process has it
    assert found.index_key is not None
    assert keyring().newest == "k1"
    assert keyring().blind_index("phone", "x") == index


def test_no_key_is_in_the_words_of_the_settings_or_of_the_keyring(app: Flask) -> None:
    settings = app.config["SETTINGS"]
    coded = settings.data_keys.as_text().partition(":")[2]
    for shown in (repr(settings), repr(settings.data_keys), repr(keyring()), repr(vars(keyring()))):
        assert coded[:8] not in shown
        assert repr(bytes(range(8)))[2:-1] not in shown


def test_the_step_of_sealing_anew_goes_on_where_the_last_one_ended(session: Session) -> None:
    for number in range(5):
        make_request(session, f"07700 900{number:03}")
    made = session.scalars(select(CallbackRequest)).all()
    for request in made:
        seal_by_service(session, request)
    session.commit()
    room = next(room for room in keys.rooms() if room.model is CallbackRequest)
    first = keys.reencrypt_some(session, room, after=None, at_once=2)
    session.commit()
    assert (first.renewed, keys.stale(session, room)) == (2, 3)
    second = keys.reencrypt_some(session, room, after=first.last, at_once=9)
    assert second.renewed == 3
    assert keys.reencrypt_some(session, room, after=second.last).last is None
    assert BY_SERVICE not in {(one.phone_sealed or b"")[:1] for one in made}
