"""The command ``flask --app wsgi simulate``: what a rota and a demand would come to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext

from callback_service.cli_rota import Moment
from callback_service.clock import utc_now
from callback_service.domain.moments import instant_of
from callback_service.domain.rota import Duty, Shift, resolve_shifts
from callback_service.domain.skills import SkillsOf
from callback_service.domain.wall_time import WEEK, monday_of
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading
from callback_service.services import demo
from callback_service.services.rota import resolve
from callback_service.services.staff_skills import skills_of_staff
from callback_service.simulation.plot import plot_hours
from callback_service.simulation.profiles import load_profile
from callback_service.simulation.result import Result
from callback_service.simulation.rotas import (
    Fewer,
    large_rota,
    large_skills,
    like_the_rota,
    parse_fewer,
    without,
)
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Rates, Scenario

#: What the planner looks ahead is on the rota past the last day.
BEYOND: Final = timedelta(days=3)
LONGEST_DAYS: Final = 366


class FewerType(click.ParamType[Fewer]):
    """So many counsellors fewer over a span of every week: "Fri 20:00-08:00=1"."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fewer:
        """The span and the number."""
        try:
            return parse_fewer(value)
        except BadInput as error:
            self.fail(error.message, param, ctx)


#: How often what happens, for ``Rates``: the help of each option.
RATES: Final = {
    "unanswered": "Of attempts: nobody answers.",
    "windows": "Of callers: they would rather choose a window.",
    "withdrawals": "Of callers: they lose patience, if they wait for long enough.",
    "languages": "Of callers: they ask for a language that is not English.",
    "genders": "Of callers: they ask for a woman, or for a man.",
    "follow_ups": "Of calls that reach the caller: another one is agreed on.",
    "lapses": "Of offers: nobody takes them in time.",
    "sickness": "Of shifts: off sick, known an hour before.",
    "sign_offs": "Of shifts: they go home in the middle of it.",
}


def rate_options(command: click.decorators.FC) -> click.decorators.FC:
    """One option for each rate, from 0 to 1."""
    usual = Rates()
    for name, says in reversed(RATES.items()):
        option = click.option(
            f"--{name.replace('_', '-')}",
            type=click.FloatRange(0, 1),
            default=getattr(usual, name),
            show_default=True,
            help=says,
        )
        command = option(command)
    return command


@click.command("simulate")
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), default=28, show_default=True)
@click.option(
    "--load",
    type=click.FloatRange(0, 3),
    default=0.8,
    show_default=True,
    help="Share of the counsellor minutes, net of breaks and absence, that calls take.",
)
@click.option("--per-day", type=click.FloatRange(0, 100_000), help="Callers a day, not by load.")
@click.option(
    "--rota",
    type=click.Choice(["stored", "demo", "large"]),
    default="stored",
    show_default=True,
    help="That of the database, 2-5 on shift, or 4-12 on shift.",
)
@click.option("--from", "start", type=Moment(), help="First day; the next Monday.")
@click.option(
    "--without",
    "fewer",
    type=FewerType(),
    multiple=True,
    help='Counsellors fewer every week, like "Fri 20:00-08:00=1".',
)
@click.option(
    "--profile",
    default="uk_helpline",
    show_default=True,
    help='When people ask: "flat", "rota" (as the rota has people), a shipped one, or a TOML file.',
)
@click.option(
    "--misjudged",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    help="How much shorter than they are calls are taken to be.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same run.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw it into an SVG file.",
)
@click.option(
    "--format", "output", type=click.Choice(["json", "text"]), default="text", show_default=True
)
@rate_options
@with_appcontext
def simulate_command(
    *, days: int, rota: str, start: date | None, fewer: tuple[Fewer, ...], profile: str,
    plot: Path | None, output: str, load: float, per_day: float | None, misjudged: float, seed: int,
    **rates: float,
) -> None:  # fmt: skip
    """Run the rules of the service on a virtual clock, with made-up callers."""
    tz = current_settings().service_time_zone
    begins = instant_of(start or monday_of(utc_now().astimezone(tz).date()) + WEEK, tz=tz)
    shifts, skills = _rota(rota, begins, begins + timedelta(days=days) + BEYOND)
    for one in fewer:
        shifts = without(shifts, one, tz=tz)
    try:
        wanted = (
            like_the_rota(shifts, begins, days, tz=tz)
            if profile == "rota"
            else load_profile(profile)
        )
        scenario = Scenario(
            shifts, begins, days, tz, load, per_day, seed, wanted,
            rates=Rates(**rates), skills=skills, misjudged=misjudged,
        )  # fmt: skip
    except BadInput as error:
        raise click.ClickException(error.message) from error
    if not scenario.minutes_a_day:
        raise click.ClickException("The rota holds nobody in that time.")
    result = simulate(scenario)
    figures = {**_told(scenario, rota, profile, fewer), **result.figures()}
    if plot is not None:
        plot.write_text(_drawn(result, figures), encoding="utf-8")
    click.echo(json.dumps(figures, indent=1) if output == "json" else _as_table(figures))


def _rota(rota: str, start: datetime, end: datetime) -> tuple[list[Shift], SkillsOf]:
    """The shifts to simulate, and what those who hold them can do."""
    tz = current_settings().service_time_zone
    if rota == "stored":
        with reading() as session:
            shifts, _ = resolve(session, start, end, tz=tz, duty=Duty.COUNSELLING)
            return shifts, skills_of_staff(session)
    from_on = start.date() - WEEK
    if rota == "large":
        return resolve_shifts(large_rota(from_on), start, end, tz=tz), large_skills()
    patterns = demo.counselling_patterns(from_on)
    return resolve_shifts(patterns, start, end, tz=tz), demo.counselling_skills()


def _told(
    scenario: Scenario, rota: str, profile: str, fewer: tuple[Fewer, ...]
) -> dict[str, object]:
    return {
        "rota": rota,
        "from": scenario.start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "days": scenario.days,
        "load": scenario.load if scenario.per_day is None else None,
        "profile": profile,
        "misjudged": scenario.misjudged,
        "rates": asdict(scenario.rates),
        "without": [one.spoken for one in fewer],
        "seed": scenario.seed,
    }


def _drawn(result: Result, figures: Mapping[str, Any]) -> str:
    days = figures["days"]
    caption = (
        f"{figures['requests']} requests in {days} day{'' if days == 1 else 's'}, "
        f"{figures['promises']['kept_percent']}% of promises kept. "
        'Simulated; only who asked for a call "as soon as you can".'
    )
    template = current_app.jinja_env.get_template("simulation/hours.svg")
    return template.render(plot=plot_hours(result.by_hour()), caption=caption)


def _as_table(figures: Mapping[str, Any]) -> str:
    return "\n".join(f"{name:48} {value}" for name, value in _rows(figures))


def _rows(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The figures one by one, with the names of their groups in front."""
    for key, value in figures.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name}: ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield name, "-" if shown is None else shown
