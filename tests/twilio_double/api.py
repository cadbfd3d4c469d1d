"""The part of Twilio's REST API that the double speaks: messages, and look-ups of numbers."""

import base64
import hmac
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from tests.twilio_double.lookups import is_of_lookups, look_up
from tests.twilio_double.misbehaviour import Misdeed, Rule, Rulebook
from tests.twilio_double.state import API_VERSION, RefusalError, Text, TwilioState

LARGEST_PAGE = 1000
GSM_SINGLE, GSM_PART = 160, 153
UCS_SINGLE, UCS_PART = 70, 67

_LIST = re.compile(rf"/{API_VERSION}/Accounts/(?P<account>\w+)/Messages\.json")
_ONE = re.compile(rf"/{API_VERSION}/Accounts/(?P<account>\w+)/Messages/(?P<sid>\w+)\.json")


@dataclass(frozen=True)
class Request:
    """One request as it came in; of a repeated field the last value counts."""

    method: str
    path: str
    query: Mapping[str, str]
    body: str
    headers: Mapping[str, str]

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body))


@dataclass(frozen=True)
class Reply:
    """What goes back; ``is_cut`` means nothing does, and the connection is reset."""

    status: int = HTTPStatus.OK
    content: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


def json_reply(content: object, status: int = HTTPStatus.OK, **headers: str) -> Reply:
    """Return ``content`` as JSON; a header's name is given with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), headers=named)


def refuse(code: int, message: str, status: int, **headers: str) -> Reply:
    """Return one of Twilio's errors."""
    content = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return json_reply(content, status, **headers)


class MessagesApi:
    """Answers Twilio's routes from the state, spoiled by whatever rule strikes."""

    def __init__(
        self,
        state: TwilioState,
        rules: Rulebook,
        credentials: tuple[str, str],
        *,
        on_created: Callable[[Text], None],
        stopping: threading.Event,
    ) -> None:
        self._state = state
        self._rules = rules
        self._on_created = on_created
        self._stopping = stopping
        encoded = base64.b64encode(":".join(credentials).encode()).decode()
        self._authorization = f"Basic {encoded}"

    def answer(self, request: Request) -> Reply:
        """Answer one request as Twilio would."""
        if not self.is_signed_in(request):
            return refuse(20003, "Authenticate", HTTPStatus.UNAUTHORIZED)
        if is_of_lookups(request.path):
            found = look_up(self._state, request.path, request.query)
            return self.spoiled(self._rules.take("find"), lambda: json_reply(found))
        one, many = _ONE.fullmatch(request.path), _LIST.fullmatch(request.path)
        route = one or many
        if route is None or route["account"] != self._state.account_sid:
            return not_found(request.path)
        if many and request.method == "POST":
            return self.spoiled(self._rules.take("send"), lambda: self._create(request.form))
        if one and request.method == "DELETE":
            rule = self._rules.take("delete")
            return self.spoiled(rule, lambda: self._delete(one["sid"], request.path))
        if request.method != "GET":
            return refuse(20004, "Method not allowed", HTTPStatus.METHOD_NOT_ALLOWED)
        if one:
            return self._fetch(one["sid"], request.path)
        return self.spoiled(self._rules.take("find"), lambda: self._list(request))

    def is_signed_in(self, request: Request) -> bool:
        """Whether a request brings the account's own name and token."""
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), self._authorization.encode())

    def spoiled(self, rule: Rule | None, answer: Callable[[], Reply]) -> Reply:
        """Return the right answer, or what the rule makes of it."""
        if rule is None:
            return answer()
        if rule.misdeed in UNTAKEN:
            return UNTAKEN[rule.misdeed](rule)
        if rule.misdeed is Misdeed.SLOW:
            self._stopping.wait(rule.seconds)
        reply = answer()
        if rule.misdeed is Misdeed.SLOW_REPLY:
            self._stopping.wait(rule.seconds)
        return TAKEN.get(rule.misdeed, reply)

    def _create(self, form: Mapping[str, str]) -> Reply:
        try:
            text = self._state.create(form)
        except RefusalError as no:
            return refuse(no.code, no.message, no.status)
        self._on_created(text)
        return json_reply(message_json(text), HTTPStatus.CREATED)

    def _fetch(self, sid: str, path: str) -> Reply:
        text = self._state.get(sid)
        return not_found(path) if text is None else json_reply(message_json(text))

    def _delete(self, sid: str, path: str) -> Reply:
        try:
            is_gone = self._state.delete(sid)
        except RefusalError as no:
            return refuse(no.code, no.message, no.status)
        return Reply(HTTPStatus.NO_CONTENT) if is_gone else not_found(path)

    def _list(self, request: Request) -> Reply:
        """Return one page of the texts asked for, newest first."""
        size = min(max(int(request.query.get("PageSize") or 50), 1), LARGEST_PAGE)
        page = max(int(request.query.get("Page") or 0), 0)
        to = request.query.get("To")
        texts = self._state.texts if to is None else self._state.texts_to(to)
        found = [text for text in reversed(texts) if _fits(text, request.query)]
        start = page * size
        shown = found[start : start + size]

        def uri(number: int) -> str:
            return (
                f"{request.path}?{urlencode({**request.query, 'PageSize': size, 'Page': number})}"
            )

        content = {
            "messages": [message_json(text) for text in shown],
            "page": page,
            "page_size": size,
            "start": start,
            "end": start + max(len(shown) - 1, 0),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if start + size < len(found) else None,
        }
        return json_reply(content)


def not_found(path: str) -> Reply:
    """Return what Twilio says of an address it does not know."""
    message = f"The requested resource {path} was not found"
    return refuse(20404, message, HTTPStatus.NOT_FOUND)


def _server_fault(status: int) -> Reply:
    return refuse(20500, "An internal server error has occurred", status)


def _slow_down(rule: Rule) -> Reply:
    return refuse(20429, "Too Many Requests", 429, Retry_After=str(int(rule.seconds)))


#: What is said instead of doing what was asked, and after doing it.
UNTAKEN: dict[Misdeed, Callable[[Rule], Reply]] = {
    Misdeed.ERROR_500: lambda _: _server_fault(500),
    Misdeed.ERROR_503: lambda _: _server_fault(503),
    Misdeed.TOO_MANY_REQUESTS: _slow_down,
    Misdeed.RESET: lambda _: Reply(is_cut=True),
}
TAKEN: dict[Misdeed, Reply] = {
    Misdeed.ERROR_500_STORED: _server_fault(500),
    Misdeed.REPLY_LOST: Reply(is_cut=True),
    Misdeed.GARBAGE: Reply(201, b"<html>\xff not what you asked for", "text/html"),
}


def message_json(text: Text) -> dict[str, object]:
    """Return a text in the full form of Twilio's message resource."""
    uri = f"/{API_VERSION}/Accounts/{text.account_sid}/Messages/{text.sid}"
    return {
        "account_sid": text.account_sid,
        "api_version": API_VERSION,
        "body": text.body,
        "date_created": rfc2822(text.created_at),
        "date_sent": rfc2822(text.sent_at),
        "date_updated": rfc2822(text.updated_at),
        "direction": text.direction,
        "error_code": text.error_code,
        "error_message": None if text.error_code is None else f"Error {text.error_code}",
        "from": text.sender,
        "messaging_service_sid": text.messaging_service_sid,
        "num_media": "0",
        "num_segments": str(_segments(text.body)) if text.sender else "0",
        "price": None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.to,
        "uri": f"{uri}.json",
    }


def _fits(text: Text, query: Mapping[str, str]) -> bool:
    """Tell whether the list's filters let ``text`` through; an unsent text has no DateSent."""
    if query.get("To", text.to) != text.to or query.get("From", text.sender) != text.sender:
        return False
    bounds = {name: query[name] for name in ("DateSent", "DateSent<", "DateSent>") if name in query}
    if not bounds:
        return True
    if text.sent_at is None:
        return False
    day = timedelta(days=1)
    for name, value in bounds.items():
        asked = datetime.fromisoformat(value)
        asked = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
        if name != "DateSent<" and text.sent_at < asked:
            return False
        if name != "DateSent>" and text.sent_at >= asked + day:
            return False
    return True


def _segments(body: str) -> int:
    """Return how many parts a text takes, near enough: ASCII is counted as GSM-7."""
    single, part = (GSM_SINGLE, GSM_PART) if body.isascii() else (UCS_SINGLE, UCS_PART)
    return 1 if len(body) <= single else -(-len(body) // part)


def rfc2822(at: datetime | None) -> str | None:
    """Return an instant as Twilio writes it."""
    return None if at is None else format_datetime(at)
