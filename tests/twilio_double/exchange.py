"""The double's telephone exchange: it rings phones and does what the service's TwiML says."""

import threading
from collections.abc import Callable, Mapping
from xml.etree import ElementTree

from tests.twilio_double.call_state import EVENTS, USUAL_EVENTS, CallState, Leg
from tests.twilio_double.misbehaviour import Misdeed, Rulebook
from tests.twilio_double.phones import PUT_DOWN, Phone, Phones
from tests.twilio_double.state import API_VERSION
from tests.twilio_double.webhooks import Courier

Jump = tuple[str, dict[str, str]]
#: Refused by phones that do not ring.
NOT_RINGING = {"engaged": "busy", "failed": "failed"}


class _HungUpError(Exception):
    """The leg that is being served is over."""


class Exchange:
    """Runs each call on a thread of its own. ``second`` is how long one second of TwiML lasts."""

    def __init__(
        self, account_sid: str, state: CallState, courier: Courier, rules: Rulebook
    ) -> None:
        self.second = 0.05
        self.phones = Phones()
        self._account_sid = account_sid
        self._state = state
        self._courier = courier
        self._rules = rules
        self._held: list[tuple[str, dict[str, str]]] = []
        self._sequence: dict[str, int] = {}
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Let every call end, and wait for it."""
        self.phones.stop()
        for thread in self._threads:
            thread.join()

    def begin(self, leg: Leg) -> None:
        """Ring the phone that the service asked for."""
        self._on_a_thread(lambda: self._ring_out(leg))

    def hang_up(self, sid: str) -> None:
        """End a call because the service asked for it."""
        self._state.hang_up(sid)
        self.phones.tell()

    def ring_in(self, *, sender: str, to: str, url: str) -> Leg:
        """Somebody rings the service, and stays on the line until that is over."""
        phone = self.phones.of(sender)
        phone.begin_to_ring()
        leg = self._state.keep(to=to, sender=sender, status="in-progress", direction="inbound")
        self._serve(leg, phone, url)
        return self._state.move(leg.sid, "completed")

    def _on_a_thread(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="twilio-double-call", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ring_out(self, leg: Leg) -> None:
        phone = self.phones.of(leg.to)
        self._report(self._state.move(leg.sid, "initiated"))
        ending = self._ring(leg, phone, lambda: self._state.is_hung_up(leg.sid))
        if ending is None:
            self._report(self._state.move(leg.sid, "in-progress"))
            self._serve(leg, phone, leg.url or "")
            ending = "completed"
        self._report(self._state.move(leg.sid, ending))

    def _ring(self, leg: Leg, phone: Phone, is_given_up: Callable[[], bool]) -> str | None:
        """Ring a phone; how that ended, or None if it was picked up."""
        phone.begin_to_ring()
        if phone.picks_up in NOT_RINGING:
            return NOT_RINGING[phone.picks_up]
        self._report(self._state.move(leg.sid, "ringing"))
        self.phones.wait(lambda: phone.is_picked_up or is_given_up(), self._real(leg.ring_seconds))
        if is_given_up():
            return "canceled"
        return None if phone.is_picked_up else "no-answer"

    def _serve(self, leg: Leg, phone: Phone, url: str) -> None:
        """Do what the service says for one leg, until it or the phone ends it."""
        jump: Jump | None = (url, {})
        try:
            while jump is not None:
                jump = self._perform(leg, phone, self._fetch(leg, *jump))
        except _HungUpError:
            return

    def _fetch(self, leg: Leg, url: str, more: Mapping[str, str]) -> ElementTree.Element:
        call = self._courier.post(url, {**self._form(self._state.get(leg.sid) or leg), **more})
        if not call.is_taken:
            raise _HungUpError
        return ElementTree.fromstring(call.answer)  # noqa: S314 - from the service under test

    def _perform(self, leg: Leg, phone: Phone, document: ElementTree.Element) -> Jump | None:
        for verb in document:
            if self._is_down(leg, phone) or verb.tag == "Hangup":
                raise _HungUpError
            jump = self._verb(leg, phone, verb)
            if jump is not None:
                return jump
        return None

    def _verb(self, leg: Leg, phone: Phone, verb: ElementTree.Element) -> Jump | None:
        if verb.tag == "Say":
            self._state.say(leg.sid, verb.text or "")
            return None
        if verb.tag == "Redirect":
            return (verb.text or "", {})
        if verb.tag == "Gather":
            return self._gather(leg, phone, verb)
        if verb.tag == "Dial":
            return self._dial(leg, phone, verb)
        raise AssertionError(f"the double does not know <{verb.tag}>")

    def _gather(self, leg: Leg, phone: Phone, verb: ElementTree.Element) -> Jump | None:
        for said in verb.iter("Say"):
            self._state.say(leg.sid, said.text or "")
        seconds = self._real(int(verb.get("timeout") or 5))
        self.phones.wait(lambda: bool(phone.pressed) or self._is_down(leg, phone), seconds)
        if self._is_down(leg, phone):
            raise _HungUpError
        if not phone.pressed:
            return None
        keys = phone.pressed.popleft()
        if keys == PUT_DOWN:
            raise _HungUpError
        digits = keys.split("#")[0][: int(verb.get("numDigits") or len(keys))]
        # The key that ends it, pressed first, is as good as none: Twilio goes on to the next verb.
        return (verb.attrib["action"], {"Digits": digits}) if digits else None

    def _dial(self, parent: Leg, phone: Phone, verb: ElementTree.Element) -> Jump:
        [number] = verb.iter("Number")
        caller_id = verb.get("callerId") or parent.to
        child = self._state.keep(
            to=number.text or "",
            sender=caller_id,
            status="queued",
            direction="outbound-dial",
            parent_sid=parent.sid,
            status_callback=number.get("statusCallback"),
            events=frozenset((number.get("statusCallbackEvent") or "").split()) or USUAL_EVENTS,
            ring_seconds=int(verb.get("timeout") or 30),
        )
        ended = self._bridge(parent, phone, child) if self._state.may_show(caller_id) else "failed"
        child = self._state.move(child.sid, ended)
        self._report(child)
        form = {
            "DialCallSid": child.sid,
            "DialCallStatus": child.status,
            "DialCallDuration": str(child.seconds or 0),
        }
        if self._is_down(parent, phone):  # Twilio asks all the same, and does nothing with it
            self._courier.post(verb.attrib["action"], {**self._form(parent), **form})
            raise _HungUpError
        return (verb.attrib["action"], form)

    def _bridge(self, parent: Leg, own: Phone, child: Leg) -> str:
        """Ring the other phone and let the two talk; how the second leg ended."""
        other = self.phones.of(child.to)
        self._report(self._state.move(child.sid, "initiated"))
        ending = self._ring(child, other, lambda: self._is_down(parent, own))
        if ending is not None:
            return ending
        self._report(self._state.move(child.sid, "in-progress"))
        talks = [one.talks_seconds for one in (own, other) if one.talks_seconds is not None]
        self.phones.wait(
            lambda: self._is_down(parent, own) or other.is_told_to_hang_up,
            min(talks, default=None),
        )
        return "completed"

    def _is_down(self, leg: Leg, phone: Phone) -> bool:
        return phone.is_told_to_hang_up or self._state.is_hung_up(leg.sid)

    def _real(self, seconds: int) -> float:
        return seconds * self.second

    def _form(self, leg: Leg) -> dict[str, str]:
        """The fields of every voice webhook."""
        return {
            "AccountSid": self._account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": leg.sid,
            "CallStatus": leg.status,
            "Direction": leg.direction,
            "From": leg.sender,
            "To": leg.to,
            "Called": leg.to,
            "Caller": leg.sender,
        }

    def _report(self, leg: Leg) -> None:
        """Post a leg's new state, if the service wants to hear of it; or do as a rule says."""
        wanted = {EVENTS[event] for event in leg.events if event in EVENTS}
        step = "completed" if leg.is_over else leg.status
        if leg.status_callback is None or step not in wanted:
            return
        form = self._status_form(leg)
        rule = self._rules.take("report")
        misdeed = rule.misdeed if rule else None
        if misdeed is Misdeed.RECEIPT_REORDERED and not leg.is_over:
            self._held.append((leg.status_callback, form))
            return
        if misdeed is not Misdeed.RECEIPT_DROPPED:
            self._courier.post(leg.status_callback, form)
        if misdeed is Misdeed.RECEIPT_DUPLICATED:
            self._courier.post(leg.status_callback, form)
        held, self._held = self._held, []
        for address, late in held:
            self._courier.post(address, late)

    def _status_form(self, leg: Leg) -> dict[str, str]:
        number = self._sequence.get(leg.sid, 0)
        self._sequence[leg.sid] = number + 1
        form = {
            **self._form(leg),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
        }
        if leg.parent_sid is not None:
            form["ParentCallSid"] = leg.parent_sid
        if leg.is_over:
            form |= {"CallDuration": str(leg.seconds or 0), "Duration": "1"}
        return form
