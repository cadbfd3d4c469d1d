"""Twilio's requests to the service: receipts and inbound texts, signed, retried, written down."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urldefrag

import requests

from tests.twilio_double.state import API_VERSION, START_WORDS, STOP_WORDS, Text

TIMEOUT_SECONDS = (5, 15)  # Twilio's own: connect and read
RETRIES = 1


@dataclass(frozen=True)
class WebhookCall:
    """One request to the service and what came back; no status means that nothing answered."""

    url: str
    form: dict[str, str]
    status: int | None
    answer: str

    @property
    def is_taken(self) -> bool:
        return (
            self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES
        )


def sign(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """Sign as Twilio documents it: the URL, then each field's name and value, sorted by name."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def receipt_form(text: Text) -> dict[str, str]:
    """Return the fields of a delivery receipt."""
    form = {
        "AccountSid": text.account_sid,
        "ApiVersion": API_VERSION,
        "From": text.sender or "",
        "To": text.to,
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "MessageStatus": text.status,
        "SmsStatus": text.status,
    }
    if text.messaging_service_sid:
        form["MessagingServiceSid"] = text.messaging_service_sid
    if text.error_code is not None:
        form["ErrorCode"] = str(text.error_code)
    return form


def inbound_form(text: Text) -> dict[str, str]:
    """Return the fields of an inbound text."""
    word = text.body.strip().upper()
    form = {
        "AccountSid": text.account_sid,
        "ApiVersion": API_VERSION,
        "From": text.sender or "",
        "FromCountry": "GB",
        "To": text.to,
        "ToCountry": "GB",
        "Body": text.body,
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "SmsMessageSid": text.sid,
        "SmsStatus": "received",
        "NumMedia": "0",
        "NumSegments": "1",
    }
    if word in STOP_WORDS | START_WORDS:
        form["OptOutType"] = "STOP" if word in STOP_WORDS else "START"
    return form


class Courier:
    """Posts signed forms to the service and keeps what became of each."""

    def __init__(self, auth_token: str) -> None:
        self._auth_token = auth_token
        self._calls: list[WebhookCall] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[WebhookCall]:
        """Every request made, in order, retries too."""
        with self._lock:
            return list(self._calls)

    def post(self, address: str, form: dict[str, str]) -> WebhookCall:
        """Post ``form`` until it is taken or the retries run out.

        The fragment holds Twilio's connection overrides (``#rc=2``: two retries); it is neither
        sent nor signed.
        """
        url, overrides = urldefrag(address)
        retries = int(parse_qs(overrides).get("rc", [str(RETRIES)])[0])
        call = self._post_once(url, form)
        while not call.is_taken and retries > 0:
            retries -= 1
            call = self._post_once(url, form)
        return call

    def _post_once(self, url: str, form: dict[str, str]) -> WebhookCall:
        headers = {
            "X-Twilio-Signature": sign(url, form, self._auth_token),
            "User-Agent": "TwilioProxy/1.1",
        }
        try:
            reply = requests.post(
                url, data=form, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            call = WebhookCall(url, form, None, type(error).__name__)
        else:
            call = WebhookCall(url, form, reply.status_code, reply.text)
        with self._lock:
            self._calls.append(call)
        return call
