"""The command that prints who may do what."""

from __future__ import annotations

import click

from callback_service.domain.policy_text import as_markdown


@click.command("policy")
def policy_command() -> None:
    """Print who may do what and who sees what, as Markdown."""
    click.echo(as_markdown(), nl=False)
