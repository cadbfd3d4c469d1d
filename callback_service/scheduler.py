"""The scheduler process: a table of ticks, and APScheduler as the metronome that runs them.

It owns no state. All work is rows, claimed with a lease, so any number of these processes may run
and one that dies loses nothing. ``create_app`` never starts it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from callback_service.clock import utc_now
from callback_service.domain.ticks import TICK_NAMES
from callback_service.extensions import (
    database_now,
    transaction,
)
from callback_service.services import (
    heartbeat,
)
from callback_service.text_listener import TextListener
from callback_service.ticks import TEXTS, TICKS, Tick, run_tick

logger = logging.getLogger(__name__)

#: Beyond this and its own interval, a tick that has not begun is begun by the watch.
SILENCE: Final = timedelta(seconds=15)
BEAT_EVERY: Final = timedelta(seconds=5)
FIRST_BEAT: Final = timedelta(seconds=1)


@dataclass
class Metronome:
    """Runs the ticks until told to stop, records that they ran, and wakes any that fell silent."""

    app: Flask
    scheduler: BackgroundScheduler = field(init=False)
    succeeded_at: dict[str, float] = field(default_factory=dict)  # monotonic seconds, as below
    began_at: dict[str, float] = field(default_factory=dict)  # monotonic seconds
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(len(TICKS))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for tick in TICKS:
            self.began_at[tick.name] = time.monotonic()
            self.scheduler.add_job(
                self._run, "interval", args=[tick], id=tick.name,
                seconds=tick.every.total_seconds(), next_run_time=utc_now(),
            )  # fmt: skip

    def _run(self, tick: Tick) -> None:
        self.began_at[tick.name] = time.monotonic()
        if run_tick(self.app, tick):
            self.succeeded_at[tick.name] = time.monotonic()

    def run(self) -> None:
        """Run until SIGINT or SIGTERM; ticks at work finish first."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stopping.set())
        listener = TextListener(self.app, lambda: self._run(TEXTS))
        self.scheduler.start()
        listener.start()
        logger.info("scheduler started with ticks %s", ", ".join(TICK_NAMES))
        pause = FIRST_BEAT  # the service is ready as soon as every tick has run once
        while not self.stopping.wait(pause.total_seconds()):
            pause = BEAT_EVERY
            self.wake_silent(time.monotonic())
            run_tick(self.app, Tick("heartbeat", self._beat, BEAT_EVERY))
        listener.stop()
        self.scheduler.shutdown(wait=True)
        logger.info("scheduler stopped")

    def _beat(self, _app: Flask) -> int:
        """Record when each tick succeeded, by the clock of the database."""
        with transaction() as session:
            now, monotonic_now = database_now(session), time.monotonic()
            ago = {name: monotonic_now - at for name, at in dict(self.succeeded_at).items()}
            heartbeat.beat(session, {name: now - timedelta(seconds=s) for name, s in ago.items()})
        return 0

    def wake_silent(self, monotonic_now: float) -> list[str]:
        """Begin every tick that is overdue by the monotonic clock; their names.

        APScheduler goes by the wall clock: once that is set back, it waits for it to catch up.
        """
        silent = [
            tick.name
            for tick in TICKS
            if monotonic_now - self.began_at[tick.name] > (tick.every + SILENCE).total_seconds()
        ]
        for name in silent:
            self.scheduler.modify_job(name, next_run_time=utc_now())
        return silent


def run_scheduler(app: Flask) -> None:
    """Run the ticks of this service until a signal stops them."""
    Metronome(app).run()
