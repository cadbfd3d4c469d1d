"""Canaries: unique values that are sent through the service and must turn up nowhere else."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus


@dataclass
class Canary:
    """One value in every shape it may be written in, and whether it was ever in play."""

    name: str
    shapes: tuple[str, ...]
    was_in_play: bool = False

    def is_in(self, content: bytes) -> bool:
        """Whether ``content`` holds it in any shape."""
        return any(shape in content for shape in self._bytes())

    def _bytes(self) -> set[bytes]:
        written = set()
        for shape in self.shapes:
            plain = {
                shape, html.escape(shape), quote(shape), quote_plus(shape),
                json.dumps(shape)[1:-1], repr(shape)[1:-1],
            }  # fmt: skip
            for one in plain:
                written |= {one.encode(), one.encode().hex().encode()}  # hex: as dumps show bytes
        return written


@dataclass
class Code(Canary):
    """A few digits: only where they stand alone, as they may be a part of any number."""

    def is_in(self, content: bytes) -> bool:
        """Whether ``content`` holds it by itself."""
        code = re.escape(self.shapes[0].encode())
        return re.search(rb"(?<![0-9A-Fa-f.])" + code + rb"(?![0-9A-Fa-f])", content) is not None


@dataclass
class Aviary:
    """All canaries of one journey."""

    canaries: dict[str, Canary] = field(default_factory=dict)

    def add(self, name: str, *shapes: str) -> str:
        """Let a canary loose; its first shape."""
        assert all(len(shape) >= 8 for shape in shapes), "too short to be unique"
        self.canaries[name] = Canary(name, shapes)
        return shapes[0]

    def add_code(self, name: str, code: str) -> str:
        """Let a few digits loose."""
        self.canaries[name] = Code(name, (code,))
        return code

    def add_phone(self, name: str, ending: str) -> str:
        """Let a mobile number of those kept for drama loose, as people write it; its E.164."""
        national, group = f"07700900{ending}", f"900{ending}"
        shapes = (
            f"+447700{group}", national, f"7700{group}", f"07700 {group}", f"7700 {group}",
            f"07700-{group}", f"(07700) {group}", f"07700 900 {ending}",
        )  # fmt: skip
        return self.add(name, *shapes)

    def seen(self, name: str, where: str) -> None:
        """Note that ``where``, which a person was meant to see, shows the canary; fails if not."""
        canary = self.canaries[name]
        assert canary.is_in(where.encode()), f"the canary {name} was not where it had to be"
        canary.was_in_play = True

    def never_in_play(self) -> list[str]:
        """The canaries that proved nothing, as they never flew."""
        return [one.name for one in self.canaries.values() if not one.was_in_play]

    def found_in(self, content: bytes | str, *, besides: tuple[str, ...] = ()) -> list[str]:
        """The canaries that ``content`` holds, but for those ``besides``."""
        looked_at = content.encode() if isinstance(content, str) else content
        return [
            one.name
            for one in self.canaries.values()
            if one.name not in besides and one.is_in(looked_at)
        ]
