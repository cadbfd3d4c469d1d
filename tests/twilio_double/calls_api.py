"""The part of Twilio's REST API about calls: create, list, fetch, and ending one."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from tests.twilio_double.api import Reply, Request, json_reply, not_found, refuse, rfc2822
from tests.twilio_double.call_state import CallState, Leg
from tests.twilio_double.exchange import Exchange
from tests.twilio_double.misbehaviour import Rule, Rulebook
from tests.twilio_double.state import API_VERSION, RefusalError

LARGEST_PAGE = 1000

_ROUTE = re.compile(rf"/{API_VERSION}/Accounts/(?P<account>\w+)/Calls(/(?P<sid>\w+))?\.json")


def is_of_calls(path: str) -> bool:
    """Tell the routes of calls from those of texts."""
    return _ROUTE.fullmatch(path) is not None


class CallsApi:
    """Answers Twilio's routes of calls. ``spoil`` is what a rule makes of a right answer."""

    def __init__(
        self,
        account_sid: str,
        state: CallState,
        exchange: Exchange,
        rules: Rulebook,
        *,
        spoil: Callable[[Rule | None, Callable[[], Reply]], Reply],
    ) -> None:
        self._account_sid = account_sid
        self._state = state
        self._exchange = exchange
        self._rules = rules
        self._spoil = spoil

    def answer(self, request: Request) -> Reply:
        """Answer one request, signed in already, as Twilio would."""
        route = _ROUTE.fullmatch(request.path)
        if route is None or route["account"] != self._account_sid:
            return not_found(request.path)
        if route["sid"] is None and request.method == "POST":
            return self._spoil(self._rules.take("call"), lambda: self._create(request))
        if route["sid"] is not None and request.method == "DELETE":
            rule = self._rules.take("delete")
            return self._spoil(rule, lambda: self._delete(route["sid"], request.path))
        rule = self._rules.take("look")
        if route["sid"] is None:
            return self._spoil(rule, lambda: self._list(request))
        leg = self._state.get(route["sid"])
        if leg is None:
            return not_found(request.path)
        if request.method == "POST":
            return self._spoil(rule, lambda: self._update(leg, request.form))
        return self._spoil(rule, lambda: json_reply(self.as_json(leg)))

    def _create(self, request: Request) -> Reply:
        events = parse_qs(request.body).get("StatusCallbackEvent", [])
        try:
            leg = self._state.create(request.form, events)
        except RefusalError as no:
            return refuse(no.code, no.message, no.status)
        self._exchange.begin(leg)
        return json_reply(self.as_json(leg), HTTPStatus.CREATED)

    def _update(self, leg: Leg, form: Mapping[str, str]) -> Reply:
        if form.get("Status") not in {"completed", "canceled"}:
            return refuse(21218, "the double only ends calls", HTTPStatus.BAD_REQUEST)
        try:
            self._exchange.hang_up(leg.sid)
        except RefusalError as no:
            return refuse(no.code, no.message, no.status)
        return json_reply(self.as_json(self._state.get(leg.sid) or leg))

    def _delete(self, sid: str, path: str) -> Reply:
        try:
            is_gone = self._state.delete(sid)
        except RefusalError as no:
            return refuse(no.code, no.message, no.status)
        return Reply(HTTPStatus.NO_CONTENT) if is_gone else not_found(path)

    def _list(self, request: Request) -> Reply:
        """Return the first page of the legs asked for, newest first."""
        size = min(max(int(request.query.get("PageSize") or 50), 1), LARGEST_PAGE)
        found = [leg for leg in reversed(self._state.legs) if _fits(leg, request.query)]
        content = {
            "calls": [self.as_json(leg) for leg in found[:size]],
            "page": 0,
            "page_size": size,
            "start": 0,
            "end": max(len(found[:size]) - 1, 0),
            "uri": request.path,
            "first_page_uri": request.path,
            "previous_page_uri": None,
            "next_page_uri": None if len(found) <= size else f"{request.path}?Page=1",
        }
        return json_reply(content)

    def as_json(self, leg: Leg) -> dict[str, object]:
        """Return a leg in the full form of Twilio's call resource."""
        uri = f"/{API_VERSION}/Accounts/{self._account_sid}/Calls/{leg.sid}"
        kinds = ("notifications", "recordings", "payments", "siprec", "streams", "transcriptions")
        return {
            "account_sid": self._account_sid,
            "answered_by": None,
            "api_version": API_VERSION,
            "caller_name": None,
            "date_created": rfc2822(leg.created_at),
            "date_updated": rfc2822(leg.updated_at),
            "direction": leg.direction,
            "duration": None if leg.seconds is None else str(leg.seconds),
            "end_time": rfc2822(leg.ended_at),
            "forwarded_from": None,
            "from": leg.sender,
            "from_formatted": leg.sender,
            "group_sid": None,
            "parent_call_sid": leg.parent_sid,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": leg.sid,
            "start_time": rfc2822(leg.started_at),
            "status": leg.status,
            "subresource_uris": {kind: f"{uri}/{kind.title()}.json" for kind in kinds},
            "to": leg.to,
            "to_formatted": leg.to,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }


def _fits(leg: Leg, query: Mapping[str, str]) -> bool:
    """Tell whether the list's filters let ``leg`` through; a waiting leg has no StartTime."""
    wanted = {
        "To": leg.to,
        "From": leg.sender,
        "ParentCallSid": leg.parent_sid,
        "Status": leg.status,
    }
    return all(query.get(name, value) == value for name, value in wanted.items())
