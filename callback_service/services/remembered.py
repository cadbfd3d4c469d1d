"""What was found in the database a little while ago, for whoever may be told that instead."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

Found = TypeVar("Found")


class Remembered(Generic[Found]):
    """The last of its kind that was found in each database, for as long as it holds."""

    def __init__(self, *, holds_for: timedelta) -> None:
        self._holds_for = holds_for
        self._last: WeakKeyDictionary[Engine, tuple[datetime, Hashable, Found]] = (
            WeakKeyDictionary()
        )

    def get(
        self,
        session: Session,
        find: Callable[[], Found],
        *,
        about: Hashable = None,
        now: datetime,
    ) -> Found:
        """What was found ``about`` this before ``now``, or what ``find`` finds.

        At the very instant it is found anew, so that no instant has two truths: a change and what
        is asked after it may have the same ``now``.
        """
        engine = session.get_bind().engine
        last = self._last.get(engine)
        if last is not None and last[1] == about and last[0] < now < last[0] + self._holds_for:
            return last[2]
        found = find()
        self._last[engine] = now, about, found
        return found
