"""``flask --app wsgi retention``: what is due to be erased, erasing it now, and the schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TextIO

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.data_map import schedule_in_markdown
from callback_service.domain.retention import BY_KIND, Kept
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, database_now, reading, transaction
from callback_service.services import erased_again, retention
from callback_service.services.erased_again import Erased

retention_commands = AppGroup("retention", help="Erasing what is kept no longer.")


@retention_commands.command("run")
@click.option("--dry-run", is_flag=True, help="Say what is due, and change nothing.")
def run(dry_run: bool) -> None:
    """Erase all that is due, as the scheduler does by itself twice a minute."""
    if dry_run:
        _print("due", _due())
        return
    from callback_service.ticks import clear_log

    _print("erased", _erase_all())
    if not clear_log():
        click.echo("Readers hold the database's log: what was erased is in it until they end.")
        click.echo("The scheduler tries again by itself; or run this again.")


def _due() -> Mapping[Kept, int]:
    with reading() as session:
        return retention.count_due(
            session, now=database_now(session), keeping=current_settings().keeping
        )


def _erase_all() -> Counter[Kept]:
    """In several transactions, so that others can work meanwhile."""
    total: Counter[Kept] = Counter(dict.fromkeys(Kept, 0))
    while True:
        with transaction() as session:
            some = retention.erase_old(
                session, now=database_now(session), keeping=current_settings().keeping
            )
        total.update(some)
        if not some.total():
            return total


def _print(word: str, counts: Mapping[Kept, int]) -> None:
    for kind in Kept:
        click.echo(f"{counts[kind]:>8}  {kind:<14} {BY_KIND[kind].what}")
    click.echo(f"{sum(counts.values()):>8}  {word} in all, at {utc_now():%Y-%m-%d %H:%M} UTC")


@retention_commands.command("erase-again")
@click.argument("log", type=click.File(encoding="utf-8"))
@click.option("--apply", is_flag=True, help="Do it. Without this it is only counted.")
def erase_again(log: TextIO, apply: bool) -> None:
    """Erase what an older backup brought back, by LOG: the audit log written outside (AUDIT_LOG).

    Run it after a restore, before the service starts. Done twice it changes nothing.
    """
    erased = [one for one in map(_line_of, log) if one is not None]
    back = 0
    for one in erased:
        with transaction() as session:
            back += _erase_or_count(session, one, is_done=apply)
    done = "Erased again" if apply else "To be erased again (nothing has changed)"
    click.echo(f"Erased, by the log: {len(erased)}. {done}: {back}.")


def _line_of(line: str) -> Erased | None:
    try:
        return erased_again.read(line)
    except BadInput as bad:
        raise click.ClickException(bad.message) from bad


def _erase_or_count(session: Session, one: Erased, *, is_done: bool) -> bool:
    if not is_done:
        return erased_again.is_back(session, one)
    keeping = current_settings().keeping
    return erased_again.erase(session, one, keeping, now=database_now(session))


@retention_commands.command("schedule")
def schedule() -> None:
    """Print how long this installation keeps what, and where it stands, in Markdown."""
    click.echo(schedule_in_markdown(current_settings().keeping))
