"""What the double remembers: texts and their states, opt-outs, and how each number behaves."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

API_VERSION = "2010-04-01"
LONGEST_BODY = 1600
LONGEST_CALLBACK = 4000
POOL_NUMBER = "+441632960999"  # what a messaging service sends from
STEPS = {"accepted": "queued", "queued": "sending", "sending": "sent"}
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "read", "received"})
STOP_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
LANDLINE_CODE = 30006
EXPIRED_CODE = 30036

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")


class RefusalError(Exception):
    """Twilio's answer to a request it will not take: HTTP status, its own code, a sentence."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_over() -> RefusalError:
    """Return what Twilio says when a record is to be deleted to which things still happen."""
    return RefusalError(20009, "Cannot delete this resource before it is complete", status=409)


@dataclass(frozen=True)
class Text:
    """One text as the double holds it; it is replaced, never changed."""

    sid: str
    account_sid: str
    to: str
    sender: str | None
    body: str
    status: str
    direction: str
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    error_code: int | None = None
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    validity_seconds: int = 36_000

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class TwilioState:
    """The double's memory; every method is safe to call from any thread."""

    def __init__(
        self,
        account_sid: str,
        *,
        numbers: Collection[str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``numbers`` are the senders the account owns; None means that it owns any."""
        self.account_sid = account_sid
        self.landlines: set[str] = set()
        self.opted_out: set[str] = set()
        self.line_types: dict[str, str | None] = {}
        self._numbers = numbers
        self._now = now
        self._ends: dict[str, tuple[str, int | None]] = {}
        self._texts: dict[str, Text] = {}
        self._sids_to: defaultdict[str, list[str]] = defaultdict(list)
        self._counter = 0
        self._lock = threading.RLock()

    @property
    def texts(self) -> list[Text]:
        """All texts, oldest first."""
        with self._lock:
            return list(self._texts.values())

    def texts_to(self, number: str) -> list[Text]:
        """The texts to one number, oldest first."""
        with self._lock:
            return [self._texts[sid] for sid in self._sids_to[number]]

    def get(self, sid: str) -> Text | None:
        """Return one text by its id."""
        with self._lock:
            return self._texts.get(sid)

    def set_end(self, to: str, status: str, error_code: int | None = None) -> None:
        """Decide how texts to ``to`` will end: delivered, undelivered, failed or read."""
        with self._lock:
            self._ends[to] = (status, error_code)

    def line_type(self, number: str) -> str | None:
        """Return what Lookup says of a number: as was set, else by its digits."""
        if number in self.line_types:
            return self.line_types[number]
        is_mobile = number.startswith("+447") and number not in self.landlines
        return "mobile" if is_mobile else "landline"

    def create(self, form: Mapping[str, str]) -> Text:
        """Take a text as Twilio would, or raise its refusal."""
        with self._lock:
            self._check(form)
            service = form.get("MessagingServiceSid")
            return self._keep(
                to=form["To"],
                sender=None if service else form["From"],
                body=form["Body"],
                status="accepted" if service else "queued",
                direction="outbound-api",
                messaging_service_sid=service,
                status_callback=form.get("StatusCallback") or None,
                validity_seconds=int(form.get("ValidityPeriod") or 36_000),
            )

    def receive(self, *, sender: str, to: str, body: str) -> Text:
        """Take a text from a phone; STOP and START and their kin are remembered."""
        with self._lock:
            word = body.strip().upper()
            if word in STOP_WORDS:
                self.opted_out.add(sender)
            elif word in START_WORDS:
                self.opted_out.discard(sender)
            return self._keep(
                to=to, sender=sender, body=body, status="received", direction="inbound"
            )

    def step(self, sid: str) -> Text | None:
        """Move one text to its next state; None when it has none."""
        with self._lock:
            text = self._texts[sid]
            if text.is_final:
                return None
            now = self._now()
            status, error_code = self._next(text, now)
            sent_at = now if status == "sent" else text.sent_at
            sender = text.sender or POOL_NUMBER
            moved = replace(
                text,
                status=status,
                error_code=error_code,
                sent_at=sent_at,
                updated_at=now,
                sender=sender,
            )
            self._texts[sid] = moved
            return moved

    def delete(self, sid: str) -> bool:
        """Forget one text, if it is at its end; False where there is none."""
        with self._lock:
            text = self._texts.get(sid)
            if text is not None and not text.is_final:
                raise not_over()
            return self._texts.pop(sid, None) is not None

    def _next(self, text: Text, now: datetime) -> tuple[str, int | None]:
        end, code = self._ends.get(text.to, ("delivered", None))
        if text.to in self.landlines:
            end, code = "undelivered", LANDLINE_CODE
        is_waiting = text.status in {"accepted", "queued"}
        if is_waiting and now - text.created_at > timedelta(seconds=text.validity_seconds):
            return "failed", EXPIRED_CODE
        if text.status == "sending" and end == "failed":
            return end, code
        return (STEPS[text.status], None) if text.status in STEPS else (end, code)

    def _keep(
        self,
        *,
        to: str,
        sender: str | None,
        body: str,
        status: str,
        direction: str,
        messaging_service_sid: str | None = None,
        status_callback: str | None = None,
        validity_seconds: int = 36_000,
    ) -> Text:
        self._counter += 1
        now = self._now()
        text = Text(
            sid=f"SM{self._counter:032x}",
            account_sid=self.account_sid,
            to=to,
            sender=sender,
            body=body,
            status=status,
            direction=direction,
            created_at=now,
            updated_at=now,
            messaging_service_sid=messaging_service_sid,
            status_callback=status_callback,
            validity_seconds=validity_seconds,
        )
        self._texts[text.sid] = text
        self._sids_to[to].append(text.sid)
        return text

    def _check(self, form: Mapping[str, str]) -> None:
        """Raise what Twilio would say of a text, in the order it looks."""
        to, body = form.get("To", ""), form.get("Body", "")
        if not to:
            raise RefusalError(21604, "A 'To' phone number is required.")
        if not _E164.fullmatch(to):
            raise RefusalError(21211, f"Invalid 'To' Phone Number: {to}")
        self._check_sender(form)
        if not body:
            raise RefusalError(21602, "Message body is required.")
        if len(body) > LONGEST_BODY:
            raise RefusalError(
                21617, "The concatenated message body exceeds the 1600 character limit."
            )
        if not _is_callback(form.get("StatusCallback", "")):
            raise RefusalError(21609, "The 'StatusCallback' URL is not a valid URL.")
        if to in self.opted_out:
            raise RefusalError(21610, "Attempt to send to unsubscribed recipient")

    def _check_sender(self, form: Mapping[str, str]) -> None:
        sender, service = form.get("From", ""), form.get("MessagingServiceSid", "")
        if service:
            if not _SERVICE.fullmatch(service):
                raise RefusalError(21701, "The Messaging Service does not exist")
            return
        if not sender:
            raise RefusalError(21603, "A 'From' phone number is required.")
        if not _E164.fullmatch(sender) and not _ALPHANUMERIC.fullmatch(sender):
            raise RefusalError(21212, f"Invalid From Number (caller ID): {sender}")
        if self._numbers is not None and sender not in self._numbers:
            raise RefusalError(
                21659,
                f"'From' {sender} is not a Twilio phone number or Short Code country mismatch",
            )
        if sender == form["To"]:
            raise RefusalError(21266, "'To' and 'From' number cannot be the same")


def _is_callback(url: str) -> bool:
    """Tell whether Twilio would take ``url`` for receipts; none at all is fine."""
    if not url:
        return True
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    is_sound = parts.scheme in {"http", "https"} and bool(host) and "_" not in host
    return is_sound and len(url) <= LONGEST_CALLBACK
