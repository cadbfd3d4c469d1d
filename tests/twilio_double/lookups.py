"""Twilio Lookup as the double speaks it: what kind of line a number is."""

from collections.abc import Mapping
from urllib.parse import unquote

from tests.twilio_double.state import TwilioState

PREFIX = "/v2/PhoneNumbers/"


def is_of_lookups(path: str) -> bool:
    """Tell a look-up of a number from Twilio's other routes."""
    return path.startswith(PREFIX)


def look_up(state: TwilioState, path: str, query: Mapping[str, str]) -> dict[str, object]:
    """Return a number in the full form of Twilio's resource; of the line only if it was asked."""
    number = unquote(path.removeprefix(PREFIX))
    asked = "line_type_intelligence" in query.get("Fields", "")
    line = {
        "mobile_country_code": "234",
        "mobile_network_code": "15",
        "carrier_name": "A network",
        "type": state.line_type(number),
        "error_code": None,
    }
    return {
        "calling_country_code": "44",
        "country_code": "GB",
        "phone_number": number,
        "national_format": number.replace("+44", "0", 1),
        "valid": True,
        "validation_errors": None,
        "caller_name": None,
        "sim_swap": None,
        "call_forwarding": None,
        "line_status": None,
        "line_type_intelligence": line if asked else None,
        "identity_match": None,
        "reassigned_number": None,
        "sms_pumping_risk": None,
        "phone_number_quality_score": None,
        "pre_fill": None,
        "url": f"https://lookups.twilio.com{PREFIX}{number}",
    }
