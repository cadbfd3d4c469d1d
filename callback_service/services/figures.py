"""Counting requests before they are emptied, and showing the counts without the small ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import figures
from callback_service.domain.figures import Cell, Measure
from callback_service.domain.retention import Keeping
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import Figure


def count_in(session: Session, request: CallbackRequest, keeping: Keeping) -> None:
    """Count a closed request, once: just before its times go."""
    if request.disposition is None:
        raise ValueError("only what has ended is counted")
    ended = figures.Ended(
        request.created_at, request.ring_from, request.first_attempt_at, request.disposition
    )
    for cell in sorted(figures.cells(ended, tz=keeping.tz), key=lambda one: one.measure):
        _add_one(session, cell)


def _add_one(session: Session, cell: Cell) -> None:
    one_more = (
        update(Figure)
        .where(
            Figure.measure == cell.measure,
            Figure.from_on == cell.from_on,
            Figure.line == cell.line,
        )
        .values(count=Figure.count + 1)
    )
    if session.scalar(one_more.returning(Figure.id)) is not None:
        return
    try:
        with session.begin_nested():
            session.add(Figure(measure=cell.measure, from_on=cell.from_on, line=cell.line, count=1))
    except IntegrityError:  # another run made the row a moment earlier
        session.execute(one_more)


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a table: its first day, and each line with its count as it may be shown."""

    from_on: date
    lines: list[tuple[str, str]]


def by_month(session: Session, measure: Measure, *, since: date, keeping: Keeping) -> list[Span]:
    """What was counted by the month, the newest first."""
    rows = session.execute(
        select(Figure.from_on, Figure.line, Figure.count)
        .where(Figure.measure == measure, Figure.from_on >= since)
        .order_by(Figure.from_on.desc(), Figure.line)
    ).all()
    return [
        Span(month, [(line, _shown(count, keeping)) for _, line, count in cells])
        for month, cells in groupby(rows, key=lambda row: row[0])
    ]


def by_hour(session: Session, *, since: date, keeping: Keeping) -> list[tuple[str, str]]:
    """How many asked in each hour of the day, over all days since then."""
    rows = session.execute(
        select(Figure.line, func.sum(Figure.count))
        .where(Figure.measure == Measure.ASKED, Figure.from_on >= since)
        .group_by(Figure.line)
        .order_by(Figure.line)
    )
    return [(hour, _shown(int(count), keeping)) for hour, count in rows]


def by_day(session: Session, *, since: date, keeping: Keeping) -> list[tuple[date, str]]:
    """How many asked on each day since then, the newest first."""
    rows = session.execute(
        select(Figure.from_on, func.sum(Figure.count))
        .where(Figure.measure == Measure.ASKED, Figure.from_on >= since)
        .group_by(Figure.from_on)
        .order_by(Figure.from_on.desc())
    )
    return [(day, _shown(int(count), keeping)) for day, count in rows]


def _shown(count: int, keeping: Keeping) -> str:
    return figures.shown(count, small=keeping.small_cell)


def a_year_before(now: datetime, keeping: Keeping) -> date:
    """The first day of the month a year ago: how far the page looks back."""
    today = now.astimezone(keeping.tz).date()
    return today.replace(year=today.year - 1, day=1)
