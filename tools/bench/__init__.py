"""What the service is measured by: each figure with its goal, and its baseline if it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from time import thread_time


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. ``value`` and ``goal`` are in ``unit``; at least or at most it."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_json(self) -> dict[str, object]:
        """The figure for the file."""
        return {**asdict(self), "is_met": self.is_met}


def best_of(times: int, run: Callable[[], object]) -> float:
    """Processor seconds of the quickest of several runs: the least disturbed by what else runs."""
    return min(_seconds(run) for _ in range(times))


def _seconds(run: Callable[[], object]) -> float:
    begun = thread_time()  # of the processor: what else runs here is not measured
    run()
    return thread_time() - begun


def as_table(figures: Iterable[Figure]) -> str:
    """The figures for people."""
    lines = [f"{'benchmark':62} {'figure':>12} {'goal':>14}  met"]
    for figure in figures:
        goal = "" if figure.goal is None else f"{'>=' if figure.at_least else '<='} {figure.goal:g}"
        met = {None: "", True: "yes", False: "NO"}[figure.is_met]
        lines.append(
            f"{figure.name:62} {figure.value:>9.3g} {figure.unit:<3}{goal:>14}  {met}".rstrip()
        )
    return "\n".join(lines)
