"""``flask retention``: a dry run that changes nothing, a run, and the schedule."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import ErasureRun
from callback_service.services import requests, retention
from tests.support.builders import NOW
from tests.support.request_builders import (
    make_request,
    make_shift,
    mobile,
    row_counts,
    seen,
    stored,
)

LATER = NOW + USUAL.lasts(Kept.CALLERS)


def closed(app: Flask, count: int) -> None:
    with stored(app) as session:
        for number in range(count):
            make_shift(session, name=f"Counsellor {number}")
            request = make_request(session, mobile(number))
            requests.close(session, request, Disposition.HELPED, now=NOW)


def line_of(output: str, kind: Kept) -> str:
    return next(line for line in output.splitlines() if f"  {kind} " in line)


def test_a_dry_run_says_what_is_due_and_changes_nothing(app: Flask, cli: FlaskCliRunner) -> None:
    closed(app, 2)
    with seen(app) as session:
        before = row_counts(session)
    with time_machine.travel(LATER, tick=False):
        result = cli.invoke(args=["retention", "run", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert line_of(result.output, Kept.CALLERS).split()[0] == "2"
    with seen(app) as session:
        assert row_counts(session) == before
        assert None not in session.scalars(select(CallbackRequest.phone_sealed)).all()


def test_a_run_erases_all_of_it_however_much_and_clears_the_log(
    app: Flask, cli: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ERASED_AT_ONCE", 2)
    closed(app, 5)
    with time_machine.travel(LATER, tick=False):
        result = cli.invoke(args=["retention", "run"])
    assert result.exit_code == 0, result.output
    assert line_of(result.output, Kept.CALLERS).split()[0] == "5"
    with seen(app) as session:
        assert set(session.scalars(select(CallbackRequest.phone_sealed))) == {None}
        assert None not in session.scalars(select(ErasureRun.cleared_at)).all()


@pytest.mark.one_database
def test_the_schedule_is_that_of_this_installation(cli: FlaskCliRunner) -> None:
    result = cli.invoke(args=["retention", "schedule"])
    assert "| callers |" in result.output
    assert "`KEEP_CALLERS_DAYS`, 7 to 365 days" in result.output
