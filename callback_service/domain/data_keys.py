"""The keys that personal data is sealed with, as the setting ``DATA_KEYS`` names them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import Final, Self

from callback_service.errors import Refused, SettingsError

KEY_BYTES: Final = 32
ID_MAX_CHARS: Final = 8
#: The id of the key that makes blind indexes. It seals nothing, and is never rotated.
INDEX: Final = "index"
#: Words of secrets that stand in somebody's documentation. Random characters hold none of them.
SAMPLES: Final = (
    "change", "default", "develop", "example", "insecure", "password", "sample", "secret",
)  # fmt: skip

_WANTED: Final = "Each of DATA_KEYS is `id:key`: a short id, and 32 random bytes in base64."


@dataclass(frozen=True, slots=True)
class DataKeys:
    """Keys by id: the first seals, all of them open. ``index_key`` is None where none is named."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    index_key: bytes | None = field(default=None, repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, the one that seals first."""
        return tuple(key_id for key_id, _ in self.keys)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys from entries ``id:base64``, by commas or lines; raises SettingsError."""
        entries = [_entry(one) for one in text.replace("\n", ",").split(",") if one.strip()]
        ids, keys = {key_id for key_id, _ in entries}, {key for _, key in entries}
        sealing = tuple(entry for entry in entries if entry[0] != INDEX)
        if not sealing or not len(entries) == len(ids) == len(keys):
            raise SettingsError("DATA_KEYS needs at least one key, and each key and id once.")
        return cls(sealing, dict(entries).get(INDEX))

    def as_text(self, separator: str = ",") -> str:
        """The keys as the setting takes them. Secret."""
        index = ((INDEX, self.index_key),) if self.index_key is not None else ()
        return separator.join(
            f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in (*self.keys, *index)
        )

    def with_key(self, key: bytes, *, seals: bool) -> Self:
        """One key more: the one that seals, or for now only one that opens."""
        added = ((self._next_id(), key),)
        return replace(self, keys=added + self.keys if seals else self.keys + added)

    def _next_id(self) -> str:
        numbers = [int(one[1:]) for one in self.ids if one[0] == "k" and one[1:].isdecimal()]
        return f"k{max(numbers, default=0) + 1}"

    def with_first(self, key_id: str) -> Self:
        """The same keys, of which ``key_id`` seals."""
        self.check_has(key_id)
        return replace(self, keys=tuple(sorted(self.keys, key=lambda one: one[0] != key_id)))

    def without(self, key_id: str) -> Self:
        """The keys that are left when ``key_id`` goes, which may not be the one that seals."""
        self.check_has(key_id)
        if key_id == self.ids[0]:
            raise Refused(f"{key_id} is the key that seals. Run `flask keys rotate` first.")
        return replace(self, keys=tuple(one for one in self.keys if one[0] != key_id))

    def check_has(self, key_id: str) -> None:
        """Refuse an id that no key has."""
        if key_id not in self.ids:
            raise Refused(f"There is no key {key_id}. There are: {', '.join(self.ids)}.")


def _entry(text: str) -> tuple[str, bytes]:
    key_id, _, encoded = text.strip().partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:  # letters that no base64 has, or not whole
        key = b""
    is_id = key_id.isascii() and key_id.isalnum() and len(key_id) <= ID_MAX_CHARS
    if not is_id or len(key) != KEY_BYTES or _is_sample(key):
        raise SettingsError(_WANTED)
    return key_id, key


def _is_sample(key: bytes) -> bool:
    """Whether nobody drew ``key`` by chance: a few bytes again and again, or words."""
    text = key.decode("ascii", "replace").lower()
    return len(set(key)) < 8 or any(word in text for word in SAMPLES)
