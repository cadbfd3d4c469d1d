"""Commands that make staff accounts. They print a one-time link, never take a password."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from flask.cli import with_appcontext

from callback_service import clock
from callback_service.domain.skills import Gender, SkillKind
from callback_service.domain.staff import Role
from callback_service.errors import CallbackServiceError
from callback_service.extensions import current_settings, transaction
from callback_service.services import accounts, staff_skills


@click.command("create-staff")
@click.option("--email", required=True, help="Where the person signs in with.")
@click.option("--name", required=True, help="The name colleagues see.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option(
    "--language", "languages", multiple=True, help="Name or BCP 47 code, like cy; may be repeated."
)
@click.option("--skill", "skills", multiple=True, help="A word or two; may be repeated.")
@click.option(
    "--gender",
    type=click.Choice([gender.value for gender in Gender]),
    help="For callers who ask; only as the person wishes.",
)
@with_appcontext
def create_staff(
    email: str,
    name: str,
    role: str,
    languages: Sequence[str],
    skills: Sequence[str],
    gender: str | None,
) -> None:
    """Make an account and print the one-time link that sets its password (3 days)."""
    settings = current_settings()
    given = {
        SkillKind.LANGUAGE: languages,
        SkillKind.SKILL: skills,
        SkillKind.GENDER: [gender] if gender else [],
    }
    try:
        with transaction() as session:
            token = accounts.invite(
                session,
                email=email,
                name=name,
                role=Role(role),
                skills=staff_skills.read_skills(given),
                secret_key=settings.secret_key,
                now=clock.utc_now(),
            )
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error
    click.echo(accounts.link_address(settings.public_base_url, token))


@click.command("staff-link")
@click.option("--email", required=True)
@with_appcontext
def staff_link(email: str) -> None:
    """Print a new one-time link for a lost invitation (3 days) or a forgotten password (1 hour)."""
    _print_link(email, accounts.make_link)


@click.command("staff-reset-second-step")
@click.option("--email", required=True)
@with_appcontext
def staff_reset_second_step(email: str) -> None:
    """Take away a lost phone and the password; print a link for new ones (1 hour)."""
    _print_link(email, accounts.reset_second_step)


def _print_link(email: str, make: Callable[..., str]) -> None:
    """Print the link that ``make`` gives for one member of staff."""
    settings = current_settings()
    try:
        with transaction() as session:
            staff = accounts.staff_by_email(session, email)
            token = make(
                session,
                staff.id,
                secret_key=settings.secret_key,
                actor_id=None,
                now=clock.utc_now(),
            )
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error
    click.echo(accounts.link_address(settings.public_base_url, token))
