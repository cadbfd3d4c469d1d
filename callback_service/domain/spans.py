"""Spans of instants: joining them, and measuring what they share. Half-open ``[start, end)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from callback_service.domain.wall_time import Span

NOTHING = timedelta(0)


def joined(spans: Iterable[Span]) -> list[Span]:
    """``spans`` in order, with those that overlap or touch made one; empty ones are left out."""
    whole: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(whole[-1][1], end)
        else:
            whole.append((start, end))
    return whole


def shared(spans: Sequence[Span], others: Sequence[Span]) -> timedelta:
    """How long both hold. Each must be ``joined``: in order and without overlaps."""
    total, at = NOTHING, 0
    for start, end in spans:
        while at < len(others) and others[at][1] <= start:
            at += 1
        ahead = at
        while ahead < len(others) and others[ahead][0] < end:
            total += min(end, others[ahead][1]) - max(start, others[ahead][0])
            ahead += 1
    return total


def between(spans: Iterable[Span], start: datetime, end: datetime) -> Iterator[Span]:
    """What ``spans``, which must be ``joined``, leave free of ``[start, end)``, in order."""
    free_from = start
    for begins, ends in spans:
        if begins >= end:
            break
        if begins > free_from:
            yield free_from, begins
        free_from = max(free_from, ends)
    if free_from < end:
        yield free_from, end


def without(span: Span, others: Iterable[Span]) -> list[Span]:
    """The parts of ``span`` that none of ``others`` holds, in order."""
    return list(between(joined(others), *span))
