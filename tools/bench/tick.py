"""The planner's whole tick on PostgreSQL: facts read, planned, and the plan kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from time import perf_counter

from sqlalchemy import insert
from sqlalchemy.orm import Session

from callback_service import create_app
from callback_service.domain.contact import LineKind
from callback_service.extensions import db
from callback_service.models.callback import CallbackRequest
from callback_service.services import planning
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.databases import PostgresServer, migrate
from tests.support.settings import make_settings
from tools.bench import Figure

#: All are on shift at all times: the plan looks two days ahead, and a call takes half an hour.
REQUESTS, COUNSELLORS = 100_000, 1_000


def figures(requests: int = REQUESTS) -> Iterator[Figure]:
    """The first plan of all who wait, and the next one ten minutes on."""
    with _waiting(requests) as session:
        name = f"tick of {requests:,} requests on PostgreSQL"
        yield Figure(f"{name}, first plan", _tick(session, 0), "s", 10)
        yield Figure(f"{name}, ten minutes on", _tick(session, 10), "s", 10)


def _tick(session: Session, minutes: int) -> float:
    begun = perf_counter()
    planning.run_plan(session, now=NOW + timedelta(minutes=minutes), tz=LONDON)
    session.commit()
    seconds = perf_counter() - begun
    session.expunge_all()
    return seconds


@contextmanager
def _waiting(requests: int) -> Iterator[Session]:
    with PostgresServer.started() as server, tempfile.TemporaryDirectory() as folder:
        server.create("bench")
        migrate(server.url("bench"), Path(folder))
        app = create_app(make_settings(server.url("bench"), Path(folder)))
        with app.app_context():
            with Session(db.engine) as session:
                _fill(session, requests)
                yield session
            db.engine.dispose()


def _fill(session: Session, requests: int) -> None:
    for number in range(COUNSELLORS):
        staff = make_staff(session, name=f"Person {number}", email=f"p{number}@example.org")
        make_pattern(session, staff, "00:00", "00:00")
    chance = Random(1)  # nosec B311  # noqa: S311 - the same queue again, not a secret
    rows = [_request(number, chance.randrange(60 * 60)) for number in range(requests)]
    session.execute(insert(CallbackRequest), rows)
    session.commit()


def _request(number: int, due_in: int) -> dict[str, object]:
    return {
        "reference": f"{number:08}",
        "phone_index": number.to_bytes(16),
        "phone_kind": LineKind.MOBILE,
        "may_text": False,
        "may_leave_voicemail": False,
        "created_at": NOW,
        "ring_from": NOW,
        "due_at": NOW + timedelta(minutes=due_in),
        "is_window": False,
    }
