"""Commands for the keys of sealed data: ``flask --app wsgi keys list``, ``rotate`` and so on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import click
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.domain.data_keys import KEY_BYTES, DataKeys
from callback_service.errors import CallbackServiceError, Refused
from callback_service.extensions import current_settings, is_busy, reading, transaction
from callback_service.key_file import KeyFile
from callback_service.models.sealing import index_key
from callback_service.services import audit, keys, retention

keys_commands = AppGroup("keys", help="Look at, change and retire the keys of sealed data.")

#: What began before a change of keys may still write with the old one for a moment.
SETTLES: Final = timedelta(minutes=1)
BUSY_TRIES: Final = 20
BUSY_PAUSE_S: Final = 0.5

Change = Callable[[DataKeys], DataKeys]
Result = TypeVar("Result")


@keys_commands.command("list")
def list_keys() -> None:
    """Print the keys by id, and how much each of them seals. Prints no key."""
    ids = _present().ids
    with reading() as session:
        found = keys.census(session, ids)
    for key_id in ids:
        place = "seals" if key_id == ids[0] else "opens"
        click.echo(f"{key_id:<10}{place:<8}{_amount(found, key_id)}")
    if found.request_keys[None] or found.values[None]:
        click.echo(f"missing           {_amount(found, None)}: put their key back into DATA_KEYS")
    click.echo(f"Values sealed by keys of requests: {found.by_request}")
    if found.erased:
        click.echo(
            f"Requests without a key: {found.erased}. They were erased and came back with a "
            "backup, or its table request_key was not restored. See `flask keys erase-again`."
        )


def _amount(found: keys.Census, key_id: str | None) -> str:
    return f"{found.request_keys[key_id]} keys of requests, {found.values[key_id]} values"


@keys_commands.command("rotate")
@click.argument("key_id", required=False)
@click.option("--behind", is_flag=True, help="Add the key only to open with; it seals later.")
def rotate(key_id: str | None, behind: bool) -> None:
    """Make a new key, which seals from now on. With KEY_ID have that one seal which is there.

    Where several machines have a file of keys each, do it in two steps: `rotate --behind`, copy the
    file to every machine, then `rotate KEY_ID` and copy it again. Where DATA_KEYS is in no file,
    this prints what to set, in the same two steps.
    """
    if key_id is None:
        new, seals = secrets.token_bytes(KEY_BYTES), _file() is not None and not behind
        _change(lambda present: present.with_key(new, seals=seals), "keys.rotated")
    else:
        _change(lambda present: present.with_first(key_id), "keys.rotated")


@keys_commands.command("reencrypt")
def reencrypt() -> None:
    """Seal anew what the newest key does not seal yet. May be stopped and started at any time."""
    total = broken = left = 0
    for room in keys.rooms():
        for step in _steps(room):
            total, broken = total + step.renewed, broken + step.broken
        with reading() as session:
            left += keys.stale(session, room)
    _patiently(lambda session: _note(session, "keys.reencrypted", rows=total, left=left))
    click.echo(f"Rows sealed anew: {total}.")
    if broken:
        raise click.ClickException(f"Rows that do not open: {broken}. Look at `flask keys list`.")
    if left:
        raise click.ClickException(
            f"Rows that an older key sealed meanwhile: {left}. Restart what has not read the new "
            "keys, and run this again."
        )


def _steps(room: keys.Room) -> Iterator[keys.Step]:
    """The steps through one table, each a transaction of its own."""
    step = _step(room, None)
    while step.last is not None:
        yield step
        step = _step(room, step.last)


def _step(room: keys.Room, after: int | str | None) -> keys.Step:
    return _patiently(lambda session: keys.reencrypt_some(session, room, after=after))


def _patiently(use_case: Callable[[Session], Result]) -> Result:
    """Run it in a transaction, and again while others hold what it needs."""
    for _ in range(BUSY_TRIES):
        try:
            with transaction() as session:
                return use_case(session)
        except OperationalError as error:
            if not is_busy(error):
                raise
        time.sleep(BUSY_PAUSE_S)
    raise click.ClickException("The database is too busy. Run this again later.")


@keys_commands.command("retire")
@click.argument("key_id")
def retire(key_id: str) -> None:
    """Take a key away that seals nothing any more. Refuses while any row names it."""
    with _refusals():
        _present().without(key_id)
        _check_settled()
        with reading() as session:
            used = keys.uses(session, key_id)
        if used:
            raise Refused(f"Values that name {key_id}: {used}. Run `flask keys reencrypt` first.")
    _change(lambda present: present.without(key_id), "keys.retired")


def _check_settled() -> None:
    file = _file()
    if file is not None and clock.utc_now() < file.changed_at() + SETTLES:
        raise Refused(
            "The keys were changed less than a minute ago, and what began before may still use "
            "the old ones. Try again in a minute."
        )


@keys_commands.command("erase-again")
@click.option("--apply", is_flag=True, help="Do it. Without this it is only counted.")
def erase_again(apply: bool) -> None:
    """Empty the requests that were erased and came back with an older backup."""
    with reading() as session:
        found = keys.census(session, ())
    click.echo(f"Requests without a key: {found.erased}. Nothing of them can be read.")
    if found.erased and not found.request_keys[None]:
        raise click.ClickException(
            "The table request_key is empty: restore it first, or they are lost."
        )
    if not apply:
        return
    emptied, some = 0, 1
    while some:
        some = _patiently(lambda session: retention.erase_copies(session, now=clock.utc_now()))
        emptied += some
    click.echo(f"Emptied: {emptied}.")


def _file() -> KeyFile | None:
    path = current_settings().data_keys_file
    return KeyFile(path) if path is not None else None


def _present() -> DataKeys:
    """The keys as they are now: in their file, or else as the settings were given."""
    file = _file()
    return file.read() if file is not None else current_settings().data_keys


def _change(change: Change, deed: str) -> None:
    """Change the keys in their file; where they are in no file of ours, print what to set."""

    def change_all(present: DataKeys) -> DataKeys:
        changed = change(present)  # an index of its own, lest it change with the oldest key
        return DataKeys(changed.keys, index_key(present))

    with _refusals():
        file = _file()
        if file is None:
            _tell(change_all(current_settings().data_keys))
            return
        changed = _patiently(lambda session: _edit(session, file, change_all, deed))
    click.echo(f"{changed.ids[0]} seals now. Keys: {', '.join(changed.ids)}.")


def _edit(session: Session, file: KeyFile, change: Change, deed: str) -> DataKeys:
    try:
        changed = file.edit(change)
    except OSError as error:
        raise Refused(f"The file of DATA_KEYS cannot be written: {error.strerror}.") from error
    _note(session, deed, seals=changed.ids[0], ids=list(changed.ids))
    return changed


def _note(session: Session, deed: str, **detail: Any) -> None:
    now = clock.utc_now()
    audit.record(session, deed, subject="request_key", subject_id=None, now=now, **detail)


def _tell(changed: DataKeys) -> None:
    """Print the setting as it is to be. Nothing has changed yet."""
    click.echo("DATA_KEYS is in no file, so nothing has changed. Set it to this and restart every")
    click.echo("process. Where its last key is new, `flask keys rotate` it by its id after that.")
    click.echo(changed.as_text())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except CallbackServiceError as error:
        raise click.ClickException(error.message) from error
