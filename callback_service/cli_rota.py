"""Commands that print the rota: ``flask --app wsgi rota shifts`` and ``rota cover``."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup

from callback_service.domain.rota import Duty, start_of_day
from callback_service.extensions import current_settings, reading
from callback_service.services import cover as cover_service
from callback_service.services import rota as rota_service

#: Enough for every report; keeps a mistyped year from printing for ever.
LONGEST_RANGE = timedelta(days=5 * 366)

YEARS = range(1970, 2200)

rota_commands = AppGroup("rota", help="Print the rota and its cover.")


class Moment(click.ParamType[date]):
    """A date, which means its local midnight, or an ISO 8601 instant with its offset."""

    name = "date or instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date, or the aware instant; the zone of the service is known only later."""
        try:
            return _moment(value)
        except ValueError:
            example = "a date like 2026-11-22 or an instant like 2026-11-22T09:00Z"
            self.fail(f"{value!r} is not {example}.", param, ctx)


def _moment(text: str) -> date:
    is_date = len(text) == len("2026-11-22")
    moment = date.fromisoformat(text) if is_date else datetime.fromisoformat(text)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError("an instant needs its offset")
    if moment.year not in YEARS:
        raise ValueError("no rota is that old or that far ahead")
    return moment


_from = click.option("--from", "start", type=Moment(), required=True, help="First date or instant.")
_to = click.option(
    "--to", "end", type=Moment(), required=True, help="Where to stop; not part of the range."
)
_format = click.option(
    "--format", "output", type=click.Choice(["json", "text"]), default="text", show_default=True
)


@rota_commands.command("shifts")
@_from
@_to
@_format
@click.option(
    "--duty",
    type=click.Choice([duty.value for duty in Duty]),
    default=Duty.COUNSELLING.value,
    show_default=True,
)
def print_shifts(start: date, end: date, output: str, duty: str) -> None:
    """Print every shift that meets the range, whole, in order."""
    first, stop = _range(start, end)
    with reading() as session:
        shifts = rota_service.shifts_between(session, first, stop, tz=_zone(), duty=Duty(duty))
    if output == "json":
        click.echo(json.dumps(rota_service.shifts_as_json(shifts), ensure_ascii=False, indent=1))
        return
    for shift in shifts:
        who = shift.person.name if shift.person else "open"
        click.echo(f"{_local(shift.start)} to {_local(shift.end)}  {who}")


@rota_commands.command("cover")
@_from
@_to
@click.option("--step", type=click.IntRange(1, 7 * 24 * 60), metavar="MIN", help="Minutes per row.")
@_format
def print_cover(start: date, end: date, step: int | None, output: str) -> None:
    """Print cover and requirement: a row per stretch in which nothing changes, or per step."""
    first, stop = _range(start, end)
    every = timedelta(minutes=step) if step else None
    with reading() as session:
        rows = cover_service.cover_between(session, first, stop, tz=_zone(), step=every)
    if output == "json":
        click.echo(json.dumps(cover_service.cover_as_json(rows), indent=1))
        return
    for row in rows:
        note = f"  {row.short} short" if row.short else ""
        click.echo(
            f"{_local(row.start)} to {_local(row.end)}  {row.on_shift} of {row.required}{note}"
        )


def _range(start: date, end: date) -> tuple[datetime, datetime]:
    """The two ends as aware instants; refuses a range that cannot be meant."""
    first, stop = _instant(start), _instant(end)
    if stop <= first:
        raise click.UsageError("--to must be after --from.")
    if stop - first > LONGEST_RANGE:
        raise click.UsageError("Ask for five years at most.")
    return first, stop


def _instant(moment: date) -> datetime:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return start_of_day(moment, tz=_zone())


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_settings().service_time_zone
    return zone


def _local(instant: datetime) -> str:
    return instant.astimezone(_zone()).strftime("%Y-%m-%d %H:%M %Z")
