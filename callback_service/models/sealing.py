"""Sealed (encrypted) fields, the keys that open them, and the index to find equal values by.

The first byte of a sealed value tells whose key it is: one of the service's, which it names, or
that of the request it belongs to (``models/request_key.py``).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any, Final, Protocol, Self, overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callback_service.domain.data_keys import KEY_BYTES, DataKeys

NONCE_BYTES: Final = 12
INDEX_BYTES: Final = 16
BY_SERVICE: Final = b"\x01"
BY_REQUEST: Final = b"\x02"
_WRAPPING: Final = "request_key.wrapped:"


class SealBroken(Exception):  # noqa: N818 - reads as what it is at every raise
    """A sealed value was tampered with, moved, or its key is gone."""


class Key(Protocol):
    """What seals a text for its place, the ``context``, and opens it there."""

    def seal(self, text: str, *, context: str) -> bytes:
        """``text`` encrypted for ``context``."""

    def open(self, value: bytes, *, context: str) -> str:
        """The text of a sealed ``value``; raises SealBroken for a wrong place, key or byte."""


def _encrypt(cipher: AESGCM, header: bytes, secret: bytes, context: str) -> bytes:
    """Header, nonce, AES-256-GCM ciphertext with tag. Header and context are authenticated."""
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher.encrypt(nonce, secret, header + context.encode())


def _decrypt(cipher: AESGCM, value: bytes, header: bytes, context: str) -> bytes:
    begins = len(header) + NONCE_BYTES
    try:
        nonce, sealed = value[len(header) : begins], value[begins:]
        return cipher.decrypt(nonce, sealed, header + context.encode())
    except (InvalidTag, ValueError) as error:  # ValueError: cut short, no whole nonce is left
        raise SealBroken("a sealed value does not open in this place") from error


class RequestCipher:
    """Seals what hangs on one request, with the key of that request."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str, *, context: str) -> bytes:
        """``text`` encrypted for ``context``."""
        return _encrypt(self._cipher, BY_REQUEST, text.encode(), context)

    def open(self, value: bytes, *, context: str) -> str:
        """The text of a sealed ``value``; raises SealBroken for a wrong place, key or byte."""
        return _decrypt(self._cipher, value, BY_REQUEST, context).decode()


class _Ring:
    """One set of keys, ready for use. Never changed: threads share it."""

    def __init__(self, keys: DataKeys) -> None:
        self.newest = keys.ids[0]
        self.ciphers = {key_id: AESGCM(key) for key_id, key in keys.keys}
        self.index_key = index_key(keys)


def index_key(keys: DataKeys) -> bytes:
    """The key of blind indexes: the one that is named, else one made from the oldest data key."""
    if keys.index_key is not None:
        return keys.index_key
    return HKDF(hashes.SHA256(), KEY_BYTES, None, b"blind index").derive(keys.keys[-1][1])


class Keyring:
    """The keys of the service. ``look`` gives them anew where they have changed, else None.

    Sealed value: ``BY_SERVICE``, length of key id, key id, nonce, ciphertext.
    """

    def __init__(
        self, keys: DataKeys, *, look: Callable[[], DataKeys | None] = lambda: None
    ) -> None:
        self._ring = _Ring(keys)
        self._look = look

    def _present(self) -> _Ring:
        changed = self._look()
        if changed is not None:
            self._ring = _Ring(changed)
        return self._ring

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return self._present().newest

    def seal(self, text: str, *, context: str) -> bytes:
        """``text`` encrypted for ``context`` with the newest key."""
        return self._seal(text.encode(), context)

    def open(self, value: bytes, *, context: str) -> str:
        """The text of a sealed ``value``; raises SealBroken for a wrong place, key or byte."""
        return self._open(value, context).decode()

    def new_request_key(self, uid: str) -> bytes:
        """A random key for the request ``uid``, wrapped with the newest key."""
        return self._seal(os.urandom(KEY_BYTES), _WRAPPING + uid)

    def rewrapped(self, wrapped: bytes, uid: str) -> bytes:
        """The same key of a request, wrapped with the newest key."""
        return self._seal(self._open(wrapped, _WRAPPING + uid), _WRAPPING + uid)

    def request_cipher(self, wrapped: bytes, uid: str) -> RequestCipher:
        """What seals and opens for the request ``uid``."""
        return RequestCipher(self._open(wrapped, _WRAPPING + uid))

    def _seal(self, secret: bytes, context: str) -> bytes:
        ring = self._present()
        return _encrypt(ring.ciphers[ring.newest], header_of(ring.newest), secret, context)

    def _open(self, value: bytes, context: str) -> bytes:
        key_id = key_id_of(value)
        cipher = self._ring.ciphers.get(key_id) or self._present().ciphers.get(key_id)
        if cipher is None or value[:1] != BY_SERVICE:
            raise SealBroken("a sealed value names a key that is not in DATA_KEYS")
        return _decrypt(cipher, value, header_of(key_id), context)

    def blind_index(self, purpose: str, text: str) -> bytes:
        """A keyed digest to find equal values by, without being able to read them. 16 bytes."""
        digest = hmac.digest(self._ring.index_key, f"{purpose}:{text}".encode(), "sha256")
        return digest[:INDEX_BYTES]


def header_of(key_id: str) -> bytes:
    """What values begin with that the service's key ``key_id`` has sealed."""
    return BY_SERVICE + bytes([len(key_id)]) + key_id.encode()


def key_id_of(value: bytes) -> str:
    """The id of the service's key that a sealed ``value`` names."""
    return value[2 : 2 + int.from_bytes(value[1:2], "big")].decode("ascii", "replace")


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

    The row must have a ``uid`` that never changes; it ties the value to its row. ``by_request``:
    sealed with the ``request_key`` of the row, if it has one. Once that key is destroyed, as
    erasure does, the text reads as None, in whatever copy of the row.
    """

    def __init__(self, *, by_request: bool = False) -> None:
        self.by_request = by_request

    def __set_name__(self, owner: type, name: str) -> None:
        self.column = f"{name}_sealed"
        self._name = name

    def opened(self, table: str, uid: str, sealed: bytes, *, request_key: Key | None) -> str | None:
        """The text of a value that was read without its row."""
        context = f"{table}.{self._name}:{uid}"
        if sealed[:1] != BY_REQUEST:
            return keyring().open(sealed, context=context)
        return None if request_key is None else request_key.open(sealed, context=context)

    def _key(self, row: Any) -> Key | None:
        key: Key | None = row.request_key if self.by_request else None
        return key

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: object, owner: type) -> str | None: ...
    def __get__(self, row: Any, owner: type) -> Self | str | None:
        if row is None:
            return self
        value: bytes | None = getattr(row, self.column)
        if value is None:
            return None
        return self.opened(row.__tablename__, row.uid, value, request_key=self._key(row))

    def __set__(self, row: Any, text: str | None) -> None:
        if text is None:
            setattr(row, self.column, None)
            return
        if row.uid is None:  # sealed to no row, the text would never open again
            raise RuntimeError("a row without a uid cannot seal: flush it first")
        key = self._key(row) or keyring()
        context = f"{row.__tablename__}.{self._name}:{row.uid}"
        setattr(row, self.column, key.seal(text, context=context))
