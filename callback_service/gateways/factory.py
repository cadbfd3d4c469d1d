"""Which gateway the settings ask for."""

from callback_service.errors import SettingsError
from callback_service.gateways.base import TextGateway
from callback_service.gateways.console import ConsoleGateway
from callback_service.gateways.twilio import TwilioGateway
from callback_service.gateways.twilio_lookup import TwilioLookup
from callback_service.gateways.twilio_records import TwilioRecords

#: The part of a request's time that may go into reaching Twilio.
CONNECT_SHARE = 0.3


def text_gateway(
    *,
    account_sid: str | None,
    auth_token: str | None,
    from_number: str | None,
    messaging_service_sid: str | None,
    api_key: tuple[str, str] | None,
    api_url: str | None,
    seconds: float,
) -> TextGateway:
    """Return Twilio's gateway when an account and its token are set, else the console's.

    A messaging service wins over a number. ``seconds`` is how long a request may take. Half an
    account is refused, as texts that a manager believes to go out would stay here.
    """
    if not account_sid and not auth_token:
        return ConsoleGateway()
    sender = messaging_service_sid or from_number
    if not account_sid or not auth_token or not sender:
        raise SettingsError(
            "Texts need TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and either TWILIO_FROM or "
            "TWILIO_MESSAGING_SERVICE_SID; set all of them or none."
        )
    return TwilioGateway(
        account_sid,
        auth_token,
        sender=sender,
        api_key=api_key,
        api_url=api_url,
        timeout=(CONNECT_SHARE * seconds, (1 - CONNECT_SHARE) * seconds),
    )


def number_lookup(
    *,
    account_sid: str | None,
    auth_token: str | None,
    api_key: tuple[str, str] | None,
    api_url: str | None,
) -> TwilioLookup | None:
    """Return Twilio's look-up of numbers; None without an account: then their digits decide."""
    if not account_sid or not auth_token:
        return None
    return TwilioLookup(account_sid, auth_token, api_key=api_key, api_url=api_url)


def record_remover(
    *,
    account_sid: str | None,
    auth_token: str | None,
    api_key: tuple[str, str] | None,
    api_url: str | None,
) -> TwilioRecords | None:
    """Return what deletes Twilio's records; None without an account: then it keeps none."""
    if not account_sid or not auth_token:
        return None
    return TwilioRecords(account_sid, auth_token, api_key=api_key, api_url=api_url)
