"""Where things go in the drawing of a simulation; ``templates/simulation/hours.svg`` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

WIDTH, HEIGHT, LEFT, RIGHT, BASE, TOP = 840, 400, 72, 820, 350, 96
#: Distances of the lines, in minutes; there are five at most.
STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 960)
MOST_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar that stands on the base line."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The two bars of one hour of the day."""

    name: str
    x: float
    width: float
    promised: Bar
    achieved: Bar


@dataclass(frozen=True, slots=True)
class Line:
    """A line across, so many minutes up."""

    minutes: int
    y: float

    @property
    def label(self) -> str:
        """So many minutes, as one says it: "45 min", "4 h", "1 h 30"."""
        hours, minutes = divmod(self.minutes, 60)
        if not hours:
            return f"{minutes} min" if minutes else "0"
        return f"{hours} h {minutes}" if minutes else f"{hours} h"


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole drawing, in its own units."""

    hours: tuple[Hour, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    base: int = BASE


def plot_hours(by_hour: Sequence[tuple[float, float]]) -> Plot:
    """Bars of the (promised, achieved) minutes of each hour of the day."""
    most = max((max(pair) for pair in by_hour), default=0.0)
    step = next((step for step in STEPS if step * MOST_LINES >= most), STEPS[-1])
    count = max(ceil(most / step), 1)
    unit = (BASE - TOP) / (count * step)
    room = (RIGHT - LEFT) / max(len(by_hour), 1)
    hours = tuple(
        Hour(
            f"{number:02}",
            _round(LEFT + (number + 0.1) * room),
            _round(0.8 * room),
            _bar(promised * unit),
            _bar(achieved * unit),
        )
        for number, (promised, achieved) in enumerate(by_hour)
    )
    lines = tuple(Line(at * step, _round(BASE - at * step * unit)) for at in range(count + 1))
    return Plot(hours, lines)


def _bar(height: float) -> Bar:
    return Bar(_round(BASE - height), _round(height))


def _round(value: float) -> float:
    return round(value, 1)
