"""What every test may ask for: a fresh database of each kind, the app on it, somebody signed in."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from hypothesis import settings as hypothesis_settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.orm import Session

from callback_service import create_app, extensions
from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import db
from tests.support import browser, engines, routes, signing_in, tracing
from tests.support.builders import NOW, make_staff
from tests.support.databases import PostgresServer, migrate, sqlite_url
from tests.support.live import LiveServer, serving
from tests.support.settings import make_settings

# A slow machine is no reason to fail; on CI the same examples come every time.
# The same examples on every machine, so that a run says something of the change and not of chance;
# HYPOTHESIS_EXPLORE=1 looks for new ones.
hypothesis_settings.register_profile(
    "house", deadline=None, derandomize="HYPOTHESIS_EXPLORE" not in os.environ
)
hypothesis_settings.load_profile("house")

#: SQLite waits for the disk at every commit; a disk in memory takes half the time.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own

BOTH = ("sqlite", "postgresql")

TRACER = pytest.StashKey[Coverage | None]()


def pytest_configure() -> None:
    """A run that is told to end stops its servers first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    routes.compile_once()
    engines.give_unordered_rows_backwards()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever has a database on both kinds, unless the test says that one is enough."""
    if "database_url" not in metafunc.fixturenames:
        return
    one = metafunc.definition.get_closest_marker("one_database") or _uses_browser(metafunc)
    metafunc.parametrize("database_url", BOTH[:1] if one else BOTH, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a browser, and leave it out where that was asked for."""
    for item in items:
        if isinstance(item, pytest.Function) and _uses_browser(item):
            item.add_marker("browser")
            if browser.is_left_out():
                item.add_marker(pytest.mark.skip(reason="NO_BROWSER=1"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace nothing of a test but what ``pytest_runtest_call`` takes up again."""
    with tracing.paused() as paused:
        item.stash[TRACER] = paused
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Trace what the test itself does, where that can tell coverage something new."""
    with tracing.taken_up(item.stash[TRACER] if tracing.tells_something(item) else None):
        return (yield)


def _uses_browser(test: pytest.Metafunc | pytest.Function) -> bool:
    node = test.definition if isinstance(test, pytest.Metafunc) else test
    return "browser" in test.fixturenames or node.get_closest_marker("browser") is not None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for this run."""
    with PostgresServer.started() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a migrated database, emptied after each test: a fifth of a copy's time."""
    postgres_server.create("migrated")
    folder = tmp_path_factory.mktemp("postgres")
    engines.lend_from(migrate(postgres_server.url("migrated"), folder))
    return "migrated"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    engines.lend_from(migrate(sqlite_url(path), path.parent))
    return path


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated, empty database that is this test's alone."""
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(prefix="callback-", dir=IN_MEMORY) as folder:
            path = Path(folder) / "callback.sqlite3"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            yield sqlite_url(path)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = request.getfixturevalue("postgres_database")
    yield server.url(name)
    server.empty(name)


@pytest.fixture(autouse=True)
def _one_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who freezes or moves the time in a test moves the clock of the database with it."""
    if request.node.get_closest_marker("database_clock") is None:
        monkeypatch.setattr(extensions, "_server_now", lambda _session: utc_now())


@pytest.fixture
def now() -> datetime:
    """The instant at which most tests happen."""
    return NOW


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an installation on this test's database."""
    return make_settings(database_url, tmp_path)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates are compiled once a run, not once an app: that takes most of a second."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    """The real application."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = compiled_templates
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session inside an application context. The database is this test's own: commit at will."""
    with app.app_context():
        yield db.session()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without scripts, signed out."""
    return app.test_client()


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    """Runs the commands of ``flask --app wsgi``."""
    return app.test_cli_runner()


@pytest.fixture
def sign_in_as(app: Flask) -> Callable[..., FlaskClient]:
    """``sign_in_as(Role.MANAGER, email=..., name=...)``: a new person, as both steps leave them."""

    def sign_in(role: Role, **person: str) -> FlaskClient:
        with app.app_context():
            email = make_staff(db.session(), role=role, **person).email
            db.session.commit()
        client = app.test_client()
        signing_in.be_signed_in(client, email)
        return client

    return sign_in


@pytest.fixture
def live_server(
    settings: Settings, compiled_templates: FileSystemBytecodeCache
) -> Iterator[LiveServer]:
    """The app of this test's database on a port of this machine."""
    with serving(settings) as server:
        server.app.jinja_env.bytecode_cache = compiled_templates
        yield server
        with server.app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright's start of Chromium: ours, and kept to this machine."""
    arguments = list(browser.ARGUMENTS)
    return {**browser_type_launch_args, "executable_path": browser.chromium(), "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A phone in London."""
    place = {"locale": "en-GB", "timezone_id": "Europe/London"}
    return {**browser_context_args, **place, "viewport": browser.PHONE}
