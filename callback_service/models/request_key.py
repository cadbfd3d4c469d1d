"""The keys of requests. Without its key nothing that a caller told us can be read any more."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base
from callback_service.models.sealing import RequestCipher, keyring


class RequestKey(Base):
    """The random key of one request, wrapped by a key of the service.

    Tied to the request by its uid and by no foreign key: this table is backed up, restored and
    forgotten apart from all others.
    """

    __tablename__ = "request_key"

    request_uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    wrapped: Mapped[bytes]

    @classmethod
    def new(cls, request_uid: str) -> RequestKey:
        """A key of its own for one request."""
        return cls(request_uid=request_uid, wrapped=keyring().new_request_key(request_uid))

    def rewrap(self) -> None:
        """Have the service's newest key wrap it. What it has sealed stays as it is."""
        self.wrapped = keyring().rewrapped(self.wrapped, self.request_uid)

    def seal(self, text: str, *, context: str) -> bytes:
        """``text`` encrypted for ``context``."""
        return self._cipher().seal(text, context=context)

    def open(self, value: bytes, *, context: str) -> str:
        """The text of a sealed ``value``; raises SealBroken for a wrong place, key or byte."""
        return self._cipher().open(value, context=context)

    def _cipher(self) -> RequestCipher:
        return keyring().request_cipher(self.wrapped, self.request_uid)
