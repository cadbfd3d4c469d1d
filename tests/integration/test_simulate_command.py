"""The command that simulates, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session

from tests.support.request_builders import make_shifts

pytestmark = pytest.mark.one_database

DAY = ("simulate", "--days", "1", "--from", "2026-11-30", "--per-day", "20")


def run(cli: FlaskCliRunner, *args: str) -> str:
    result = cli.invoke(args=[*DAY, *args])
    assert result.exit_code == 0, result.output
    return result.output


def as_json(cli: FlaskCliRunner, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(cli, "--format", "json", *args))
    return found


def test_the_stored_rota_is_simulated(cli: FlaskCliRunner, session: Session) -> None:
    make_shifts(session, 3, "00:00", "00:00")
    session.commit()
    found = as_json(cli)
    assert (found["rota"], found["from"], found["days"]) == ("stored", "2026-11-30T00:00:00Z", 1)
    assert found["requests"] > 5
    assert found["violations"] == 0


def test_one_fewer_counsellor_can_be_tried_out_on_a_made_up_rota(cli: FlaskCliRunner) -> None:
    rota = ("--rota", "demo", "--profile", "flat", "--follow-ups", "0")
    before = as_json(cli, *rota)
    after = as_json(cli, *rota, "--without", "Mon 00:00-00:00=1")
    assert after["without"] == ["Mon 00:00-00:00=1"]
    assert after["requests"] == before["requests"]
    assert after["counsellors"]["use_percent"] > before["counsellors"]["use_percent"]


def test_how_often_what_goes_wrong_can_be_told(cli: FlaskCliRunner) -> None:
    found = as_json(cli, "--rota", "demo", "--profile", "rota", "--lapses", "1", "--windows", "0")
    assert (found["rates"]["lapses"], found["rates"]["unanswered"]) == (1, 0.25)
    assert found["counsellors"]["offers_lapsed"] > found["requests"]
    assert found["windows"]["count"] == 0


def test_every_figure_that_was_agreed_on_is_there(cli: FlaskCliRunner) -> None:
    found = as_json(cli, "--rota", "demo")
    promises = found["promises"]
    for minutes in ("promised_minutes", "achieved_minutes"):
        assert promises[minutes].keys() == {"mean", "median", "p90"}
    assert promises["promised_minus_achieved_minutes"].keys() == {"median", "p90"}
    assert promises["first_attempt_minutes"].keys() == {"median", "p90", "p99"}
    assert {"kept_percent", "late_minutes", "latest_minutes"} <= promises.keys()
    assert 0 <= found["windows"]["kept_percent"] <= 100
    assert 0 < found["counsellors"]["use_percent"] <= 100
    assert {"count", "reasons"} <= found["escalations"].keys()
    assert found["unowned_minutes"] == found["violations"] == found["lost_requests"] == 0


def test_people_read_a_line_for_each_figure_and_see_it_drawn(
    cli: FlaskCliRunner, tmp_path: Path
) -> None:
    drawing = tmp_path / "hours.svg"
    lines = run(cli, "--rota", "demo", "--plot", str(drawing)).splitlines()
    [kept] = [line for line in lines if line.startswith("promises: kept percent")]
    assert 0 <= float(kept.split()[-1]) <= 100
    svg = ElementTree.fromstring(drawing.read_text())  # noqa: S314 - our own file
    texts = [one.text for one in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {f"{hour:02}" for hour in range(24)} <= set(texts)
    bars = [one for one in svg.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert len(bars) > 2 + 5  # the key, and hours in which somebody asked
    assert "promises kept" in drawing.read_text()


def test_an_empty_rota_is_refused_in_a_sentence(cli: FlaskCliRunner, session: Session) -> None:
    result = cli.invoke(args=[*DAY])
    assert result.exit_code == 1
    assert "The rota holds nobody in that time." in result.output


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--profile", "nowhere"], "The profile nowhere cannot be read"),
        (["--without", "Friday=1"], 'is not like "Fri 20:00-08:00=1"'),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    args: list[str], says: str, cli: FlaskCliRunner
) -> None:
    result = cli.invoke(args=[*DAY, "--rota", "demo", *args])
    assert result.exit_code != 0
    assert says in result.output
