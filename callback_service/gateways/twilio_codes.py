"""Twilio's error codes and delivery states: which errors pass, which do not, what the desk is told.

Source: Twilio's error dictionary (https://www.twilio.com/docs/api/errors) and message resource.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Fault(StrEnum):
    """Whose fault a refused or lost text is; it decides whether a repeat can help."""

    NUMBER = "number"
    OPTED_OUT = "opted_out"
    CONTENT = "content"
    TOO_LATE = "too_late"
    SET_UP = "set_up"  # a manager can mend it: the text waits rather than being lost
    BUSY = "busy"
    NETWORK = "network"


PERMANENT_FAULTS = frozenset({Fault.NUMBER, Fault.OPTED_OUT, Fault.CONTENT, Fault.TOO_LATE})


@dataclass(frozen=True)
class ErrorMeaning:
    """What one error code means for us; ``desk`` is the sentence shown to staff."""

    fault: Fault
    desk: str

    @property
    def is_permanent(self) -> bool:
        """Whether sending the same text again cannot help."""
        return self.fault in PERMANENT_FAULTS


_CANNOT_GET_TEXTS = "This number cannot get texts. Ring anyway."
_NOT_ARRIVED = "The text did not arrive. Ring anyway."
_SET_UP = "Texts are not going out: the Twilio account needs a manager's attention."

OPTED_OUT = 21610
TOO_MANY_REQUESTS = 20429

ERROR_MEANINGS: dict[int, ErrorMeaning] = {
    # The account and the request as a whole
    10001: ErrorMeaning(Fault.SET_UP, _SET_UP),  # account is not active
    20003: ErrorMeaning(Fault.SET_UP, _SET_UP),  # account sid or token is wrong
    20404: ErrorMeaning(Fault.SET_UP, _SET_UP),  # there is no such account
    TOO_MANY_REQUESTS: ErrorMeaning(
        Fault.BUSY, "Twilio asked us to slow down; the text will go shortly."
    ),
    # Refused when the text is handed over
    21211: ErrorMeaning(Fault.NUMBER, "This is not a phone number Twilio knows. Check it."),
    21212: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender is malformed
    21214: ErrorMeaning(Fault.NUMBER, "Twilio cannot reach this number. Check it."),
    21217: ErrorMeaning(Fault.NUMBER, "This is not a phone number Twilio knows. Check it."),
    21265: ErrorMeaning(Fault.NUMBER, _CANNOT_GET_TEXTS),  # a short code
    21266: ErrorMeaning(Fault.NUMBER, "This is the service's own number. Check it."),
    21408: ErrorMeaning(Fault.SET_UP, "Texts to this number's country are switched off at Twilio."),
    21601: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender is not a Twilio number of ours
    21602: ErrorMeaning(Fault.CONTENT, "The text had no words and was not sent."),
    21603: ErrorMeaning(Fault.SET_UP, _SET_UP),  # no sender given
    21604: ErrorMeaning(Fault.NUMBER, "The text had no number to go to."),
    21606: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender cannot text this destination
    21608: ErrorMeaning(
        Fault.SET_UP, "The Twilio account is on trial and may not text this number."
    ),
    21609: ErrorMeaning(Fault.SET_UP, "Twilio refuses our public address for receipts."),
    OPTED_OUT: ErrorMeaning(Fault.OPTED_OUT, "The person has opted out of texts. Send none."),
    21611: ErrorMeaning(Fault.BUSY, "Too many texts are waiting; this one will go shortly."),
    21612: ErrorMeaning(Fault.NUMBER, _CANNOT_GET_TEXTS),  # not from our sender to this number
    21614: ErrorMeaning(Fault.NUMBER, _CANNOT_GET_TEXTS),  # not a mobile number
    21617: ErrorMeaning(Fault.CONTENT, "The text was longer than 1,600 characters; not sent."),
    21635: ErrorMeaning(Fault.NUMBER, "This is a landline. It gets no texts; ring instead."),
    21659: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender is not a Twilio number
    21730: ErrorMeaning(Fault.BUSY, "Twilio is under maintenance; the text will go later."),
    # Told by a delivery receipt
    30001: ErrorMeaning(Fault.BUSY, "Too many texts were waiting at Twilio."),
    30002: ErrorMeaning(Fault.SET_UP, "The Twilio account is suspended. Tell a manager."),
    30003: ErrorMeaning(Fault.NETWORK, "The phone is off or out of reach. Ring anyway."),
    30004: ErrorMeaning(Fault.NUMBER, "The text was blocked. Ring anyway."),
    30005: ErrorMeaning(Fault.NUMBER, "The number is unknown or no longer in use. Check it."),
    30006: ErrorMeaning(Fault.NUMBER, "This is a landline or cannot be reached by text. Ring."),
    30007: ErrorMeaning(Fault.CONTENT, "The network filtered the text. Ring anyway."),
    30008: ErrorMeaning(Fault.NETWORK, _NOT_ARRIVED),  # unknown error
    30034: ErrorMeaning(Fault.SET_UP, _SET_UP),  # sender not registered for US numbers
    30036: ErrorMeaning(Fault.TOO_LATE, "The text came too late to be of use and was dropped."),
    30038: ErrorMeaning(Fault.CONTENT, "The text was taken for a pass code and filtered."),
    30410: ErrorMeaning(Fault.NETWORK, _NOT_ARRIVED),  # the network did not answer Twilio
}

_TEMPORARY_STATUSES = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.LOCKED,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


def is_permanent_refusal(http_status: int, code: int | None) -> bool:
    """Tell whether a refusal (4xx) is final: by Twilio's code if known, else by the status.

    A refused sign-in is a fault of the set-up and never loses a text. Nor does a 404 without a
    code of Twilio's: then whatever answers at that address is not Twilio.
    """
    meaning = ERROR_MEANINGS.get(code) if code is not None else None
    if meaning is not None:
        return meaning.is_permanent
    if http_status == HTTPStatus.NOT_FOUND and code is None:
        return False
    return http_status not in _TEMPORARY_STATUSES


def desk_sentence(code: int | None) -> str:
    """Return what staff are told about a text that failed with this code."""
    meaning = ERROR_MEANINGS.get(code) if code is not None else None
    return meaning.desk if meaning is not None else _NOT_ARRIVED


#: How far along its way a text is; receipts come late, twice and out of order, so only a step up
#: counts. The ends share a rank, so the first end stands; "read" proves that it arrived after all.
DELIVERY_RANK: dict[str, int] = {
    "accepted": 0,
    "scheduled": 1,
    "queued": 2,
    "sending": 3,
    "sent": 4,
    "delivered": 5,
    "undelivered": 5,
    "failed": 5,
    "canceled": 5,
    "read": 6,
}


#: Ends that mean: nobody has read it.
DID_NOT_ARRIVE = frozenset({"failed", "undelivered", "canceled"})
#: Ends that mean: it is on the phone.
ARRIVED = frozenset({"delivered", "read"})


def is_forward(old: str | None, new: str) -> bool:
    """Tell whether a receipt saying ``new`` may replace the state ``old``."""
    if new not in DELIVERY_RANK:
        return False
    return old not in DELIVERY_RANK or DELIVERY_RANK[new] > DELIVERY_RANK[old]
