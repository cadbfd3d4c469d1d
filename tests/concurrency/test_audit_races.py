"""Processes that write to the audit log at once, fail and are killed: the chain stays whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.extensions import reading, transaction
from callback_service.models.audit import AuditSeal
from callback_service.services import audit, audit_chain
from tests.concurrency.racing import race, start_until_killed
from tests.support.builders import NOW

PROCESSES = 6
DEEDS = 30


def write_some(writer: int) -> int:
    """Many transactions of one to three deeds, every third of which fails; how many deeds stand."""
    return sum(_deed(writer, n) for n in range(DEEDS))


def _deed(writer: int, n: int) -> int:
    count = 1 + n % 3
    with contextlib.suppress(ZeroDivisionError), transaction() as session:
        for _ in range(count):
            audit.record(session, "raced", subject="test", subject_id=writer, now=NOW, n=n)
        session.flush()
        if n % 3 == 2:
            raise ZeroDivisionError
        return count
    return 0


def write_for_ever(report: Callable[[Any], None]) -> None:
    """Deed after deed, each reported once it stands."""
    for n in range(100_000):
        with transaction() as session:
            audit.record(session, "raced", subject="test", subject_id=n, now=NOW)
        report(n)


def sealed(app: Flask) -> int:
    """How many entries are in the chain, which must be whole."""
    with app.app_context(), reading() as session:
        verdict = audit_chain.verify(session)
    assert verdict.trouble is None
    with app.app_context(), reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditSeal)) == verdict.sealed
    return verdict.sealed


def test_processes_that_write_at_once_and_fail_in_between_make_one_whole_chain(
    app: Flask, settings: Settings
) -> None:
    finished = race(settings, write_some, [(writer,) for writer in range(PROCESSES)])
    assert [one.refused_with for one in finished] == [None] * PROCESSES
    assert sealed(app) == sum(one.value for one in finished)


@pytest.mark.fault("a process killed while it writes to the audit log")
def test_a_process_that_is_killed_leaves_a_whole_chain_with_all_that_stood(
    app: Flask, settings: Settings
) -> None:
    for _ in range(3):
        before = sealed(app)
        process, reports = start_until_killed(settings, write_for_ever, ())
        stood = [reports.recv() for _ in range(20)]
        process.kill()
        process.join()
        assert sealed(app) >= before + len(stood)
    finished = race(settings, write_some, [(1,)])
    assert finished[0].refused_with is None
    sealed(app)
