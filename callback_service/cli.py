"""The service's commands: ``flask --app wsgi ...``."""

from __future__ import annotations

import json
import logging
from typing import TextIO

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from callback_service.cli_rota import rota_commands
from callback_service.cli_staff import create_staff, staff_link
from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.extensions import reading, transaction
from callback_service.services import accounts, demo
from callback_service.services.rota import on_now


def init_app(app: Flask) -> None:
    """Add the commands to ``flask``."""
    for command in (
        scheduler,
        tick,
        seed_demo,
        demo_sign_ins,
        create_staff,
        staff_link,
        rota_commands,
    ):
        app.cli.add_command(command)


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Run the scheduler process until it is stopped."""
    from callback_service.scheduler import run_scheduler

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    run_scheduler(current_app._get_current_object())  # type: ignore[attr-defined]


@click.command("tick")
@click.argument("name")
@with_appcontext
def tick(name: str) -> None:
    """Run one tick once, by NAME."""
    from callback_service.scheduler import TICKS, run_tick

    chosen = next((tick for tick in TICKS if tick.name == name), None)
    if chosen is None:
        raise click.UsageError(
            f"There is no tick {name}. There are: {', '.join(t.name for t in TICKS)}."
        )
    if not run_tick(current_app._get_current_object(), chosen):  # type: ignore[attr-defined]
        raise click.ClickException(f"The tick {name} failed; the log says why.")


@click.command("seed-demo")
@click.option(
    "--password-file", type=click.File(), required=True, help="The password of all demo accounts."
)
@with_appcontext
def seed_demo(password_file: TextIO) -> None:
    """Add demo staff and a 24-hour rota. A second run changes nothing."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.demo:
        raise click.ClickException("This is for demonstrations: set DEMO=1 to allow it.")
    password = password_file.read().strip()
    with transaction() as session:
        demo.seed_demo(
            session,
            now=utc_now(),
            password_hash=accounts.hash_password(password),
        )


@click.command("demo-sign-ins")
@with_appcontext
def demo_sign_ins() -> None:
    """Print whom to sign in as, as JSON: e-mail, name, role and whether on shift now."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.demo:
        raise click.ClickException("This is for demonstrations: set DEMO=1 to allow it.")
    with reading() as session:
        on_shift = on_now(session, now=utc_now(), tz=settings.service_time_zone)
        ids = {shift.person.id for shift in on_shift if shift.person}
        people = [
            {"email": p.email, "name": p.name, "role": p.role, "on_shift": p.id in ids}
            for p in accounts.list_staff(session)
        ]
    click.echo(json.dumps(people))
