"""The file that ``DATA_KEYS`` are read from: noticing that it changed, and changing it."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from callback_service.domain.data_keys import DataKeys
from callback_service.errors import SettingsError

logger = logging.getLogger(__name__)

#: Nobody but its owner reads what is written; a group that could read it before still can.
OWN, GROUP_READS = 0o600, 0o040


class KeyFile:
    """One file of keys, a line each. What a process has read of it grows old when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link stays a link
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def changed(self) -> DataKeys | None:
        """The keys, if the file is another one than at the last look and can be used."""
        stamp = self._stamp()
        if stamp in (None, self._seen):
            return None
        self._seen = stamp
        try:
            return self.read()
        except (SettingsError, OSError, UnicodeDecodeError):  # its words may quote the content
            logger.error("the file of DATA_KEYS has changed and cannot be used")  # noqa: TRY400
            return None

    def read(self) -> DataKeys:
        """The keys in the file; raises SettingsError where it holds none."""
        return DataKeys.parse(self._path.read_text(encoding="utf-8"))

    def changed_at(self) -> datetime:
        """When the file was last written."""
        return datetime.fromtimestamp(self._path.stat().st_mtime, UTC)

    def edit(self, change: Callable[[DataKeys], DataKeys]) -> DataKeys:
        """Put ``change`` of the keys in their place, whole or not at all, one at a time."""
        with self._locked():
            keys = change(self.read())
            self._replace(keys.as_text("\n") + "\n")
        return keys

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder, so that of two who add a key neither loses the other's."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)  # the new name survives a power cut
        finally:
            os.close(folder)

    def _replace(self, text: str) -> None:
        before = self._path.stat()
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchown(descriptor, before.st_uid, before.st_gid)  # the service goes on reading
                os.fchmod(descriptor, OWN | (before.st_mode & GROUP_READS))
                os.fsync(descriptor)
            draft.replace(self._path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
