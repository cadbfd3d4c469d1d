"""The Chromium that browser tests drive, and how it is started."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

#: No profile, no telephone home, no name that is not this machine's.
ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PHONE = {"width": 375, "height": 812}


def is_left_out() -> bool:
    """Whether whoever runs the tests asked for none in a browser."""
    return os.environ.get("NO_BROWSER") == "1"


def chromium() -> str:
    """The path of the Chromium to drive; fails the test with a sentence where there is none."""
    left = Path(sys.prefix) / "chromium-path"  # by tools/fetch_test_needs.py
    found = os.environ.get("CHROMIUM") or (left.read_text().strip() if left.exists() else None)
    found = found or shutil.which("chromium")
    if found is None:
        pytest.fail(
            "No Chromium: `make test` fetches one, CHROMIUM names one, NO_BROWSER=1 does without."
        )
    return found
