"""Start real processes on one database, let them go at one instant, and collect what each got.

The processes come from a fork server that has the service imported, so twenty start in a second.
What they run is a function at the top of a module.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any, ParamSpec, TypeVar

from flask import current_app
from sqlalchemy.exc import OperationalError

from callback_service import create_app
from callback_service.config import Settings
from callback_service.errors import CallbackServiceError
from callback_service.extensions import db, is_busy

#: Seconds after which a process that should have ended is taken for stuck.
PATIENCE = 60


@dataclass(frozen=True)
class Finish:
    """How one process ended: with a value, or with a refusal and its sentence."""

    value: Any = None
    refused_with: str | None = None
    sentence: str = ""


Run = Callable[..., Any]
Given = ParamSpec("Given")
Taken = TypeVar("Taken")


def again_while_busy(
    step: Callable[Given, Taken], *args: Given.args, **kwargs: Given.kwargs
) -> Taken:
    """Take a step again as long as others hold the database, as a person does who is told so.

    SQLite lets in whoever asks at the right moment: on a busy machine somebody waits in vain.
    """
    while True:
        try:
            return step(*args, **kwargs)
        except OperationalError as error:
            if not is_busy(error):
                raise


def processes() -> ForkServerContext:
    """Where processes come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.concurrency.preloaded"])
    return context


def race(
    settings: Settings, run: Run, arguments: list[tuple[Any, ...]], *, lasts: float = 0
) -> list[Finish]:
    """Run ``run(*arguments[n])`` in a process for each n, all at once; how each ended, in order.

    Inside, the app's context is open and its database connected. ``lasts`` are the seconds that
    the runs are meant to take.
    """
    context = processes()
    barrier = context.Barrier(len(arguments))
    started = [_start(context, settings, run, given, barrier) for given in arguments]
    return [_finish_of(process, receiver, PATIENCE + lasts) for process, receiver in started]


def crowd(
    settings: Settings, run: Run, arguments: list[tuple[Any, ...]], *, processes: int, threads: int
) -> list[Finish]:
    """As ``race``, for more runs than processes: each takes its share on so many threads."""
    shares = [(run, arguments[n::processes], threads) for n in range(processes)]
    done = race(settings, _on_threads, shares)
    refused = [finish for finish in done if finish.refused_with]
    assert not refused, refused
    return [finish for share in done for finish in share.value]


def _on_threads(run: Run, arguments: list[tuple[Any, ...]], threads: int) -> list[Finish]:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # not in the stubs

    def one(given: tuple[Any, ...]) -> Finish:
        with app.app_context():
            return _run(run, given)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, arguments))


def _start(
    context: ForkServerContext,
    settings: Settings,
    run: Run,
    given: tuple[Any, ...],
    barrier: Barrier,
) -> tuple[BaseProcess, Connection]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_runner, args=(settings, run, given, barrier, sender))
    process.start()
    sender.close()
    return process, receiver


def _finish_of(process: BaseProcess, receiver: Connection, patience: float) -> Finish:
    try:
        if not receiver.poll(patience):
            raise AssertionError("a process of the race is stuck")
        finish = receiver.recv()
    finally:
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
    assert isinstance(finish, Finish)
    return finish


def _runner(
    settings: Settings, run: Run, given: tuple[Any, ...], barrier: Barrier, sender: Connection
) -> None:
    app = create_app(settings)
    with app.app_context():
        db.session().connection()
        db.session().rollback()
        barrier.wait(PATIENCE)
        sender.send(_run(run, given))
        db.session.remove()
        db.engine.dispose()


def _run(run: Run, given: tuple[Any, ...]) -> Finish:
    try:
        return Finish(value=run(*given))
    except CallbackServiceError as refusal:
        return Finish(refused_with=type(refusal).__name__, sentence=refusal.message)
    except Exception as fault:
        return Finish(refused_with=type(fault).__name__, sentence=str(fault))


def start_until_killed(
    settings: Settings, run: Run, given: tuple[Any, ...]
) -> tuple[BaseProcess, Connection]:
    """Start ``run(*given, report)`` in a process; ``report(value)`` sends to the connection."""
    context = processes()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_reporter, args=(settings, run, given, sender))
    process.start()
    sender.close()
    return process, receiver


def _reporter(settings: Settings, run: Run, given: tuple[Any, ...], sender: Connection) -> None:
    with create_app(settings).app_context():
        run(*given, sender.send)
