"""The double itself: an account with its texts, on a port of its own."""

import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tests.twilio_double.alarm import Alarm
from tests.twilio_double.api import MessagesApi, Reply, Request, refuse
from tests.twilio_double.call_state import CallState, Leg
from tests.twilio_double.calls_api import CallsApi, is_of_calls
from tests.twilio_double.control import control, is_control
from tests.twilio_double.exchange import Exchange
from tests.twilio_double.misbehaviour import Misdeed, On, Rulebook
from tests.twilio_double.server import Server
from tests.twilio_double.state import Text, TwilioState
from tests.twilio_double.webhooks import Courier, WebhookCall, inbound_form, receipt_form


class TwilioDouble:
    """A Twilio account on loopback.

    Texts move on by themselves every ``step_seconds``, or with ``manual`` only when ``advance`` is
    called. ``numbers`` are the senders the account owns (None: any). ``webhook_url`` is where
    inbound texts go. With an ``api_key`` (id and secret) only that signs in; webhooks are signed
    with the token all the same.
    ``service_number`` is whom the page to write texts addresses at first.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        manual: bool = False,
        step_seconds: float = 0.05,
        numbers: Collection[str] | None = None,
        webhook_url: str | None = None,
        api_key: tuple[str, str] | None = None,
        service_number: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state = TwilioState(account_sid, numbers=numbers, now=now)
        self.rules = Rulebook()
        self.courier = Courier(auth_token)
        self.webhook_url = webhook_url
        self.service_number = service_number
        self.requests: list[Request] = []
        self._step_seconds = None if manual else step_seconds
        self._alarm = Alarm()
        self._stopping = threading.Event()
        self._held: dict[str, Text] = {}
        self._late: list[Text] = []
        credentials = api_key or (account_sid, auth_token)
        self.api = MessagesApi(
            self.state, self.rules, credentials, on_created=self._begin, stopping=self._stopping
        )
        self.call_state = CallState(numbers=numbers, now=now)
        self.exchange = Exchange(account_sid, self.call_state, self.courier, self.rules)
        self.calls_api = CallsApi(
            account_sid, self.call_state, self.exchange, self.rules, spoil=self.api.spoiled
        )
        self._server = Server((host, port), self._answer)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address to give as TWILIO_API_URL."""
        return self._server.url

    @property
    def messages(self) -> list[Text]:
        """Every text, oldest first, inbound ones too."""
        return self.state.texts

    @property
    def sends(self) -> list[Request]:
        """Every request to send a text that came in, whatever became of it."""
        return [one for one in self._posted if not is_of_calls(one.path)]

    @property
    def rings(self) -> list[Request]:
        """Every request to make a call that came in, whatever became of it."""
        return [one for one in self._posted if one.path.endswith("/Calls.json")]

    @property
    def _posted(self) -> list[Request]:
        return [one for one in list(self.requests) if one.method == "POST"]

    @property
    def legs(self) -> list[Leg]:
        """Every leg of every call, oldest first."""
        return self.call_state.legs

    @property
    def webhook_calls(self) -> list[WebhookCall]:
        """Every receipt and inbound text posted to the service."""
        return self.courier.calls

    @property
    def webhook_errors(self) -> list[WebhookCall]:
        """Those the service did not take."""
        return [call for call in self.courier.calls if not call.is_taken]

    def check_webhooks(self) -> None:
        """Fail if the service refused any receipt or inbound text."""
        assert not self.webhook_errors, self.webhook_errors

    def start(self) -> None:
        """Serve until ``stop``."""
        self._alarm.start()
        self._server.start()

    def stop(self) -> None:
        """Stop serving: slow replies end at once, open connections are closed."""
        self._stopping.set()
        self._server.stop()
        self.exchange.stop()
        self._alarm.stop()

    def misbehave(
        self,
        misdeed: Misdeed | str,
        *,
        times: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        seconds: float = 1.0,
        on: On = "send",
    ) -> None:
        """Go wrong for the next ``times`` calls (default once), or with a ``probability``."""
        self.rules.add(
            Misdeed(misdeed),
            times=times,
            probability=probability,
            seed=seed,
            seconds=seconds,
            on=on,
        )

    def behave(self) -> None:
        """Do everything right from now on."""
        self.rules.clear()

    def advance(self, sid: str | None = None, *, steps: int = 1) -> list[Text]:
        """Move one text, or all of them, on by ``steps`` with its receipts; return what moved."""
        moved: list[Text] = []
        for _ in range(steps):
            for text in self.state.texts:
                if sid in {None, text.sid} and (changed := self.state.step(text.sid)):
                    self._tell(changed)
                    moved.append(changed)
        return moved

    def deliver(self, sid: str | None = None) -> None:
        """Move one text, or all of them, to the end."""
        while self.advance(sid):
            pass

    def post_late_receipts(self) -> None:
        """In manual mode, post the receipts that were told to be delayed."""
        late, self._late = self._late, []
        for text in late:
            self._post_receipt(text)

    def receive_text(self, from_: str, to: str, body: str) -> WebhookCall | None:
        """Text the service from a phone; None when it has given no address for inbound texts."""
        text = self.state.receive(sender=from_, to=to, body=body)
        if self.webhook_url is None:
            return None
        return self.courier.post(self.webhook_url, inbound_form(text))

    def _answer(self, request: Request) -> Reply:
        if is_control(request.path):
            return control(self, request)
        self.requests.append(request)
        if not is_of_calls(request.path):
            return self.api.answer(request)
        if not self.api.is_signed_in(request):
            return refuse(20003, "Authenticate", HTTPStatus.UNAUTHORIZED)
        return self.calls_api.answer(request)

    def _begin(self, text: Text) -> None:
        if self._step_seconds is not None:
            self._alarm.later(self._step_seconds, lambda: self._go_on(text.sid))

    def _go_on(self, sid: str) -> None:
        """Move a text on by itself; its own receipts stay in order, as one follows the other."""
        changed = self.state.step(sid)
        if changed is None:
            return
        self._tell(changed)
        if not changed.is_final:
            self._begin(changed)

    def _tell(self, text: Text) -> None:
        """Post the receipt of a change, or do with it what a rule says."""
        if text.status_callback is None:
            return
        held = self._held.pop(text.sid, None)
        rule = self.rules.take("receipt")
        misdeed = rule.misdeed if rule else None
        if misdeed is Misdeed.RECEIPT_REORDERED and not text.is_final:
            self._held[text.sid] = text
        elif rule and misdeed is Misdeed.RECEIPT_DELAYED:
            self._delay(text, rule.seconds)
        elif misdeed is not Misdeed.RECEIPT_DROPPED:
            self._post_receipt(text)
        if misdeed is Misdeed.RECEIPT_DUPLICATED:
            self._post_receipt(text)
        if held is not None:
            self._post_receipt(held)

    def _delay(self, text: Text, seconds: float) -> None:
        if self._step_seconds is None:
            self._late.append(text)
        else:
            self._alarm.later(seconds, lambda: self._post_receipt(text))

    def _post_receipt(self, text: Text) -> None:
        self.courier.post(text.status_callback or "", receipt_form(text))
