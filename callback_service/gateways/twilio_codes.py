"""Twilio's error codes and delivery states: which errors pass, which do not, what the desk is told.

Source: Twilio's error dictionary (https://www.twilio.com/docs/api/errors) and message resource.
What is not here is judged by its HTTP status, and the desk is told to ring anyway.
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
TOO_MANY_TO_NUMBER = 14107

ERROR_MEANINGS: dict[int, ErrorMeaning] = {
    # The account and the request as a whole
    10001: ErrorMeaning(Fault.SET_UP, _SET_UP),  # account is not active
    20003: ErrorMeaning(Fault.SET_UP, _SET_UP),  # account sid or token is wrong
    20404: ErrorMeaning(Fault.SET_UP, _SET_UP),  # there is no such account
    TOO_MANY_REQUESTS: ErrorMeaning(
        Fault.BUSY, "Twilio asked us to slow down; the text will go shortly."
    ),
    TOO_MANY_TO_NUMBER: ErrorMeaning(
        Fault.BUSY, "Too many texts went to this number at once. Ring anyway."
    ),
    20500: ErrorMeaning(Fault.BUSY, "Twilio had a fault of its own; the text will go shortly."),
    63038: ErrorMeaning(Fault.BUSY, "The Twilio account has sent all it may in a day."),
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
    21657: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender may not be used there
    21659: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender is not a Twilio number
    21701: ErrorMeaning(Fault.SET_UP, _SET_UP),  # there is no such messaging service
    21703: ErrorMeaning(Fault.SET_UP, _SET_UP),  # the messaging service has no numbers
    21704: ErrorMeaning(Fault.SET_UP, _SET_UP),  # it has no sender for this destination
    21705: ErrorMeaning(Fault.SET_UP, _SET_UP),  # its id is malformed
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
    30009: ErrorMeaning(Fault.NETWORK, _NOT_ARRIVED),  # a part was lost on the way
    30010: ErrorMeaning(Fault.SET_UP, _SET_UP),  # dearer than the account allows
    30017: ErrorMeaning(Fault.BUSY, "The network was too busy for the text. Ring anyway."),
    30018: ErrorMeaning(Fault.SET_UP, _SET_UP),  # the network wants senders registered
    30019: ErrorMeaning(Fault.CONTENT, "The text was too long for the network. Ring anyway."),
    30022: ErrorMeaning(Fault.BUSY, "Too many texts were waiting at the network. Ring anyway."),
    30023: ErrorMeaning(Fault.BUSY, "Our sender has sent all it may in a day. Ring anyway."),
    30024: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our sender is not set up at the network
    30027: ErrorMeaning(Fault.BUSY, "The network takes no more of our texts today. Ring anyway."),
    30032: ErrorMeaning(Fault.SET_UP, _SET_UP),  # our toll-free number is not verified
    30034: ErrorMeaning(Fault.SET_UP, _SET_UP),  # sender not registered for US numbers
    30036: ErrorMeaning(Fault.TOO_LATE, "The text came too late to be of use and was dropped."),
    30037: ErrorMeaning(Fault.SET_UP, _SET_UP),  # the account may not send texts
    30038: ErrorMeaning(Fault.CONTENT, "The text was taken for a pass code and filtered."),
    30039: ErrorMeaning(Fault.CONTENT, "The text looked like a loop and was stopped."),
    30040: ErrorMeaning(Fault.SET_UP, _SET_UP),  # the network wants our sender registered
    30041: ErrorMeaning(Fault.SET_UP, _SET_UP),  # the network's rules for senders, three times
    30042: ErrorMeaning(Fault.SET_UP, _SET_UP),
    30043: ErrorMeaning(Fault.SET_UP, _SET_UP),
    30044: ErrorMeaning(Fault.SET_UP, "The Twilio account is on trial: the text was too long."),
    30410: ErrorMeaning(Fault.NETWORK, _NOT_ARRIVED),  # the network did not answer Twilio
    # Twilio's guard against texts that are sent for their price
    30450: ErrorMeaning(Fault.NUMBER, "Twilio held the text for fraud. Ring anyway."),
    30453: ErrorMeaning(Fault.NUMBER, "Twilio held the text for fraud. Ring anyway."),
    30454: ErrorMeaning(Fault.BUSY, "The Twilio account has sent all it may in a day."),
    30500: ErrorMeaning(Fault.NETWORK, _NOT_ARRIVED),  # a fault of Twilio's
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


def is_for_all_texts(http_status: int, code: int | None) -> bool:
    """Tell whether a refusal says that Twilio has too much to do, and not of one number's texts."""
    return http_status == HTTPStatus.TOO_MANY_REQUESTS and code != TOO_MANY_TO_NUMBER


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
