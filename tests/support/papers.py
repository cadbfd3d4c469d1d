"""Whether the tests that a text names are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.settings import ROOT

A_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def missing_tests(words: str) -> list[str]:
    """The tests that a text names and that are not there."""
    return [
        f"{path}::{name}" if name else path
        for path, name in A_TEST.findall(words)
        if not _is_there(ROOT / path, name)
    ]


def _is_there(path: Path, name: str) -> bool:
    return path.is_file() and (not name or f"def {name}(" in path.read_text(encoding="utf-8"))
