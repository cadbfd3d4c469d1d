"""Sealed (encrypted) fields, the keys that open them, and the index to find equal values by."""

from __future__ import annotations

import os
from typing import Any, Self, overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
INDEX_BYTES = 16


class Keyring:
    """Data keys by id. Seals with the newest, opens with the one a value names.

    Sealed value: version byte, length of key id, key id, nonce, AES-256-GCM ciphertext with tag.
    The context (column and row) is authenticated, so a value copied to another place does not open.
    """

    VERSION = 1

    def __init__(self, keys: tuple[tuple[str, bytes], ...]) -> None:
        self._newest = keys[0][0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}
        # The oldest key makes the index, so that adding a key in front does not change it.
        self._index_key = HKDF(hashes.SHA256(), 32, None, b"blind index").derive(keys[-1][1])

    def seal(self, text: str, *, context: str) -> bytes:
        """``text`` encrypted for ``context``."""
        key_id, nonce = self._newest.encode(), os.urandom(NONCE_BYTES)
        header = bytes([self.VERSION, len(key_id)]) + key_id
        sealed = self._ciphers[self._newest].encrypt(
            nonce, text.encode(), header + context.encode()
        )
        return header + nonce + sealed

    def open(self, value: bytes, *, context: str) -> str:
        """The text of a sealed ``value``; raises SealBroken for a wrong place, key or byte."""
        ends = 2 + int.from_bytes(value[1:2], "big")
        header, nonce = value[:ends], value[ends : ends + NONCE_BYTES]
        cipher = self._ciphers.get(header[2:].decode("ascii", "replace"))
        if cipher is None or value[0] != self.VERSION:
            raise SealBroken("a sealed value names a key that is not in DATA_KEYS")
        try:
            return cipher.decrypt(
                nonce, value[ends + NONCE_BYTES :], header + context.encode()
            ).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: cut short, no whole nonce is left
            raise SealBroken("a sealed value does not open in this place") from error

    def blind_index(self, purpose: str, text: str) -> bytes:
        """A keyed digest to find equal values by, without being able to read them. 16 bytes."""
        digest = hmac.HMAC(self._index_key, hashes.SHA256())
        digest.update(f"{purpose}:{text}".encode())
        return digest.finalize()[:INDEX_BYTES]


class SealBroken(Exception):  # noqa: N818 - reads as what it is at every raise
    """A sealed value was tampered with, moved, or its key is gone."""


_keyring: Keyring | None = None


def use_keyring(keyring: Keyring) -> None:
    """Hand the models the keys of this process. Called once, by ``create_app``."""
    global _keyring  # noqa: PLW0603 - one process, one ring
    _keyring = keyring


def keyring() -> Keyring:
    """The keys of this process."""
    if _keyring is None:
        raise RuntimeError("no keyring: create_app has not run")
    return _keyring


class Sealed:
    """A text attribute kept encrypted in the bytes column ``<name>_sealed`` of the same row.

    The row must have a ``uid`` that never changes; it ties the value to its row.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._column = f"{name}_sealed"
        self._name = name

    def opened(self, table: str, uid: str, sealed: bytes) -> str:
        """The text of a value that was read without its row."""
        return keyring().open(sealed, context=f"{table}.{self._name}:{uid}")

    def _context(self, row: Any) -> str:
        if row.uid is None:  # sealed to no row, the text would never open again
            raise RuntimeError("a row without a uid cannot seal: flush it first")
        return f"{row.__tablename__}.{self._name}:{row.uid}"

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: object, owner: type) -> str | None: ...
    def __get__(self, row: object | None, owner: type) -> Self | str | None:
        if row is None:
            return self
        value: bytes | None = getattr(row, self._column)
        return None if value is None else keyring().open(value, context=self._context(row))

    def __set__(self, row: object, text: str | None) -> None:
        sealed = None if text is None else keyring().seal(text, context=self._context(row))
        setattr(row, self._column, sealed)
