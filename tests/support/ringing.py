"""A counsellor at the desk with a request in hand, on a real server, and everybody's telephones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.domain.calls import CallEnding, CallState
from callback_service.models.call import BridgedCall
from callback_service.models.callback import Attempt, CallbackRequest
from callback_service.services import desk
from callback_service.ticks import TICKS, run_tick
from tests.journey.visitor import Visitor
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import PASSWORD, make_staff
from tests.support.live import LiveServer
from tests.support.request_builders import make_request, member, seen, stored
from tests.support.signing_in import next_code
from tests.twilio_double import Phone, TwilioDouble

CALLER, COUNSELLOR, SERVICE = "+447700900123", "+447700900801", "+441632960001"
PATIENCE_S = 40.0
#: How long a second of the exchange lasts where a phone is to ring out.
SHORT_SECOND_S = 0.02


def eventually(look: Callable[[], object], what: str) -> None:
    """Wait until ``look`` is true; fails with ``what``."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.01)


@dataclass
class Ringing:
    """The desk of one counsellor, their phone, and the caller's."""

    server: LiveServer
    double: TwilioDouble
    visitor: Visitor
    request_id: int
    staff_id: int

    @classmethod
    def prepared(cls, server: LiveServer, double: TwilioDouble, visitor: Visitor) -> Ringing:
        """A request of the caller's, taken by a counsellor on shift who is signed in."""
        double.exchange.second = 1.0
        now = utc_now()
        with stored(server.app) as session:
            staff = make_staff(session, email="alex@example.org")
            staff.phone = COUNSELLOR
            make_pattern(session, staff, "00:00", "00:00")
            request = make_request(session, "07700 900123", name="Morgan", now=now)
            session.commit()
            desk.accept(session, request.id, staff=member(staff), now=now, tz=LONDON)
            ids = request.id, staff.id
        with server.app.app_context():
            code = next_code("alex@example.org")
        visitor.sign_in("alex@example.org", PASSWORD, code=code)
        ringing = cls(server, double, visitor, *ids)
        ringing.open()
        return ringing

    @property
    def path(self) -> str:
        return f"/desk/requests/{self.request_id}"

    def open(self) -> str:
        """Look at the page of the call; its words."""
        self.visitor.open(self.path)
        return self.visitor.words

    def press(self, button: str) -> str:
        """Press a button of the page; the words of the page it leads to."""
        self.visitor.press(f"{self.path}/{button}")
        return self.visitor.words

    def phone(self, number: str, phone: Phone) -> None:
        """Say how the phone of a number behaves."""
        self.double.exchange.phones.set(number, phone)

    @property
    def call(self) -> BridgedCall:
        """The latest call."""
        with seen(self.server.app) as session:
            return session.scalars(select(BridgedCall).order_by(BridgedCall.id.desc())).first()  # type: ignore[return-value]

    @property
    def request(self) -> CallbackRequest:
        with seen(self.server.app) as session:
            return session.get_one(CallbackRequest, self.request_id)

    @property
    def attempts(self) -> list[Attempt]:
        with seen(self.server.app) as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.id)))

    @property
    def rung(self) -> list[str]:
        """The numbers that rang, in order."""
        return [leg.to for leg in self.double.legs]

    def until(self, state: CallState) -> None:
        """Wait until the call is in a state."""
        eventually(lambda: self.call.state is state, f"the call is {self.call.state}, not {state}")

    def until_ended(self, ending: CallEnding) -> None:
        """Wait until the call has ended so, and every phone is down."""
        eventually(
            lambda: self.call.ending is ending and all(leg.is_over for leg in self.double.legs),
            f"the call is {self.call.state}, {self.call.ending}, not {ending}",
        )

    def let_phones_ring_out(self) -> None:
        """Nobody waits half a minute here."""
        self.double.exchange.second = SHORT_SECOND_S

    def make_due(self) -> None:
        """Let the call be asked about at the gateway, as if its time had come."""
        call_id = self.call.id
        with stored(self.server.app) as session:
            session.get_one(BridgedCall, call_id).check_at = utc_now()

    def tick(self) -> None:
        """Run the tick that asks about calls."""
        assert run_tick(self.server.app, next(tick for tick in TICKS if tick.name == "calls"))
