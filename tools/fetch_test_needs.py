"""Find a Chromium for the browser tests, or fetch one, and leave its path where they look for it.

In this order: CHROMIUM, one on PATH, the system's package manager (as root, where it is apt),
Playwright's own download. NO_BROWSER=1 leaves the browser tests out. PostgreSQL needs nothing
here: it comes as a wheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where the tests look when CHROMIUM is not set.
PATH_FILE = Path(sys.prefix) / "chromium-path"
STARTS_WITHIN_S = 30
FETCHED_WITHIN_S = 900


def main() -> int:
    """Say which Chromium the tests will use. Without one they fail, each with a sentence."""
    if os.environ.get("NO_BROWSER") == "1":
        print("NO_BROWSER=1: the browser tests are left out.")
        return 0
    if given := os.environ.get("CHROMIUM"):
        return use(Path(given)) if starts(given) else refuse(f"CHROMIUM={given} does not start.")
    found = on_path() or from_apt() or from_playwright()
    if found is None:
        PATH_FILE.unlink(missing_ok=True)
        print("No Chromium was found and none could be fetched: the browser tests will fail.")
        print("Install one, name one with CHROMIUM=/path/to/it, or do without: NO_BROWSER=1.")
        return 0
    return use(Path(found))


def use(path: Path) -> int:
    """Leave ``path`` for the tests."""
    PATH_FILE.write_text(f"{path}\n", encoding="utf-8")
    print(f"The browser tests use {path}.")
    return 0


def refuse(sentence: str) -> int:
    """Print ``sentence`` as an error."""
    print(sentence, file=sys.stderr)
    return 1


def on_path() -> str | None:
    """The first Chromium on PATH that starts."""
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path and starts(path)), None)


def starts(path: str) -> bool:
    """Whether ``path`` can tell its version; a stub that only names a shop cannot."""
    return succeeds([path, "--version"], within_s=STARTS_WITHIN_S, is_shown=False)


def from_apt() -> str | None:
    """Debian's Chromium, freshly installed; None where that is not possible."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    print("Installing chromium with apt-get ...", flush=True)
    install = [
        "apt-get",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        "chromium",
        "fonts-liberation",
    ]
    succeeds(["apt-get", "update", "-q"], within_s=FETCHED_WITHIN_S)
    succeeds(install, within_s=FETCHED_WITHIN_S)
    return on_path()


def from_playwright() -> str | None:
    """Playwright's own Chromium, fetched where it is missing; None when that fails."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not starts(path):
        print("Fetching Playwright's own Chromium ...", flush=True)
        succeeds(
            [sys.executable, "-m", "playwright", "install", "chromium"], within_s=FETCHED_WITHIN_S
        )
    return path if starts(path) else None


def succeeds(command: Sequence[str], *, within_s: int, is_shown: bool = True) -> bool:
    """Whether ``command`` ends well in time. What it says is shown only when it fails."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environ,
            timeout=within_s,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    if done.returncode != 0 and is_shown:
        print(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
