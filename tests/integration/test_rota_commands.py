"""The commands that print the rota, as other programs call them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session

from callback_service.domain.rota_changes import OpenShift, Override, OverrideKind
from callback_service.services import rota_changes
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff


def run(cli: FlaskCliRunner, command: str, start: str, end: str, *more: str) -> Any:
    """What ``flask rota COMMAND --format json`` prints."""
    result = cli.invoke(
        args=["rota", command, "--from", start, "--to", end, "--format", "json", *more]
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_shifts_are_printed_in_the_agreed_shape(cli: FlaskCliRunner, session: Session) -> None:
    staff = make_staff(session, name="Amira Khan", email="amira@example.org")
    make_pattern(session, staff, "20:00", "08:00", frozenset({5}))
    session.commit()
    assert run(cli, "shifts", "2026-10-24", "2026-10-26") == [
        {
            "start": "2026-10-24T19:00:00Z",
            "end": "2026-10-25T08:00:00Z",
            "counsellor": {"id": staff.id, "name": "Amira Khan", "email": "amira@example.org"},
            "source": "pattern",
        }
    ]


def test_each_shift_says_what_it_comes_from_and_an_open_one_has_nobody(
    cli: FlaskCliRunner, session: Session
) -> None:
    amira, ben = make_staff(session, name="Amira Khan"), make_staff(session, name="Ben Ito")
    make_pattern(session, amira, "09:00", "17:00")
    noon, five, ten = (local(f"2026-11-26 {hour}:00") for hour in (12, 17, 22))
    for change in (
        Override(OverrideKind.REPLACE, amira.id, noon, five, by_id=ben.id),
        OpenShift(five, ten),
    ):
        rota_changes.make_change(session, change, actor_id=None, now=NOW, tz=LONDON)
    session.commit()
    found = run(cli, "shifts", "2026-11-26", "2026-11-27")
    assert [(shift["counsellor"] or {}).get("name") for shift in found] == [
        "Amira Khan",
        "Ben Ito",
        None,
    ]
    assert [(shift["start"], shift["source"]) for shift in found] == [
        ("2026-11-26T09:00:00Z", "pattern"),
        ("2026-11-26T12:00:00Z", "override"),
        ("2026-11-26T17:00:00Z", "open"),
    ]
    assert run(cli, "cover", "2026-11-26T17:00Z", "2026-11-26T22:00Z")[0]["on_shift"] == 0


def test_a_date_is_its_local_midnight(cli: FlaskCliRunner) -> None:
    assert run(cli, "cover", "2026-07-01", "2026-07-02") == [
        {
            "start": "2026-06-30T23:00:00Z",
            "end": "2026-07-01T23:00:00Z",
            "required": 1,
            "on_shift": 0,
            "short": 1,
        }
    ]


@pytest.mark.parametrize(
    ("day", "after", "rows"),
    [
        ("2026-10-25", "2026-10-26", 25),
        ("2026-03-29", "2026-03-30", 23),
        ("2026-11-22", "2026-11-23", 24),
    ],
)
def test_a_day_of_a_clock_change_has_its_own_number_of_hours(
    cli: FlaskCliRunner, day: str, after: str, rows: int
) -> None:
    assert len(run(cli, "cover", day, after, "--step", "60")) == rows


def test_instants_are_taken_with_their_offset(cli: FlaskCliRunner) -> None:
    [row] = run(cli, "cover", "2026-07-01T09:00+01:00", "2026-07-01T09:30Z")
    assert (row["start"], row["end"]) == ("2026-07-01T08:00:00Z", "2026-07-01T09:30:00Z")


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2026-07-02", "2026-07-01", "--to must be after --from"),
        ("2026-07-01", "2026-07-01", "--to must be after --from"),
        ("2026-07-01", "2126-07-01", "five years"),
        ("soon", "2026-07-01", "is not a date like"),
        ("2026-07-01T09:00", "2026-07-02", "is not a date like"),
        ("0001-01-01", "0001-01-02", "is not a date like"),
    ],
)
@pytest.mark.one_database
def test_a_range_that_cannot_be_meant_is_refused_in_a_sentence(
    cli: FlaskCliRunner, start: str, end: str, sentence: str
) -> None:
    result = cli.invoke(args=["rota", "cover", "--from", start, "--to", end])
    assert result.exit_code == 2
    assert sentence in result.output


def test_text_is_for_people(cli: FlaskCliRunner, session: Session) -> None:
    make_pattern(session, make_staff(session, name="Amira Khan"))
    session.commit()
    shifts = cli.invoke(args=["rota", "shifts", "--from", "2026-07-01", "--to", "2026-07-02"])
    assert shifts.output == "2026-07-01 09:00 BST to 2026-07-01 17:00 BST  Amira Khan\n"
    cover = cli.invoke(args=["rota", "cover", "--from", "2026-07-01", "--to", "2026-07-02"])
    assert (
        cover.output.splitlines()[-1]
        == "2026-07-01 17:00 BST to 2026-07-02 00:00 BST  0 of 1  1 short"
    )
