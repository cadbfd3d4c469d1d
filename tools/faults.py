"""Run every test that breaks something on purpose: ``python -m tools.faults [--json FILE]``.

Such tests carry ``@pytest.mark.fault("what breaks")``. What breaks, and whether the service got
over it, is printed as a table and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

#: How long everybody works at once here; a run of the tests does it for a few seconds only.
LONG_RACE_SECONDS = "60"
#: Texts of a storm here; a run of the tests has a few hundred.
MANY_TEXTS = "10000"
#: Calls of a storm here; a run of the tests has a dozen.
MANY_CALLS = "200"
#: Posts of each address in a flood of the form here; a run of the tests has a few.
MANY_POSTS = "60"
#: Seconds after which a test hangs and the run is ended; the storm of calls gives itself 1,150.
LONGEST = 1500


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test that broke something."""

    fault: str
    test: str
    is_survived: bool
    seconds: float
    figures: dict[str, object]  # what the test measured


class Watch:
    """Notes the outcome of each such test."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._faults: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        for item in items:
            if mark := item.get_closest_marker("fault"):
                self._faults[item.nodeid] = str(mark.args[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            fault, test = self._faults[report.nodeid], report.nodeid.partition("::")[2]
            figures = dict(report.user_properties)
            self.outcomes.append(
                Outcome(fault, test, report.passed, round(report.duration, 2), figures)
            )


def as_table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes for people, by fault."""
    rows = [("what breaks", "got over", "test")]
    rows += [
        (one.fault, "yes" if one.is_survived else "NO", one.test)
        for one in sorted(outcomes, key=lambda one: (one.fault, one.test))
    ]
    lines = [f"{fault:34} {survived:9} {test}" for fault, survived, test in rows]
    measured = [f"{one.test}: {one.figures}" for one in outcomes if one.figures]
    return "\n".join([*lines, *measured])


def main() -> int:
    """Break things, print, write; 0 if the service got over all of it."""
    parser = argparse.ArgumentParser(description="Break things and see whether they hold.")
    parser.add_argument("--json", type=Path, default=Path("faults.json"))
    given = parser.parse_args()
    os.environ.setdefault("RACE_SECONDS", LONG_RACE_SECONDS)
    os.environ.setdefault("FAULT_TEXTS", MANY_TEXTS)
    os.environ.setdefault("FAULT_CALLS", MANY_CALLS)
    os.environ.setdefault("FLOOD_POSTS", MANY_POSTS)
    watch = Watch()
    given_up = ["-o", f"faulthandler_timeout={LONGEST}"]
    status = pytest.main(["-v", "-m", "fault", *given_up, "tests"], plugins=[watch])
    print(as_table(watch.outcomes))
    found = [asdict(one) for one in watch.outcomes]
    given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
