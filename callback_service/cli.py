"""The service's commands: ``flask --app wsgi ...``."""

from __future__ import annotations

import logging

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from callback_service import logs
from callback_service.cli_audit import audit_commands
from callback_service.cli_decoy import decoy_commands
from callback_service.cli_demo import demo_codes, demo_sign_ins, seed_demo
from callback_service.cli_keys import keys_commands
from callback_service.cli_policy import policy_command
from callback_service.cli_retention import retention_commands
from callback_service.cli_rota import rota_commands
from callback_service.cli_simulate import simulate_command
from callback_service.cli_staff import create_staff, staff_link, staff_reset_second_step


def init_app(app: Flask) -> None:
    """Add the commands to ``flask``."""
    for command in (
        scheduler,
        tick,
        seed_demo,
        demo_sign_ins,
        demo_codes,
        create_staff,
        staff_link,
        staff_reset_second_step,
        keys_commands,
        rota_commands,
        audit_commands,
        retention_commands,
        decoy_commands,
        policy_command,
        simulate_command,
    ):
        app.cli.add_command(command)


def _app() -> Flask:
    """The application itself and not the stand-in for it, which other threads cannot use."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # not in the stubs
    return app


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Run the scheduler process until it is stopped."""
    from callback_service.scheduler import run_scheduler

    logs.set_up(level=logging.INFO)
    run_scheduler(_app())


@click.command("tick")
@click.argument("name")
@with_appcontext
def tick(name: str) -> None:
    """Run one tick once, by NAME."""
    from callback_service.ticks import TICKS, run_tick

    chosen = next((tick for tick in TICKS if tick.name == name), None)
    if chosen is None:
        raise click.UsageError(
            f"There is no tick {name}. There are: {', '.join(t.name for t in TICKS)}."
        )
    if not run_tick(_app(), chosen):
        raise click.ClickException(f"The tick {name} failed; the log says why.")
