"""Commands of the rota: ``flask --app wsgi rota shifts``, ``cover``, ``export`` and ``import``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup

from callback_service import clock
from callback_service.domain.cover_by_skill import SkillNeed
from callback_service.domain.moments import EXAMPLE, parse_moment, range_of
from callback_service.domain.rota import Duty
from callback_service.domain.skills import label
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import cover as cover_service
from callback_service.services import rota as rota_service
from callback_service.services import rota_calendar, rota_import_apply
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_items import NOTHING_DONE, Item, Verdict

rota_commands = AppGroup("rota", help="Print the rota and its cover; write and read calendars.")


class Moment(click.ParamType[date]):
    """A date, which means its local midnight, or an ISO 8601 instant with its offset."""

    name = "date or instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date, or the aware instant; the zone of the service is known only later."""
        try:
            return parse_moment(value)
        except ValueError:
            self.fail(f"{value!r} is not {EXAMPLE}.", param, ctx)


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
        rows = cover_service.cover_rows(session, first, stop, tz=_zone(), step=every)
    if output == "json":
        click.echo(json.dumps(cover_service.cover_as_json(rows), indent=1))
        return
    for row, skills in rows:
        note = f"  {row.short} short" if row.short else ""
        note += "".join(_skill_note(need) for need in skills)
        click.echo(
            f"{_local(row.start)} to {_local(row.end)}  {row.on_shift} of {row.required}{note}"
        )


def _skill_note(need: SkillNeed) -> str:
    short = f" {need.short} short" if need.short else ""
    return f"  {label(need.skill)} {need.on_shift} of {need.required}{short}"


@rota_commands.command("export")
@click.option("--from", "start", type=Moment(), help="First date or instant; 4 weeks back.")
@click.option("--to", "end", type=Moment(), help="Where to stop; 26 weeks ahead.")
@click.option("--duty", type=click.Choice([duty.value for duty in Duty]), help="Both unless told.")
def export_rota(start: date | None, end: date | None, duty: str | None) -> None:
    """Write the rota to the standard output as an .ics file."""
    now = clock.utc_now()
    today = now.astimezone(_zone()).date()
    first, stop = _range(
        start or today - rota_calendar.EXPORT_BACK, end or today + rota_calendar.EXPORT_AHEAD
    )
    with reading() as session:
        content = rota_calendar.export_rota(
            session,
            first,
            stop,
            name=f"Rota of {current_settings().service_name}",
            host=rota_calendar.host_of(current_settings().public_base_url),
            tz=_zone(),
            duty=Duty(duty) if duty else None,
            now=now,
        )
    click.echo(content, nl=False)


@rota_commands.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", "is_applied", is_flag=True, help="Change the rota; else only say how.")
@click.option("--from", "start", type=Moment(), help="First date to look at; all.")
@click.option(
    "--to",
    "end",
    type=Moment(),
    help="Last date to look at; all of what ends, two years of what does not.",
)
@_format
def import_rota(
    file: Path, is_applied: bool, start: date | None, end: date | None, output: str
) -> None:
    """Read an .ics FILE into the rota, or say what that would change."""
    now, content = clock.utc_now(), file.read_bytes()
    read = partial(rota_import_apply.import_calendar, actor_id=None) if is_applied else plan_import
    try:
        with transaction() if is_applied else reading() as session:
            items = read(
                session,
                content,
                host=rota_calendar.host_of(current_settings().public_base_url),
                first=_local_day(start),
                last=_local_day(end),
                now=now,
                tz=_zone(),
            )
    except BadInput as refusal:
        raise click.ClickException(refusal.message) from refusal
    _print_items(items, output, is_applied=is_applied)


def _print_items(items: Sequence[Item], output: str, *, is_applied: bool) -> None:
    counts = {verdict: sum(item.verdict is verdict for item in items) for verdict in Verdict}
    if output == "json":
        rows = [{"verdict": item.verdict, "uid": item.uid, "words": item.words} for item in items]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    told = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    click.echo(", ".join(told) or "The file has no events.")
    click.echo(_outcome(items, is_applied=is_applied))
    for item in items:
        click.echo(f"{item.verdict}: {item.words}")


def _outcome(items: Sequence[Item], *, is_applied: bool) -> str:
    if all(item.verdict in NOTHING_DONE for item in items):
        return "There is nothing to change."
    return "The rota is changed." if is_applied else "Nothing is changed: use --apply for that."


def _local_day(moment: date | None) -> date | None:
    return moment.astimezone(_zone()).date() if isinstance(moment, datetime) else moment


def _range(start: date, end: date) -> tuple[datetime, datetime]:
    """The two ends as aware instants; refuses a range that cannot be meant."""
    try:
        return range_of(start, end, tz=_zone())
    except BadInput as refusal:
        raise click.UsageError(
            refusal.message.replace("to must be after from", "--to must be after --from")
        ) from refusal


def _zone() -> ZoneInfo:
    return current_settings().service_time_zone


def _local(instant: datetime) -> str:
    return instant.astimezone(_zone()).strftime("%Y-%m-%d %H:%M %Z")
