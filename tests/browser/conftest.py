"""The demo service for a browser, and a watch on all that the browser does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from callback_service import create_app
from callback_service.config import Settings
from callback_service.extensions import db
from tests.browser.service import Service, seed
from tests.conftest import IN_MEMORY
from tests.support.builders import PASSWORD
from tests.support.databases import sqlite_url
from tests.support.live import LiveServer
from tests.support.settings import make_settings
from tests.twilio_double.api import Reply, Request
from tests.twilio_double.server import serving

ELSEWHERE = b"<!doctype html><html lang=en><title>Weather</title><h1>Weather</h1>"
#: Chromium logs every answer above 399 as an error; those are pages here, and tested as such.
AN_ANSWER = "Failed to load resource: the server responded with a status of 4"


@dataclass
class Watch:
    """What the browser complained of, and where it went."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    posts: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)  # parts of complaints a test calls for

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what is said as an error or a warning."""
        if message.type in {"error", "warning"} and not message.text.startswith(AN_ANSWER):
            self.complaints.append(message.text)

    @property
    def unforgiven(self) -> list[str]:
        """Complaints no test asked for."""
        return [one for one in self.complaints if not any(part in one for part in self.forgiven)]


@pytest.fixture(scope="session")
def base_url() -> str | None:
    """None: each test has a service, and so an address, of its own."""
    return None


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A harmless page on another origin, where the exit leads."""

    def weather(_request: Request) -> Reply:
        return Reply(content=ELSEWHERE, content_type="text/html")

    with serving(weather) as url:
        yield f"{url}/weather"


@pytest.fixture
def settings(database_url: str, tmp_path: Path, elsewhere: str) -> Settings:
    """Settings of an installation whose exit stays on this machine."""
    return make_settings(database_url, tmp_path, EXIT_URL=elsewhere)


@pytest.fixture(scope="session")
def demo_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo's people and rota to copy: putting them in takes two seconds."""
    path = tmp_path_factory.mktemp("demo") / "demo.sqlite3"
    shutil.copyfile(sqlite_template, path)
    app = create_app(make_settings(sqlite_url(path), path.parent))
    seed(app)
    with app.app_context():
        db.engine.dispose()
    return path


@pytest.fixture
def database_url(demo_template: Path) -> Iterator[str]:
    """The URL of a database with the demo's people and rota that is this test's alone."""
    with tempfile.TemporaryDirectory(prefix="callback-", dir=IN_MEMORY) as folder:
        path = Path(folder) / "callback.sqlite3"
        shutil.copyfile(demo_template, path)
        yield sqlite_url(path)


@pytest.fixture
def service(live_server: LiveServer) -> Service:
    """The service with the demo's people and rota, and no callers."""
    return Service(live_server)


@pytest.fixture
def watch(context: BrowserContext) -> Watch:
    """What happens in this test's browser; ``guard`` judges it at the end."""
    watch = Watch()
    context.on("console", watch.hear)
    context.on("weberror", lambda error: watch.complaints.append(str(error.error)))
    context.on("request", lambda request: watch.hosts.add(urlsplit(request.url).netloc))
    context.on(
        "request",
        lambda request: watch.posts.append(request.url) if request.method == "POST" else None,
    )
    return watch


@pytest.fixture(autouse=True)
def guard(watch: Watch, service: Service, elsewhere: str) -> Iterator[None]:
    """No test may end with an error in the console or a request to anybody else."""
    yield
    ours = {urlsplit(url).netloc for url in (service.url("/"), elsewhere)}
    assert watch.hosts <= ours
    assert watch.unforgiven == []


@pytest.fixture
def sign_in(page: Page, service: Service) -> Callable[[str], Page]:
    """``sign_in(email)``: the page, signed in as one of the demo's people."""

    def enter(email: str) -> Page:
        page.goto(service.url("/sign-in"))
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Code from your app").fill(service.code_of(email))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out", exact=True).wait_for()
        return page

    return enter
