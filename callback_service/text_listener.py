"""Waking the sender as soon as a text is committed, where the database can tell: on PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from callback_service.extensions import db

logger = logging.getLogger(__name__)

#: How soon a stop is noticed, and how soon a lost connection is made again.
LOOK_EVERY_SECONDS: Final = 1.0


class TextListener(threading.Thread):
    """Calls ``wake`` after each commit that added texts. The tick finds whatever this misses."""

    def __init__(self, app: Flask, wake: Callable[[], object]) -> None:
        super().__init__(name="text-listener", daemon=True)
        self._wake = wake
        self._stopping = threading.Event()
        with app.app_context():
            self._engine: Engine = db.engine

    def start(self) -> None:
        """Listen until ``stop``; where the database cannot tell, do nothing."""
        if self._engine.dialect.name == "postgresql":
            super().start()

    def stop(self) -> None:
        """Listen no more, and wait for a run that was woken."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Listen, and begin again where the connection is lost."""
        while not self._stopping.is_set():
            try:
                self._listen()
            except (SQLAlchemyError, psycopg.Error):
                logger.warning("nothing is heard of new texts: the next tick finds them")
                self._stopping.wait(LOOK_EVERY_SECONDS)

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            heard: Any = connection.connection.driver_connection
            connection.detach()  # it listens: nobody else may be given it afterwards
            heard.autocommit = True
            heard.execute("LISTEN texts")
            while not self._stopping.is_set():
                if any(True for _ in heard.notifies(timeout=LOOK_EVERY_SECONDS, stop_after=1)):
                    self._wake()
