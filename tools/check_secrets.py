"""Look for secrets in every file of the repository: ``python -m tools.check_secrets [--write]``.

detect-secrets does the looking, with all its plugins. What it takes for a secret and is none, such
as the passwords of tests, stands in ``.secrets.baseline`` by its hash. ``--write`` writes that
anew: read what changed before it is committed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from detect_secrets.__version__ import VERSION
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT: Final = Path(__file__).resolve().parents[1]
BASELINE: Final = ROOT / ".secrets.baseline"
#: Hashes of packages, and what others wrote and we only pass on.
NOT_OURS: Final = re.compile(
    r"^requirements.*\.txt$|package-lock\.json$|(^|/)vendor/|\.png$|\.svg$|^\.secrets\.baseline$"
)

#: What was seen in each file by its content: a file that has not changed is not read again.
CACHE: Final = ROOT / ".secrets_cache"

Found = dict[tuple[str, str, str], int]  # file, kind and hash: the line
Seen = list[tuple[str, str, int]]  # kind, hash, line


def tracked() -> list[str]:
    """The files that are ours, from the root of the repository."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    named = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name for name in named.stdout.splitlines() if not NOT_OURS.search(name)}
    return sorted(name for name in names if (ROOT / name).is_file())


def look() -> Found:
    """What looks like a secret."""
    digests = {name: sha256((ROOT / name).read_bytes()).hexdigest() for name in tracked()}
    before, seen = _cached(), {}
    with default_settings():
        for name, digest in digests.items():
            place = f"{VERSION}:{name}:{digest}"
            seen[place] = before[place] if place in before else _in_file(name)
    CACHE.write_text(json.dumps(seen), encoding="utf-8")
    return {
        (place.split(":")[1], kind, digest): line
        for place, listed in seen.items()
        for kind, digest, line in listed
    }


def _cached() -> dict[str, Seen]:
    try:
        cached: dict[str, Seen] = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cached


def _in_file(name: str) -> Seen:
    secrets = SecretsCollection(root=str(ROOT))
    secrets.scan_file(name)
    return [(one.type, one.secret_hash, one.line_number) for _, one in secrets]


def known() -> set[tuple[str, str, str]]:
    """What was looked at before and is no secret."""
    listed = json.loads(BASELINE.read_text(encoding="utf-8"))
    return {(name, kind, digest) for name, kind, digest in listed["not_secrets"]}


def write(found: Found) -> None:
    """Take all of ``found`` for no secret. Lines are left out, for they change with every edit."""
    listed = {"not_secrets": sorted(found)}
    BASELINE.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Name what is new; 0 if nothing is."""
    parser = argparse.ArgumentParser(description="Look for secrets in the repository.")
    parser.add_argument("--write", action="store_true")
    given, found = parser.parse_args(), look()
    if given.write:
        write(found)
        return 0
    new = sorted(
        (name, found[name, kind, digest], kind) for name, kind, digest in found.keys() - known()
    )
    for name, line, kind in new:
        print(f"{name}:{line}: looks like a secret ({kind})")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
