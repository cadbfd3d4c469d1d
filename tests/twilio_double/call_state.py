"""What the double remembers of calls: each leg, its state, and what was said on it."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urldefrag, urlsplit

from tests.twilio_double.state import RefusalError, not_over

OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
WITHHELD = "anonymous"
#: What the SDK asks to be told of, and the state each is a step to.
EVENTS = {
    "initiated": "initiated",
    "ringing": "ringing",
    "answered": "in-progress",
    "completed": "completed",
}
USUAL_EVENTS = frozenset({"completed"})

_E164 = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(frozen=True)
class Leg:
    """One leg of a call; it is replaced, never changed."""

    sid: str
    to: str
    sender: str
    status: str
    direction: str
    created_at: datetime
    updated_at: datetime
    parent_sid: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    url: str | None = None
    status_callback: str | None = None
    events: frozenset[str] = USUAL_EVENTS
    ring_seconds: int = 60

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def seconds(self) -> int | None:
        """How long it lasted; Twilio counts a part of a second as one."""
        if self.ended_at is None:
            return None
        if self.started_at is None:
            return 0
        return max(int((self.ended_at - self.started_at).total_seconds()), 1)


class CallState:
    """The double's memory of calls; every method is safe to call from any thread."""

    def __init__(
        self,
        *,
        numbers: Collection[str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._numbers = numbers
        self._now = now
        self._legs: dict[str, Leg] = {}
        self._said: defaultdict[str, list[str]] = defaultdict(list)
        self._hung_up: set[str] = set()
        self._counter = 0
        self._lock = threading.RLock()

    def delete(self, sid: str) -> bool:
        """Forget one leg, if it is over; False where there is none."""
        with self._lock:
            leg = self._legs.get(sid)
            if leg is not None and not leg.is_over:
                raise not_over()
            return self._legs.pop(sid, None) is not None

    @property
    def legs(self) -> list[Leg]:
        """All legs, oldest first."""
        with self._lock:
            return list(self._legs.values())

    def get(self, sid: str) -> Leg | None:
        """Return one leg by its id."""
        with self._lock:
            return self._legs.get(sid)

    def said(self, sid: str) -> list[str]:
        """What was said to whoever is at this leg."""
        with self._lock:
            return list(self._said[sid])

    def say(self, sid: str, words: str) -> None:
        """Say words on a leg."""
        with self._lock:
            self._said[sid].append(words)

    def create(self, form: Mapping[str, str], events: Collection[str]) -> Leg:
        """Take a call as Twilio would, or raise its refusal."""
        with self._lock:
            self._check(form)
            return self.keep(
                to=form["To"],
                sender=form["From"],
                status="queued",
                direction="outbound-api",
                url=form["Url"],
                status_callback=form.get("StatusCallback") or None,
                events=frozenset(events) or USUAL_EVENTS,
                ring_seconds=int(form.get("Timeout") or 60),
            )

    def keep(
        self,
        *,
        to: str,
        sender: str,
        status: str,
        direction: str,
        parent_sid: str | None = None,
        url: str | None = None,
        status_callback: str | None = None,
        events: frozenset[str] = USUAL_EVENTS,
        ring_seconds: int = 60,
    ) -> Leg:
        """Put a new leg among the others."""
        with self._lock:
            self._counter += 1
            now = self._now()
            leg = Leg(
                sid=f"CA{self._counter:032x}",
                to=to,
                sender=sender,
                status=status,
                direction=direction,
                created_at=now,
                updated_at=now,
                parent_sid=parent_sid,
                started_at=now if status == "in-progress" else None,
                url=url,
                status_callback=status_callback,
                events=events,
                ring_seconds=ring_seconds,
            )
            self._legs[leg.sid] = leg
            return leg

    def move(self, sid: str, status: str) -> Leg:
        """Move a leg on; one that is over stays as it is."""
        with self._lock:
            leg = self._legs[sid]
            if leg.is_over:
                return leg
            now = self._now()
            self._legs[sid] = replace(
                leg,
                status=status,
                updated_at=now,
                started_at=now if status == "in-progress" else leg.started_at,
                ended_at=now if status in OVER else None,
            )
            return self._legs[sid]

    def hang_up(self, sid: str) -> None:
        """Twilio is told to end a leg; refused where it is over."""
        with self._lock:
            if self._legs[sid].is_over:
                raise RefusalError(21220, "Call is not in-progress. Cannot redirect.")
            self._hung_up.add(sid)

    def is_hung_up(self, sid: str) -> bool:
        """Whether Twilio was told to end this leg."""
        with self._lock:
            return sid in self._hung_up

    def may_show(self, caller_id: str) -> bool:
        """Whether the account may show this number; none at all is fine."""
        if caller_id == WITHHELD:
            return True
        return bool(_E164.fullmatch(caller_id)) and caller_id in (self._numbers or {caller_id})

    def _check(self, form: Mapping[str, str]) -> None:
        """Raise what Twilio would say of a call, in the order it looks."""
        to, sender = form.get("To", ""), form.get("From", "")
        if not to:
            raise RefusalError(21201, "No 'To' number is specified")
        if not _E164.fullmatch(to):
            raise RefusalError(21211, f"Invalid 'To' Phone Number: {to}")
        if not sender:
            raise RefusalError(21213, "No 'From' number is specified")
        if not _E164.fullmatch(sender):
            raise RefusalError(21212, f"Invalid 'From' Phone Number: {sender}")
        if self._numbers is not None and sender not in self._numbers:
            raise RefusalError(21210, f"'From' phone number not verified: {sender}")
        _check_addresses(form)


def _check_addresses(form: Mapping[str, str]) -> None:
    if not _is_address(form.get("Url", "")):
        raise RefusalError(21205, "Url is not a valid URL")
    if form.get("StatusCallback") and not _is_address(form["StatusCallback"]):
        raise RefusalError(21609, "The 'StatusCallback' URL is not a valid URL.")


def _is_address(url: str) -> bool:
    parts = urlsplit(urldefrag(url)[0])
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
