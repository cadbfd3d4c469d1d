"""A clock that runs things later, in order of their time, on a few threads."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

WORKERS = 8


class Alarm:
    """Runs each action at its time until it is stopped; what is left then never runs."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="twilio-double")
        self._thread = threading.Thread(target=self._run, name="twilio-double-alarm", daemon=True)

    def start(self) -> None:
        """Begin to run what is due."""
        self._thread.start()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` in ``seconds``."""
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._number), action))
            self._changed.notify()

    def stop(self) -> None:
        """Run nothing more, and wait for what runs now."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while (action := self._next_due()) is not None:
            self._pool.submit(action)

    def _next_due(self) -> Callable[[], None] | None:
        """Wait for the next action that is due; None once stopped."""
        with self._changed:
            while not self._is_stopped:
                if not self._waiting:
                    self._changed.wait()
                elif (left := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    return heapq.heappop(self._waiting)[2]
        return None
