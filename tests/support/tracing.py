"""What coverage traces.

Python runs at half its speed while it is traced, our code and all libraries. So a test is traced
once, in the first of its cases and on SQLite, and without its fixtures, which are the same for
hundreds. What coverage then says is never too much: a line it calls run was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from coverage import Coverage

#: Folders whose tests run again, more slowly, what those of the others run.
ELSEWHERE_TOO = {"browser", "concurrency", "contract", "faults", "journey", "optimum", "security"}


def tells_something(item: pytest.Item) -> bool:
    """Whether ``item`` is the first case of a test that can run lines no other has run."""
    if not ELSEWHERE_TOO.isdisjoint(Path(item.location[0]).parts):
        return False
    case = getattr(item, "callspec", None)
    numbers = dict(case.indices) if case else {}
    if item.get_closest_marker("traced_on_both") is not None:
        numbers.pop("database_url", None)
    return not any(numbers.values())


@contextmanager
def paused() -> Iterator[Coverage | None]:
    """Trace nothing inside; what traces outside, or None."""
    tracer = Coverage.current()
    if tracer is None:
        yield None
        return
    tracer.stop()
    try:
        yield tracer
    finally:
        tracer.start()


@contextmanager
def taken_up(tracer: Coverage | None) -> Iterator[None]:
    """Let the ``tracer`` that is paused trace what is inside."""
    if tracer is None:
        yield
        return
    tracer.start()
    try:
        yield
    finally:
        tracer.stop()
