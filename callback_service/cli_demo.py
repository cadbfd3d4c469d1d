"""Commands for a demonstration on one's own machine: staff, a rota, and whom to sign in as."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.errors import CallbackServiceError
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import accounts, demo
from callback_service.services.rota import on_now

LETTERS: Final = "abcdefghjkmnpqrstuvwxyz"  # no i, l, o: it is typed from a screen


@click.command("seed-demo")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The password of all demo accounts; made where there is none (instance/demo_password).",
)
@with_appcontext
def seed_demo(password_file: Path | None) -> None:
    """Add demo staff and a 24-hour rota. A second run changes nothing."""
    settings = _settings_of_this_machine()
    password = _password_at(password_file or settings.instance_path / "demo_password")
    try:
        with transaction() as session:
            demo.seed_demo(session, now=utc_now(), password_hash=accounts.hash_password(password))
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error


@click.command("demo-sign-ins")
@with_appcontext
def demo_sign_ins() -> None:
    """Print whom to sign in as, as JSON: e-mail, name, role and whether on shift now."""
    settings = _settings_of_this_machine()
    with reading() as session:
        on_shift = on_now(session, now=utc_now(), tz=settings.service_time_zone)
        ids = {shift.person.id for shift in on_shift if shift.person}
        people = [
            {"email": p.email, "name": p.name, "role": p.role, "on_shift": p.id in ids}
            for p in accounts.list_staff(session)
        ]
    click.echo(json.dumps(people))


@click.command("demo-codes")
@with_appcontext
def demo_codes() -> None:
    """Print the code that each account of the demo signs in with now, as JSON."""
    if not _settings_of_this_machine().demo:
        raise click.ClickException("This is for a demonstration: set DEMO=1.")
    with reading() as session:
        people = demo.codes_now(session, now=utc_now())
    click.echo(json.dumps({person.email: person.code for person in people}))


def _settings_of_this_machine() -> Settings:
    settings = current_settings()
    if not settings.is_on_loopback:
        raise click.ClickException("This is for a demonstration on this machine only.")
    return settings


def _password_at(path: Path) -> str:
    """The password in the file at ``path``; a new one, for its owner only, if there is none."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        groups = ("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("-".join(groups) + "\n")
    return path.read_text(encoding="utf-8").strip()
