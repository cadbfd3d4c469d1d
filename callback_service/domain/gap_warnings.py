"""Which gaps the managers are told of: each once, and again when it grows or is near.

Instants are aware UTC, spans half-open ``[start, end)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from callback_service.domain.cover import Stretch
from callback_service.domain.skills import Skill
from callback_service.domain.spans import without

#: A gap this near is told of once more.
NEAR = timedelta(hours=48)


class Gap(NamedTuple):
    """Unbroken time with too few people, at its worst ``short`` too few.

    ``goes_on``: it reaches the end of the time that was looked at, so nobody knows where it ends.
    With a ``skill`` it is of people who have it.
    """

    start: datetime
    end: datetime
    short: int
    goes_on: bool
    skill: Skill | None = None


class Known(NamedTuple):
    """A gap as it was when last looked at."""

    id: int
    start: datetime
    end: datetime
    short: int
    goes_on: bool
    is_told_near: bool
    is_muted: bool
    skill: Skill | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A gap there is now, the gaps of before that it goes on from, and whether it is to be told.

    ``keeps`` is the one whose record it takes over, if none other did. It is told when it is new;
    when it is longer or deeper than was known, which also ends a mute; and when it is near and was
    not told so, unless muted.
    """

    gap: Gap
    met: tuple[Known, ...]
    keeps: Known | None
    is_told: bool
    is_told_near: bool
    is_muted: bool


def whole_gaps(
    stretches: Iterable[Stretch], *, until: datetime, skill: Skill | None = None
) -> list[Gap]:
    """The gaps of ``stretches``, with touching ones made one; ``until`` is where the looking ends.

    An empty rota is one gap. ``stretches`` count the people who have ``skill``.
    """
    gaps: list[Gap] = []
    for stretch in stretches:
        if not stretch.short:
            continue
        goes_on = stretch.end >= until
        if gaps and gaps[-1].end == stretch.start:
            worst = max(gaps[-1].short, stretch.short)
            gaps[-1] = Gap(gaps[-1].start, stretch.end, worst, goes_on, skill)
        else:
            gaps.append(Gap(stretch.start, stretch.end, stretch.short, goes_on, skill))
    return gaps


def compare(
    found: Iterable[Gap], known: Sequence[Known], *, now: datetime
) -> tuple[list[Finding], list[Known]]:
    """What to make of each gap found, and the known gaps that are there no more (filled, or past).

    A gap that only moves on with the end of the looking has not grown. A gap of a skill goes on
    from gaps of the same skill only.
    """
    taken: set[int] = set()
    findings: list[Finding] = []
    for gap in found:
        met = tuple(one for one in known if one.skill == gap.skill and _meets(one, gap))
        free = [one for one in met if one.id not in taken]
        taken.update(one.id for one in free[:1])
        findings.append(_finding(gap, met, free[0] if free else None, now))
    return findings, [one for one in known if one.id not in taken]


def _meets(known: Known, gap: Gap) -> bool:
    return known.start < gap.end and _end(known, gap) > gap.start


def _end(known: Known, gap: Gap) -> datetime:
    """Where a known gap ends; one that went on is taken to go on as far as ``gap``."""
    return max(known.end, gap.end) if known.goes_on else known.end


def _finding(gap: Gap, met: tuple[Known, ...], keeps: Known | None, now: datetime) -> Finding:
    is_near = gap.start - now <= NEAR
    has_grown = _has_grown(gap, met)
    is_muted = any(one.is_muted for one in met) and not has_grown
    was_told_near = any(one.is_told_near for one in met)
    is_told = has_grown or (is_near and not was_told_near and not is_muted)
    return Finding(gap, met, keeps, is_told, is_near and (is_told or was_told_near), is_muted)


def _has_grown(gap: Gap, met: tuple[Known, ...]) -> bool:
    """Whether ``gap`` is new, or has a minute or a missing person that was not known."""
    is_deeper = gap.short > max((one.short for one in met), default=0)
    return is_deeper or bool(
        without((gap.start, gap.end), [(one.start, _end(one, gap)) for one in met])
    )
