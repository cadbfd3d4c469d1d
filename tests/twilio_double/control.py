"""The double's own routes under ``/_double/`` and the page at ``/`` where its texts can be read."""

import json
from collections.abc import Callable
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tests.twilio_double.api import Reply, Request, json_reply, message_json
from tests.twilio_double.call_state import Leg
from tests.twilio_double.phones import Phone
from tests.twilio_double.state import Text
from tests.twilio_double.write import PATH as WRITE_PATH
from tests.twilio_double.write import write

if TYPE_CHECKING:
    from tests.twilio_double.double import TwilioDouble

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Texts</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<style>body{{font:1rem/1.5 sans-serif;margin:1rem;max-width:60rem}}td,th{{text-align:left;
vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #bbb}}</style>
</head><body><h1>Texts</h1>
<p>No text leaves this machine. This page stands for the phones of everybody; newest first.
<a href="/_double/write">Write a text to the service</a>.</p>
<table><thead><tr><th>Time (UTC)</th><th>To</th><th>From</th><th>Text</th><th>State</th></tr>
</thead><tbody>{rows}</tbody></table></body></html>
"""


def is_control(path: str) -> bool:
    """Tell the double's own routes from Twilio's."""
    return path == "/" or path.startswith("/_double/")


def control(double: "TwilioDouble", request: Request) -> Reply:
    """Answer one of the double's own routes; what is posted is a JSON object."""
    route = f"{request.method} {request.path}"
    if route == "GET /":
        rows = "".join(_row(text) for text in reversed(double.messages))
        return Reply(content=PAGE.format(rows=rows).encode(), content_type="text/html")
    if request.path == WRITE_PATH:
        return write(double, request)
    try:
        wish = json.loads(request.body or "{}") if request.method == "POST" else {}
        answer = _obey(double, route, wish)
    except (KeyError, TypeError, ValueError) as error:
        return json_reply({"error": repr(error)}, HTTPStatus.BAD_REQUEST)
    if answer is None:
        return json_reply({"error": f"no such route: {route}"}, HTTPStatus.NOT_FOUND)
    return json_reply(answer)


def _obey(double: "TwilioDouble", route: str, wish: dict[str, Any]) -> object:
    """Do what one control route asks and return its answer; None for an unknown route."""
    action = ROUTES.get(route)
    return None if action is None else action(double, wish)


def _misbehave(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.misbehave(wish.pop("kind"), **wish)
    return {"done": True}


def _behave(double: "TwilioDouble", _wish: dict[str, Any]) -> object:
    double.behave()
    return {"done": True}


def _inbound(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    call = double.receive_text(wish["from"], wish["to"], wish["body"])
    return {"status": call.status if call else None}


def _advance(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    moved = double.advance(wish.get("sid"), steps=int(wish.get("steps", 1)))
    return [message_json(text) for text in moved]


def _set_end(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.state.set_end(wish["to"], wish["status"], wish.get("error_code"))
    return {"done": True}


def _add_landline(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.state.landlines.add(wish["number"])
    return {"done": True}


def _set_line(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.state.line_types[wish["number"]] = wish["type"]
    return {"done": True}


def _calls_made(double: "TwilioDouble", _wish: dict[str, Any]) -> dict[str, object]:
    """Count what the service asked for, and list it without credentials."""
    made = [
        {"method": one.method, "path": one.path, "query": one.query, "form": one.form}
        for one in list(double.requests)
    ]
    return {
        "count": len(made),
        "sends": len(double.sends),
        "rings": len(double.rings),
        "calls": made,
    }


def _row(text: Text) -> str:
    state = text.status if text.error_code is None else f"{text.status} ({text.error_code})"
    when = text.created_at.strftime("%H:%M:%S")
    cells = [when, text.to, text.sender or "", text.body, state]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _set_phone(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.exchange.phones.set(wish.pop("number"), Phone(**wish))
    return {"done": True}


def _answer_phone(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.exchange.phones.answer(wish["number"])
    return {"done": True}


def _press(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.exchange.phones.press(wish["number"], wish["keys"])
    return {"done": True}


def _hang_up(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.exchange.phones.hang_up(wish["number"])
    return {"done": True}


def _ring_service(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    """Ring the service; answers when that call is over, with what was said on it."""
    leg = double.exchange.ring_in(sender=wish["from"], to=wish["to"], url=wish["url"])
    return _leg(double, leg)


def _pace(double: "TwilioDouble", wish: dict[str, Any]) -> object:
    double.exchange.second = float(wish["second"])
    return {"done": True}


def _leg(double: "TwilioDouble", leg: Leg) -> dict[str, object]:
    return {**double.calls_api.as_json(leg), "said": double.call_state.said(leg.sid)}


ROUTES: dict[str, Callable[["TwilioDouble", dict[str, Any]], object]] = {
    "GET /_double/messages": lambda double, _: [message_json(text) for text in double.messages],
    "GET /_double/calls-made": _calls_made,
    "GET /_double/webhooks": lambda double, _: [vars(call) for call in double.webhook_calls],
    "POST /_double/misbehave": _misbehave,
    "POST /_double/behave": _behave,
    "POST /_double/inbound": _inbound,
    "POST /_double/advance": _advance,
    "POST /_double/end": _set_end,
    "POST /_double/landline": _add_landline,
    "GET /_double/calls": lambda double, _: [_leg(double, leg) for leg in double.legs],
    "POST /_double/phone": _set_phone,
    "POST /_double/phone/answer": _answer_phone,
    "POST /_double/phone/press": _press,
    "POST /_double/phone/hang-up": _hang_up,
    "POST /_double/ring": _ring_service,
    "POST /_double/pace": _pace,
    "POST /_double/line": _set_line,
}
