"""How long the server takes to make the pages of a large rota, with real rendering, on SQLite."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.clock import utc_now
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason, OpenShift
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.services import rota_changes
from tests.rota_builders import LONDON, make_pattern, make_requirement
from tests.support.builders import make_staff
from tests.support.databases import migrate, sqlite_url
from tests.support.settings import make_settings
from tests.support.signing_in import sign_in
from tools.bench import Figure

#: Start and end; each is worked on five days of the week in turn.
TIMES = (("07:00", "15:00"), ("15:00", "23:00"), ("23:00", "07:00"), ("18:00", "02:00"))
MANAGER = "manager@example.org"
ROUNDS = 10
PATHS = (
    "/rota",
    "/rota?week=NEXT",
    "/rota/four-weeks",
    "/rota/hours",
    "/rota/hours/week",
    "/rota/print",
    "/desk",
)


def _next_week() -> str:
    return (utc_now().date() + timedelta(days=7)).isoformat()


def pages(people: int, paths: Sequence[str]) -> dict[str, float]:
    """The best time of each path, in seconds of processor time, all on one rota of ``people``."""
    with _signed_in(people) as client:
        return {path: _best(client, path) for path in paths}


def _best(client: FlaskClient, path: str) -> float:
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        begun = time.thread_time()
        answer = client.get(path)
        times.append(time.thread_time() - begun)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return min(times)


@contextmanager
def _signed_in(people: int) -> Iterator[FlaskClient]:
    """A manager's browser on a service with a rota of ``people``."""
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder) / "bench.sqlite3")
        migrate(url, Path(folder))
        app = create_app(make_settings(url, Path(folder)))
        with app.app_context():
            _fill(people)
        client = app.test_client()
        sign_in(client, MANAGER)
        yield client
        with app.app_context():
            db.engine.dispose()


def _fill(people: int) -> None:
    """A rota round the clock, with leave for some and a few open shifts."""
    session, now = db.session(), utc_now()
    lead = make_staff(session, role=Role.MANAGER, email=MANAGER, name="Priya Shah")
    make_pattern(session, lead, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    make_requirement(session, max(1, people // 8), "07:00", "23:00")
    for number in range(people):
        staff = make_staff(session, name=f"Counsellor Number {number:03}")
        weekdays = frozenset((number + ahead) % 7 for ahead in range(5))
        make_pattern(session, staff, *TIMES[number % len(TIMES)], weekdays)
        if number % 10 == 0:
            start = now + timedelta(days=1 + number % 5)
            away = Leave(staff.id, start, start + timedelta(days=3), LeaveReason.ANNUAL)
            rota_changes.make_change(session, away, actor_id=lead.id, now=now, tz=LONDON)
    for ahead in range(1, 6):
        start = now + timedelta(days=ahead)
        open_shift = OpenShift(start, start + timedelta(hours=8))
        rota_changes.make_change(session, open_shift, actor_id=lead.id, now=now, tz=LONDON)
    session.commit()


def figures() -> Iterator[Figure]:
    """Server time of the pages of a rota of two hundred."""
    paths = {path.replace("NEXT", _next_week()): path for path in PATHS}
    for path, seconds in pages(200, list(paths)).items():
        goal = 200 if path.startswith("/rota?week") else None
        yield Figure(f"page {paths[path]}, 200 counsellors", 1000 * seconds, "ms", goal)
