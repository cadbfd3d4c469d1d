"""When people ask: demand by the hour of the week, from a file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from callback_service.errors import BadInput

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHIPPED: Final = Path(__file__).parent / "profiles"
#: Numbers that a day may have: by hours, or by half hours.
STEPS_A_DAY: Final = (24, 48)
SHAPE: Final = "A profile has 24 or 48 numbers for every_day, and for each day that has its own."


@dataclass(frozen=True, slots=True)
class Profile:
    """Demand by weekday, Monday first, and step of the day; only how they compare matters."""

    days: tuple[tuple[float, ...], ...]

    def weight(self, local: datetime) -> float:
        """The demand at a time of the wall clock; on average over the week it is 1."""
        day = self.days[local.weekday()]
        mean = sum(sum(one) / len(one) for one in self.days) / len(self.days)
        minute = local.hour * 60 + local.minute
        return day[minute * len(day) // (24 * 60)] / mean if mean else 0.0


FLAT: Final = Profile(((1.0,) * 24,) * 7)


def load_profile(name: str) -> Profile:
    """The profile "flat", one that is shipped, or a file; raises BadInput for what is none."""
    if name == "flat":
        return FLAT
    path = SHIPPED / f"{name}.toml" if (SHIPPED / f"{name}.toml").is_file() else Path(name)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The profile {name} cannot be read: {error}") from error
    if not given.keys() <= {"every_day", *DAYS}:
        raise BadInput(SHAPE)
    return Profile(tuple(_day(given.get(day, given.get("every_day"))) for day in DAYS))


def _day(numbers: object) -> tuple[float, ...]:
    if not isinstance(numbers, list) or len(numbers) not in STEPS_A_DAY:
        raise BadInput(SHAPE)
    if not all(isinstance(one, int | float) and one >= 0 for one in numbers) or not sum(numbers):
        raise BadInput(SHAPE)
    return tuple(float(one) for one in numbers)
