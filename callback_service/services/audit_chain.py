"""The chain of audit entries: sealing new ones as a transaction ends, and proving it whole.

The key comes from ``SECRET_KEY``. Whoever can write to the database but does not have it can
neither change, take out, put in or move an entry, nor cut off the end, without ``verify`` finding
it. Putting back an old copy of everything is found by a mark that was noted outside.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Table, bindparam, func, insert, inspect, or_, select, text, update
from sqlalchemy.orm import Session

from callback_service.models.audit import AuditEntry, AuditHead, AuditSeal
from callback_service.services import plain_rows
from callback_service.services.audit import UNSEALED, WRITTEN
from callback_service.services.server import ended_soon, is_server

#: Rows held in memory at once while the chain is walked.
WALKED_AT_ONCE: Final = 1000

_HEAD: Final = cast("Table", AuditHead.__table__)
_SEAL: Final = cast("Table", AuditSeal.__table__)
_ENTRY: Final = cast("Table", AuditEntry.__table__)


class ChainKey:
    """What seals are made with, by the secret it comes from."""

    def __init__(self, secret: str) -> None:
        self._key = HKDF(hashes.SHA256(), 32, None, b"audit chain").derive(secret.encode())
        self.key_id = self.mac(b"key id")[:4].hex()

    def mac(self, *parts: bytes) -> bytes:
        """A keyed digest of ``parts``, each with its length; 32 bytes."""
        content = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, content, "sha256")

    def start(self, begins_after: int) -> bytes:
        """What stands before the first seal."""
        return self.mac(b"start", str(begins_after).encode())

    def seal(self, before: bytes, position: int, entry: Any) -> bytes:
        """The seal of ``entry`` (a row of entries) at ``position``, after the seal ``before``."""
        return self.mac(b"entry", before, str(position).encode(), content_of(entry))

    def proof(self, position: int, mac: bytes, begins_after: int) -> bytes:
        """That the chain ends at ``position``."""
        return self.mac(b"end", str(position).encode(), mac, str(begins_after).encode())


_key: ChainKey | None = None


def use_secret(secret: str) -> None:
    """Seal with a key from ``secret`` from now on. Called once, by ``create_app``."""
    global _key  # noqa: PLW0603 - one process, one key
    _key = ChainKey(secret)


def _sealing_key() -> ChainKey:
    if _key is None:
        raise RuntimeError("no key for the audit chain: create_app has not run")
    return _key


def content_of(entry: Any) -> bytes:
    """What of an entry is sealed, in the same bytes before it is stored and after."""
    told = (
        entry.id,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor_id,
        entry.action,
        entry.subject,
        entry.subject_id,
        json.loads(json.dumps(entry.detail)),  # as it comes back from the database
    )
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def seal(session: Session) -> None:
    """Put what this transaction wrote down into the chain. The last thing before its commit.

    The lock of the chain's end is taken here, when every other lock is held already and every row
    written. So whoever has it waits for nobody, and others wait for a commit and not for a deed.
    """
    entries = [*_recorded(session), *_written(session)]
    if entries:
        _append(session, entries, _sealing_key())


def _recorded(session: Session) -> list[AuditEntry]:
    noted: list[AuditEntry] = session.info.pop(UNSEALED, [])
    if noted:
        session.flush()
    # What was written down in a savepoint that was rolled back is not there any more.
    return [entry for entry in noted if inspect(entry).persistent]


def _written(session: Session) -> list[AuditEntry]:
    """Those written without the session; not those of a transaction that was rolled back."""
    written, present = session.info.pop(WRITTEN, []), session.get_transaction()
    return [entry for transaction, entry in written if transaction is present]


_END: Final = select(_HEAD.c.position, _HEAD.c.mac, _HEAD.c.begins_after).with_for_update()
_END_ON_SERVER: Final = _END.add_columns(ended_soon())
_NEW_SEAL: Final = insert(_SEAL)
_MOVE_END: Final = update(_HEAD).values(
    position=bindparam("new_position"), mac=bindparam("new_mac"), proof=bindparam("new_proof")
)
_SEAL_AND_MOVE_END: Final = _MOVE_END.add_cte(
    _NEW_SEAL.values({column: bindparam(column.name) for column in _SEAL.c}).cte("sealed")
)
#: Of several who find no end at once one puts it there. "WHERE true" is for SQLite's parser.
_NEW_END: Final = text(
    "INSERT INTO audit_head (id, position, begins_after)"
    " SELECT 1, coalesce(max(position), 0), 0 FROM audit_seal WHERE true"
    " ON CONFLICT (id) DO NOTHING"
)


def _append(session: Session, entries: Sequence[AuditEntry], key: ChainKey) -> None:
    position, mac, begins_after = _locked_end(session, key)
    seals = []
    for entry in entries:
        position += 1
        mac = key.seal(mac, position, entry)
        seals.append({"position": position, "entry_id": entry.id, "key_id": key.key_id, "mac": mac})
    proof = key.proof(position, mac, begins_after)
    reached = {"new_position": position, "new_mac": mac, "new_proof": proof}
    if len(seals) == 1 and is_server(session):  # others wait for the end: one statement less
        plain_rows.run(session, _SEAL_AND_MOVE_END, {**seals[0], **reached})
        return
    plain_rows.run(session, _NEW_SEAL, seals)
    plain_rows.run(session, _MOVE_END, reached)


def _locked_end(session: Session, key: ChainKey) -> tuple[int, bytes, int]:
    """Where the chain ends, locked; with what stands there and where the chain begins."""
    end = _END_ON_SERVER if is_server(session) else _END
    found = plain_rows.rows(session, end).first()
    if found is None:  # the tests' emptied database; taken away by hand, it shows in ``verify``
        session.execute(_NEW_END)
        found = session.execute(end).one()
    return found.position, found.mac or key.start(found.begins_after), found.begins_after


@dataclass(frozen=True, slots=True)
class Mark:
    """A place of the chain and what stands there: what was sealed up to it cannot be otherwise."""

    position: int
    mac: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.mac.hex()}"

    @classmethod
    def parse(cls, given: str) -> Mark:
        """The mark that was printed as ``given``; raises ValueError."""
        position, _, mac = given.partition(":")
        return cls(int(position), bytes.fromhex(mac))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found. ``trouble`` is a sentence on the first thing wrong."""

    sealed: int  # entries that were found whole
    older: int  # entries from before there was a chain
    end: Mark | None
    trouble: str | None


def verify(
    session: Session, *, former_secrets: Sequence[str] = (), mark: Mark | None = None
) -> Verdict:
    """Walk the whole chain, with a few rows in memory; the first thing that is wrong, if any is.

    ``former_secrets`` open what was sealed before ``SECRET_KEY`` was changed. ``mark`` is an
    earlier end of the chain, noted elsewhere, that it must still contain.
    """
    if session.get_bind().dialect.name == "postgresql":  # one look at one moment, as SQLite's is
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    walk = _Walk([_sealing_key(), *(ChainKey(secret) for secret in former_secrets)], mark)
    head = session.execute(select(_HEAD)).first()
    begins_after = head.begins_after if head else 0
    with closing(_rows(session)) as rows:
        trouble = walk.along(rows, begins_after)
    trouble = trouble or walk.at_the_end(head) or _unsealed(session, begins_after)
    return Verdict(walk.position, _older(session, begins_after), walk.end, trouble)


def _rows(session: Session) -> Generator[Any]:
    """Every seal with its entry, in order. Of an entry that is gone the columns are None."""
    seals = select(_SEAL, *_ENTRY.c).outerjoin(_ENTRY, _ENTRY.c.id == _SEAL.c.entry_id)
    options = {"yield_per": WALKED_AT_ONCE}
    with session.execute(seals.order_by(_SEAL.c.position), execution_options=options) as found:
        yield from found


class _Walk:
    """How far the chain was found whole."""

    def __init__(self, keys: Sequence[ChainKey], mark: Mark | None) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._mark = mark
        self._key: ChainKey | None = None  # of the latest seal
        self._mac = b""
        self.position = 0

    @property
    def end(self) -> Mark | None:
        """The last place that was found whole."""
        return Mark(self.position, self._mac) if self.position else None

    def along(self, rows: Iterator[Any], begins_after: int) -> str | None:
        """Go along the seals; what is wrong with the first that is not whole."""
        for row in rows:
            self._key = self._keys.get(row.key_id)
            trouble = self._trouble_at(row, begins_after)
            if trouble:
                return trouble
            self.position, self._mac = row.position, row.mac
        return None

    def _trouble_at(self, row: Any, begins_after: int) -> str | None:
        place = f"place {row.position} of the chain"
        if row.position != self.position + 1:
            return f"The entry at place {self.position + 1} of the chain is missing."
        if row.id is None:
            return f"Entry {row.entry_id}, at {place}, was deleted."
        if self._key is None:
            return f"Entry {row.id}, at {place}, was sealed with another SECRET_KEY ({row.key_id})."
        before = self._mac or self._key.start(begins_after)
        if not hmac.compare_digest(row.mac, self._key.seal(before, row.position, row)):
            when = f"{row.at:%Y-%m-%d %H:%M} UTC"
            return f"Entry {row.id} of {when}, at {place}, or its seal, is not as it was written."
        if self._mark and self._mark.position == row.position and self._mark.mac != row.mac:
            return f"The chain was written anew: at {place} it is not what was noted."
        return None

    def at_the_end(self, head: Any) -> str | None:
        """What is wrong with where the chain ends."""
        if head is None:
            return "The note of where the chain ends was deleted." if self.position else None
        if head.position > self.position:
            return f"The last entries were deleted: {head.position - self.position} are missing."
        if head.position < self.position or (self._key and not self._is_proven(head)):
            return "The note of where the chain ends is not as it was written."
        if self._mark and self._mark.position > self.position:
            return f"The chain ends before place {self._mark.position}, which was noted."
        return None

    def _is_proven(self, head: Any) -> bool:
        if self._key is None or head.mac != self._mac:
            return False
        proof = self._key.proof(head.position, self._mac, head.begins_after)
        return hmac.compare_digest(head.proof or b"", proof)


def _unsealed(session: Session, begins_after: int) -> str | None:
    """What is wrong with the first entry that no seal belongs to."""
    is_sealed = select(_SEAL.c.entry_id).where(_SEAL.c.entry_id == _ENTRY.c.id).exists()
    is_new = or_(_ENTRY.c.id > begins_after, _ENTRY.c.id < 1)
    first = session.scalar(select(func.min(_ENTRY.c.id)).where(is_new, ~is_sealed))
    return None if first is None else f"Entry {first} was not written by this service."


def _older(session: Session, begins_after: int) -> int:
    is_sealed = select(_SEAL.c.entry_id).where(_SEAL.c.entry_id == _ENTRY.c.id).exists()
    is_old = _ENTRY.c.id.between(1, begins_after)
    older = select(func.count()).select_from(_ENTRY).where(is_old, ~is_sealed)
    return session.scalar(older) or 0
