"""How many forms are taken a second, beside a view that inserts the same rows by hand.

Both in one gunicorn on PostgreSQL and in turns, over connections that are open already, asked by as
many clients as it has threads. Nobody is rung meanwhile: the queue grows to all who were not
promised a window. Each comes from a network of their own, so every limit is counted and none hit.
"""

from __future__ import annotations

import json
import os
import re
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
from sqlalchemy import select

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

#: Forms in one round: as soon as we can, and for a window. In two minutes on two busy cores.
COUNSELLORS, CLIENTS, ROUNDS, A_ROUND, WINDOWS = 20, 8, 4, 40, 8
ASAP = "asap"
Given = TypeVar("Given")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_WINDOW = re.compile(r'value="(\d{4}-[\dT:-]+Z/[\dT:-]+Z)"')

Caller = tuple[Visitor, str, str]  # with the form open, their number, and when they wish for a call


def figures() -> Iterator[Figure]:
    """Forms and raw inserts a second, their ratio, and processor time of the server for each."""
    took = _took()
    count = ROUNDS * A_ROUND
    forms, inserts = (count / took[name][0] for name in ("form", "raw"))
    yield Figure("forms taken a second", forms, "/s")
    yield Figure("the same rows inserted by hand", inserts, "/s")
    yield Figure("the first over the second", forms / inserts, "", 0.4, at_least=True)
    yield Figure("a form, time of the server's processor", 1000 * took["form"][1] / count, "ms", 3)
    yield Figure("inserts by hand, the same", 1000 * took["raw"][1] / count, "ms")
    windows = 1000 * took["window"][1] / (ROUNDS * WINDOWS)
    yield Figure("a form with a window, the same", windows, "ms")


def _took() -> dict[str, list[float]]:
    """Seconds, and seconds of the server's processor, of all the rounds of each."""
    took = {"form": [0.0, 0.0], "window": [0.0, 0.0], "raw": [0.0, 0.0]}
    with PostgresServer.started() as server, tempfile.TemporaryDirectory() as place:
        server.create("bench")
        url = server.url("bench")
        migrate(url, Path(place))
        before = _prepared(url, Path(place))
        with _serving(url, place, before) as (address, process):
            _warm_up(address)
            for number in range(ROUNDS):
                first = 1 + CLIENTS + number * (A_ROUND + WINDOWS)
                callers = [_caller(address, first + n) for n in range(A_ROUND)]
                others = [_caller(address, first + A_ROUND + n, n) for n in range(WINDOWS)]
                _timed(took["form"], process, _submit, callers)
                _timed(took["window"], process, _submit, others)
                _timed(took["raw"], process, _insert, [_inserter(address) for _ in callers])
    return took


def _warm_up(address: str) -> None:
    """One form, whose rows the other view then inserts; and then both on every thread."""
    _submit(_caller(address, 0))
    _insert(_inserter(address))
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(_submit, [_caller(address, 1 + n) for n in range(CLIENTS)]))
        list(pool.map(_insert, [_inserter(address) for _ in range(3 * CLIENTS)]))


def _prepared(url: str, place: Path) -> dict[str, list[str]]:
    """Put a rota in; the keys of all rows there are, by table."""
    app = create_app(make_settings(url, place))
    with app.app_context():
        session = db.session()
        for number in range(COUNSELLORS):
            staff = make_staff(session, email=f"c{number}@example.org")
            make_pattern(session, staff, "00:00", "00:00")
        session.commit()
        present = {
            table.name: [str(key) for key in session.scalars(select(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }
        db.engine.dispose()
    return present


@contextmanager
def _serving(
    url: str, place: str, before: dict[str, list[str]]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": url,
        "INSTANCE_PATH": place, "SECRET_KEY": SECRET_KEY, "DATA_KEYS": DATA_KEYS,
        "PORT": str(port), "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}", "TRUSTED_HOPS": "1",
        "BENCH_BEFORE": json.dumps(before), "FORM_LEAST_SECONDS": "0",
        "FORMS_PER_HOUR": "100000",
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--keep-alive",
        "300",
        "tools.bench.form_server:app",
    ]
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


def _caller(address: str, number: int, window: int | None = None) -> Caller:
    """Somebody with the form open, from a network of their own; as soon as we can, or a window."""
    visitor = Visitor(address, address=f"81.2.{number}.1")
    offered = _WINDOW.findall(visitor.open("/"))
    when = ASAP if window is None else offered[window % len(offered)]
    return visitor, f"07700 900{number:03}", when


def _submit(caller: Caller) -> None:
    """Send the form, and go no further."""
    visitor, phone, when = caller
    reply = visitor.post("/", phone=phone, when=when, messages="text", consent="y")
    if reply.status_code != 303:
        raise RuntimeError(f"the form answered {reply.status_code}")


def _inserter(address: str) -> Visitor:
    """Somebody to ask for the rows, connected as those with the form open are."""
    visitor = Visitor(address)
    visitor.get("/health/live")
    return visitor


def _insert(visitor: Visitor) -> None:
    reply = visitor.post("/raw/")
    if reply.status_code != 303:
        raise RuntimeError(f"the raw view answered {reply.status_code}")
