"""Run the benchmarks, print a table and write JSON: ``python -m tools.bench [--json FILE]``."""

from __future__ import annotations

import argparse
import gc
import json
import platform
from pathlib import Path

from callback_service import GC_THRESHOLDS
from tools.bench import Figure, as_table, audit, form, outbox, pages, planning, quotes, rota, tick

ROOMS = (
    rota.figures,
    pages.figures,
    planning.figures,
    quotes.figures,
    tick.figures,
    outbox.figures,
    form.figures,
    audit.figures,
)
NAMES = [room.__module__.rsplit(".", 1)[1] for room in ROOMS]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure the service against its goals.")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--only", choices=NAMES, help="measure one room alone")
    given = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)  # as in the running service
    found: list[Figure] = []
    for name, figures in zip(NAMES, ROOMS, strict=True):
        if given.only in {None, name}:
            found += figures()
    print(as_table(found))
    result = {"python": platform.python_version(), "figures": [one.as_json() for one in found]}
    given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
