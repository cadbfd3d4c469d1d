"""Where audit lines are written outside the database: a file for a collector, or standard output.

The file is opened for each write, so it may be rotated by moving it away.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from typing import Final

#: Instead of a path: the standard output of the scheduler.
STDOUT: Final = "stdout"
_READABLE_BY_US_ONLY: Final = 0o600


def write_lines(target: str, lines: Sequence[str]) -> None:
    """Add whole lines to ``target``; raises OSError, and has then written none of them to a file.

    They are on the disk when this returns. Several processes may write to one file.
    """
    content = "".join(f"{line}\n" for line in lines)
    if target == STDOUT:
        sys.stdout.write(content)
        sys.stdout.flush()
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    file = os.open(target, flags, _READABLE_BY_US_ONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        _write_whole(file, content.encode())
    finally:
        os.close(file)


def _write_whole(file: int, content: bytes) -> None:
    """All of it or nothing: the start of a line that was cut off would spoil the next one."""
    length = os.fstat(file).st_size
    try:
        _write(file, content)
    except OSError:
        os.ftruncate(file, length)
        raise


def _write(file: int, content: bytes) -> None:
    while content:  # a disk that is nearly full takes a part, and refuses the next
        content = content[os.write(file, content) :]
    os.fsync(file)
