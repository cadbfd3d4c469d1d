"""``flask --app wsgi decoy``: records that nobody has cause to open."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from callback_service.clock import utc_now
from callback_service.errors import CallbackServiceError
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import decoy_planting, decoys
from callback_service.web.public_form import CONSENT_VERSION

decoy_commands = AppGroup("decoy", help="Records that nobody made and nobody has cause to open.")


@decoy_commands.command("plant")
@click.option("--name", help="An invented name; many callers give none.")
@click.option("--note", help="An invented note on what helps to ring safely.")
def plant(name: str | None, note: str | None) -> None:
    """Keep a request that somebody seems to have made and taken back. Of no real number."""
    try:
        with transaction() as session:
            decoy_id = decoy_planting.plant(
                session,
                name=name,
                note=note,
                consent_version=CONSENT_VERSION,
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"Decoy {decoy_id} is planted.")


@decoy_commands.command("list")
def list_all() -> None:
    """Print which records are decoys."""
    with reading() as session:
        rows = decoys.list_decoys(session)
    for row in rows:
        ended = f", ended {row.ended_at:%Y-%m-%d %H:%M}" if row.ended_at else ""
        click.echo(
            f"Decoy {row.id}: {row.reference or 'erased'}, "
            f"planted {row.planted_at:%Y-%m-%d %H:%M}{ended} (UTC)"
        )
    if not rows:
        click.echo("There are none.")


@decoy_commands.command("withdraw")
@click.argument("decoy_id", type=int)
def withdraw(decoy_id: int) -> None:
    """Empty decoy DECOY_ID before the clock does."""
    try:
        with transaction() as session:
            decoy_planting.withdraw(session, decoy_id, current_settings().keeping, now=utc_now())
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"Decoy {decoy_id} is withdrawn.")
