"""``flask --app wsgi retention``: what is due to be erased, erasing it now, and the schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import click
from flask.cli import AppGroup

from callback_service.clock import utc_now
from callback_service.domain.data_map import schedule_in_markdown
from callback_service.domain.retention import BY_KIND, Kept
from callback_service.extensions import current_settings, database_now, reading, transaction
from callback_service.services import retention

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


@retention_commands.command("schedule")
def schedule() -> None:
    """Print how long this installation keeps what, and where it stands, in Markdown."""
    click.echo(schedule_in_markdown(current_settings().keeping))
