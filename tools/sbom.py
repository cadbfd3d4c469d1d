"""List what the service is made of, as CycloneDX JSON: ``python -m tools.sbom FILE``.

The Python packages with their hashes, and the two packages whose code browsers are given.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
#: Of the packages of the front end, those that are shipped; the others only build.
SHIPPED: Final = ("govuk-frontend", "htmx.org")


def python_packages() -> dict[str, Any]:
    """The list of the pinned requirements."""
    command = (
        sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.txt",
        "--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible",
        "--of", "JSON", "-o", "-",
    )  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def browser_packages() -> list[dict[str, str]]:
    """The packages in our scripts and styles."""
    pinned = json.loads((ROOT / "frontend/package.json").read_text(encoding="utf-8"))
    versions = {name: pinned["devDependencies"][name] for name in SHIPPED}
    return [
        {
            "bom-ref": f"{name}@{version}",
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:npm/{name}@{version}",
        }
        for name, version in versions.items()
    ]


def main() -> int:
    """Write the list to the file that is named."""
    listed = python_packages()
    listed["components"] += browser_packages()
    Path(sys.argv[1]).write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    print(f"{len(listed['components'])} components in {sys.argv[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
