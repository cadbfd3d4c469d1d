"""The service as it runs for real: each part a process of its own, watched through its log."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from sqlalchemy import NullPool, create_engine, text

from callback_service import create_app
from callback_service.config import Settings
from callback_service.extensions import db
from tests.support.builders import PASSWORD
from tests.support.settings import DATA_KEYS, ROOT, SECRET_KEY, make_settings

Found = TypeVar("Found")

FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")
STARTS_WITHIN_S = 120.0
#: A busy machine is no fault: only what fails waits so long.
PATIENCE_S = 60.0
STOPS_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
LOG_TAIL_CHARS = 3000
SENDER = "+447700900999"


def wait_for(look: Callable[[], Found | None], what: str, *, within_s: float = PATIENCE_S) -> Found:
    """The first true answer of ``look``, asked every 50 ms; fails with ``what`` in time."""
    give_up_at = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > give_up_at:
            pytest.fail(f"{what}: not within {within_s:g} seconds")
        time.sleep(LOOK_EVERY_S)


def _wait_for_start(look: Callable[[], Found | None], what: str) -> Found:
    return wait_for(look, what, within_s=STARTS_WITHIN_S)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Part:
    """One process of the service and what it wrote."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path
    ) -> Part:
        """Start ``command`` with no other environment than ``environ``; its log is ``name``.log."""
        log = folder / f"{name}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    def said(self, words: str) -> str | None:
        """The last line of the log with ``words``; fails if the process has ended meanwhile."""
        lines = [line for line in self.log.read_text().splitlines() if words in line]
        if not lines and self.process.poll() is not None:
            pytest.fail(f"{self.name} ended with {self.process.returncode}")
        return lines[-1] if lines else None

    def stop(self) -> int:
        """Ask it to end, as an init system does; its exit code."""
        self.process.terminate()
        return self.process.wait(STOPS_WITHIN_S)

    def kill(self) -> None:
        """End it on the spot, as a power cut does, with all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end_anyhow(self) -> None:
        """Leave nothing running, whatever the test has left."""
        if self.process.poll() is None:
            self.kill()

    def tail(self) -> str:
        """The end of the log, for a failed test."""
        return f"--- {self.name}\n{self.log.read_text()[-LOG_TAIL_CHARS:]}\n"


@dataclass
class House:
    """The service with its database, and the double that stands for Twilio."""

    database_url: str
    folder: Path
    url: str = field(init=False)
    twilio_url: str = field(init=False)
    environ: dict[str, str] = field(init=False)
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        sid, token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.database_url,
            "INSTANCE_PATH": str(self.folder),
            "SECRET_KEY": SECRET_KEY,
            "DATA_KEYS": DATA_KEYS,
            "DEMO": "1",
            "PORT": str(port),
            "PUBLIC_BASE_URL": self.url,
            "TWILIO_ACCOUNT_SID": sid,
            "TWILIO_AUTH_TOKEN": token,
            "TWILIO_FROM": SENDER,
        }
        # The driver's name in the address is ours to add: the tests look with SQLAlchemy.
        sqlalchemy_url = make_settings(self.database_url, self.folder).database_url
        self._engine = create_engine(sqlalchemy_url, poolclass=NullPool)

    def open(self, *, is_staffed: bool) -> None:
        """Start everything, with the demo's people and rota or empty; return when it answers."""
        self.start_twilio()
        web, scheduler = self.start_web(), self.start_scheduler()
        if is_staffed:
            self.seed()
        self.wait_until_up(web)
        self.wait_until_ticking(scheduler)

    def start_twilio(self) -> None:
        """Start the double on a port of its own and point the service at it."""
        command = (
            sys.executable, "-m", "tests.twilio_double", "--step-seconds", "0.1",
            "--webhook-url", f"{self.url}/twilio/texts/inbound",
        )  # fmt: skip
        double = self._start("twilio", command)
        line = _wait_for_start(lambda: double.said("Texts can be read at"), "the double's address")
        self.twilio_url = self.environ["TWILIO_API_URL"] = line.split()[-1]

    def start_web(self) -> Part:
        """Start the web server."""
        return self._start("web", (sys.executable, "-m", "gunicorn"))

    def start_scheduler(self) -> Part:
        """Start a scheduler process."""
        number = sum(part.name.startswith("scheduler") for part in self.parts) + 1
        return self._start(f"scheduler{number}", (*FLASK, "scheduler"))

    def wait_until_up(self, web: Part) -> None:
        """Return once the web server answers."""

        def answers() -> bool:
            web.said("Listening at")
            return self.answers()

        _wait_for_start(answers, "the web server")

    def answers(self) -> bool:
        """Whether the web server answers just now."""
        try:
            return requests.get(f"{self.url}/health/live", timeout=2).ok
        except requests.RequestException:
            return False

    def wait_until_ticking(self, scheduler: Part) -> None:
        """Return once the scheduler's ticks run."""
        _wait_for_start(lambda: scheduler.said("scheduler started"), "the scheduler")

    def seed(self) -> None:
        """Put the demo's people and rota in; they all sign in with PASSWORD."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        self.run_here("seed-demo", "--password-file", str(password))

    def people(self) -> Any:
        """The demo's people as ``demo-sign-ins`` prints them."""
        return json.loads(self.run_here("demo-sign-ins"))

    def run_here(self, *command: str) -> str:
        """As ``flask``, in this process: it has the service imported, which takes 2 s of CPU."""
        app = create_app(Settings.from_environ(self.environ, root=ROOT))
        done = app.test_cli_runner().invoke(args=command)
        with app.app_context():
            db.engine.dispose()
        assert done.exit_code == 0, done.output
        return done.stdout

    def flask(self, *command: str) -> str:
        """What a command of the service prints; fails the test if it fails."""
        done = subprocess.run(
            (*FLASK, *command),
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=STARTS_WITHIN_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def flask_json(self, *command: str) -> Any:
        """What a command of the service prints as JSON."""
        return json.loads(self.flask(*command))

    def row(self, query: str) -> Any:
        """The first row of ``query`` over a connection of its own, or None."""
        with self._engine.connect() as connection:
            return connection.execute(text(query)).first()

    def rows(self, query: str) -> Sequence[Any]:
        """All rows of ``query`` over a connection of its own."""
        with self._engine.connect() as connection:
            return connection.execute(text(query)).all()

    def run(self, statement: str) -> None:
        """Change the database over a connection of its own."""
        with self._engine.begin() as connection:
            connection.execute(text(statement))

    def texts(self, to: str) -> list[dict[str, Any]]:
        """The texts to ``to`` that the double took, oldest first."""
        return [one for one in self.ask_twilio("messages") if one["to"] == to]

    def ask_twilio(self, route: str, **wish: Any) -> Any:
        """One of the double's own routes: ``wish`` is posted, nothing is fetched."""
        url = f"{self.twilio_url}/_double/{route}"
        reply = requests.post(url, json=wish, timeout=5) if wish else requests.get(url, timeout=5)
        reply.raise_for_status()
        return reply.json()

    def close(self) -> str:
        """End every process; the ends of their logs."""
        for part in self.parts:
            part.end_anyhow()
        self._engine.dispose()
        return "".join(part.tail() for part in self.parts)

    def _start(self, name: str, command: Sequence[str]) -> Part:
        part = Part.start(name, command, self.environ, self.folder)
        self.parts.append(part)
        return part
