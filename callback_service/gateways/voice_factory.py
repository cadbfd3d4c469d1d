"""Which gateway for calls the settings ask for."""

from __future__ import annotations

from callback_service.gateways.twilio_voice import TwilioVoiceGateway
from callback_service.gateways.voice_base import VoiceGateway


def voice_gateway(
    *,
    account_sid: str | None,
    auth_token: str | None,
    number: str | None,
    api_key: tuple[str, str] | None,
    api_url: str | None,
) -> VoiceGateway | None:
    """Return Twilio's gateway when an account and a number are set; None: all dial by hand."""
    if not account_sid or not auth_token or not number:
        return None
    return TwilioVoiceGateway(
        account_sid, auth_token, number=number, api_key=api_key, api_url=api_url
    )
