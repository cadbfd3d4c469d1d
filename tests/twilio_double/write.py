"""A page of the double to text the service from any phone, as its owner would."""

from html import escape
from typing import TYPE_CHECKING

from tests.twilio_double.api import Reply, Request

if TYPE_CHECKING:
    from tests.twilio_double.double import TwilioDouble

PATH = "/_double/write"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Write a text</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 sans-serif;margin:1rem;max-width:40rem}}label{{display:block;
margin-top:1rem}}input,textarea{{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}}
button{{font:inherit;padding:.5rem 1rem;margin-top:1rem}}</style>
</head><body><h1>Write a text to the service</h1>
<p><a href="/">All texts</a></p>{said}
<form method="post" action="{path}">
<label for="from">From</label>
<input id="from" name="from" list="phones" value="{sender}" inputmode="tel" autocomplete="off">
<datalist id="phones">{phones}</datalist>
<label for="to">To, the number of the service</label>
<input id="to" name="to" value="{to}" inputmode="tel" autocomplete="off">
<label for="body">Words, for instance STOP</label>
<textarea id="body" name="body" rows="3">{body}</textarea>
<button>Send</button>
</form></body></html>
"""


def write(double: "TwilioDouble", request: Request) -> Reply:
    """Show the form, or send what was filled in and say what the service made of it."""
    form = request.form if request.method == "POST" else {}
    said = ""
    if form.get("from") and form.get("to"):
        call = double.receive_text(form["from"], form["to"], form.get("body", ""))
        answer = "the service has given no address for texts" if call is None else call.status
        said = f'<p role="status">Sent: {escape(str(answer))}.</p>'
    texts = double.messages
    phones = sorted({text.to for text in texts if text.direction != "inbound"})
    ours = next((text.sender for text in reversed(texts) if text.direction != "inbound"), None)
    page = PAGE.format(
        path=PATH,
        said=said,
        phones="".join(f'<option value="{escape(phone)}">' for phone in phones),
        sender=escape(form.get("from", phones[-1] if phones else "")),
        to=escape(form.get("to", ours or double.service_number or "")),
        body="" if said else escape(form.get("body", "")),
    )
    return Reply(content=page.encode(), content_type="text/html")
