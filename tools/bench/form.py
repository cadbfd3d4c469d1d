"""How many forms are taken a second, beside a view that inserts the same rows by hand.

Both in one gunicorn on PostgreSQL and in turns, asked by as many clients as it has threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import requests
from sqlalchemy import func, select

from callback_service import create_app
from callback_service.extensions import db
from callback_service.models.base import Base
from tests.journey.processes import free_port
from tests.journey.visitor import Visitor
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.databases import PostgresServer, migrate
from tests.support.settings import DATA_KEYS, ROOT, SECRET_KEY, make_settings
from tools.bench import Figure

COUNSELLORS, CLIENTS, ROUNDS, A_ROUND = 20, 8, 4, 96
Given = TypeVar("Given")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def figures() -> Iterator[Figure]:
    """Forms and raw inserts a second, their ratio, and processor time of the server for each."""
    with PostgresServer.started() as server, tempfile.TemporaryDirectory() as place:
        server.create("bench")
        url = server.url("bench")
        migrate(url, Path(place))
        before = _prepared(url, Path(place))
        with _serving(url, place, before) as (address, process):
            _submit(_caller(address, 0))
            took = {"form": [0.0, 0.0], "raw": [0.0, 0.0]}
            for number in range(ROUNDS):
                first = 1 + number * A_ROUND
                callers = [_caller(address, first + n) for n in range(A_ROUND)]
                _timed(took["form"], process, _submit, callers)
                _timed(took["raw"], process, _insert, [address] * A_ROUND)
    count = ROUNDS * A_ROUND
    forms, inserts = (count / took[name][0] for name in ("form", "raw"))
    yield Figure("forms taken a second", forms, "/s")
    yield Figure("the same rows inserted by hand", inserts, "/s")
    yield Figure("the first over the second", forms / inserts, "", 0.4, at_least=True)
    yield Figure("a form, time of the server's processor", 1000 * took["form"][1] / count, "ms", 3)


def _prepared(url: str, place: Path) -> dict[str, int]:
    """Put a rota in; the largest id of each table."""
    app = create_app(make_settings(url, place))
    with app.app_context():
        session = db.session()
        for number in range(COUNSELLORS):
            staff = make_staff(session, email=f"c{number}@example.org")
            make_pattern(session, staff, "00:00", "00:00")
        session.commit()
        tables = [table for table in Base.metadata.sorted_tables if "id" in table.c]
        largest = {
            table.name: session.scalar(select(func.max(table.c.id))) or 0
            for table in tables
            if table.c.id.type.python_type is int
        }
        db.engine.dispose()
    return largest


@contextmanager
def _serving(
    url: str, place: str, before: dict[str, int]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": url,
        "INSTANCE_PATH": place, "SECRET_KEY": SECRET_KEY, "DATA_KEYS": DATA_KEYS,
        "PORT": str(port), "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}", "TRUSTED_HOPS": "1",
        "BENCH_BEFORE": json.dumps(before), "FORM_LEAST_SECONDS": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "tools.bench.form_server:app"]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_up(address)
            yield address, process
        finally:
            process.terminate()


def _wait_until_up(address: str) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        try:
            requests.get(f"{address}/health/live", timeout=30)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server did not come up")


def _timed(
    took: list[float],
    process: subprocess.Popen[bytes],
    run: Callable[[Given], None],
    given: list[Given],
) -> None:
    begun, used = time.perf_counter(), _processor_seconds(process.pid)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(run, given))
    took[0] += time.perf_counter() - begun
    took[1] += _processor_seconds(process.pid) - used


def _processor_seconds(pid: int) -> float:
    """What the workers of a gunicorn have used."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(_used(int(child)) for child in children) / TICKS_A_SECOND


def _used(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _caller(address: str, number: int) -> tuple[Visitor, str]:
    """Somebody with the form open, from an address of their own, and their number."""
    visitor = Visitor(address, address=f"198.18.{number // 250}.{number % 250 + 1}")
    visitor.open("/")
    return visitor, f"07700 900{number:03}"


def _submit(caller: tuple[Visitor, str]) -> None:
    """Send the form, and go no further."""
    visitor, phone = caller
    reply = visitor.post("/", phone=phone, when="asap", messages="text", consent="y")
    if reply.status_code != 303:
        raise RuntimeError(f"the form answered {reply.status_code}")


def _insert(address: str) -> None:
    reply = requests.post(f"{address}/raw/", allow_redirects=False, timeout=30)
    if reply.status_code != 303:
        raise RuntimeError(f"the raw view answered {reply.status_code}")
