"""What the chain of audit entries costs: form submits by several processes, with it and without."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

from psycopg import sql

from callback_service.clock import utc_now
from callback_service.extensions import transaction
from callback_service.services import audit_chain, intake
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.databases import PostgresServer, migrate
from tests.support.request_builders import an_ask, mobile
from tests.support.settings import make_settings
from tools.bench import Figure

PROCESSES, WARM_UP, SUBMITS, ROUNDS = 4, 10, 40, 5
#: More than a round takes on a busy machine.
LASTS_S = 240


def submit_many(worker: int, is_chained: bool) -> tuple[float, float]:
    """Keep many requests, each in a transaction; seconds, and those of the processor to seal."""
    spent = [0.0]
    append = audit_chain._append

    def timed(*given: Any) -> None:
        begun = thread_time()
        append(*given)
        spent[0] += thread_time() - begun

    setattr(audit_chain, "_append", timed if is_chained else _not_at_all)  # noqa: B010 - of another type
    first = worker * (WARM_UP + SUBMITS)
    for n in range(WARM_UP):  # what is compiled and imported once is not measured
        _submit(first + n)
    begun, spent[0] = perf_counter(), 0.0
    for n in range(WARM_UP, WARM_UP + SUBMITS):
        _submit(first + n)
    return perf_counter() - begun, spent[0]


def _submit(number: int) -> None:
    ask = an_ask(mobile(number), name="Sam", note="Hang up if he answers")
    with transaction() as session:
        intake.take_request(session, ask, now=utc_now(), tz=LONDON)


def _not_at_all(*_given: Any) -> None:
    """Seal nothing."""


def figures() -> Iterator[Figure]:
    """Submits a second with the chain and without, in turn; commits wait for the disk."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.started() as postgres:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            on = sql.SQL("ALTER SYSTEM SET {} = on").format(sql.Identifier(setting))
            postgres.run(on)
        postgres.run(sql.SQL("SELECT pg_reload_conf()"))
        postgres.create("migrated")
        migrate(postgres.url("migrated"), Path(folder))
        names = (f"round{n}" for n in count())
        runs = [
            (_run(postgres, next(names), folder, True), _run(postgres, next(names), folder, False))
            for _ in range(ROUNDS)
        ]
    yield from _figures(runs)


def _run(postgres: PostgresServer, name: str, folder: str, is_chained: bool) -> tuple[float, float]:
    """Submits a second, and milliseconds of the processor to seal each; a fresh database."""
    postgres.create(name, template="migrated")
    settings = make_settings(postgres.url(name), Path(folder))
    done = race(settings, submit_many, [(n, is_chained) for n in range(PROCESSES)], lasts=LASTS_S)
    if faults := [one for one in done if one.refused_with]:
        raise RuntimeError(f"a submit failed: {faults[0]}")
    postgres.drop(name)
    total = PROCESSES * SUBMITS
    slowest = max(one.value[0] for one in done)
    return total / slowest, 1000 * sum(one.value[1] for one in done) / total


def _figures(runs: list[tuple[tuple[float, float], tuple[float, float]]]) -> Iterator[Figure]:
    what = f"form submits of {PROCESSES} processes on PostgreSQL"
    yield Figure(f"{what}, a second, audit chained", median(one[0][0] for one in runs), "/s")
    ratio = median(chained[0] / without[0] for chained, without in runs)
    yield Figure("- over the same without the chain", ratio, "", 0.7, at_least=True)
    cost = median(chained[1] for chained, _ in runs)
    yield Figure("- processor time of the chain, each", cost, "ms", 1)
