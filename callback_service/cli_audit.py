"""Commands about the audit log: proving that it is whole, and writing it out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from callback_service.extensions import reading
from callback_service.services import audit_chain, audit_export
from callback_service.services.audit_chain import Mark, Verdict

audit_commands = click.Group("audit", help="The log of who did and read what.")


class _MarkType(click.ParamType[Mark]):
    """A mark as ``audit verify`` prints it."""

    name = "mark"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Mark:
        try:
            return Mark.parse(value)
        except ValueError:
            self.fail("A mark is a number, a colon and 64 digits, as verify prints it.", param, ctx)


@audit_commands.command("verify")
@click.option("--mark", type=_MarkType(), help="An earlier end that the chain must still contain.")
@click.option(
    "--former-secret-file",
    "former_secrets",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A former SECRET_KEY, for what was sealed before it was changed; may be repeated.",
)
@with_appcontext
def verify(mark: Mark | None, former_secrets: Sequence[Path]) -> None:
    """Say whether the audit log is whole: exit code 0, or 1 with what is wrong first."""
    secrets = [path.read_text(encoding="utf-8").strip() for path in former_secrets]
    with reading() as session:
        verdict = audit_chain.verify(session, former_secrets=secrets, mark=mark)
    if verdict.trouble:
        raise click.ClickException(f"The audit log is not whole. {verdict.trouble}")
    for sentence in _said(verdict):
        click.echo(sentence)


def _said(verdict: Verdict) -> list[str]:
    said = [f"The audit log is whole: {verdict.sealed} entries."]
    if verdict.older:
        said.append(f"Besides, {verdict.older} are older than the chain and are not proven by it.")
    if verdict.end:
        said.append(f"Note this elsewhere, and give it as --mark next time: {verdict.end}")
    return said


@audit_commands.command("export")
@click.option("--after-id", type=int, default=0, help="Only entries with a greater id.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Only entries from then on, UTC.",
)
@with_appcontext
def export(after_id: int, since: datetime | None) -> None:
    """Print entries as lines of JSON, the oldest first."""
    from_then = since.replace(tzinfo=UTC) if since else None
    with reading() as session:
        for line in audit_export.export(session, after_id=after_id, since=from_then):
            click.echo(line)
