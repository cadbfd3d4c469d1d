"""A stateful double of Twilio: texts and calls, by a real HTTP server on loopback.

It checks sign-in and fields as Twilio does, moves each text through its states, posts signed
receipts and inbound texts, rings phones and follows the service's TwiML, and misbehaves when told
to. In a test::

    with TwilioDouble(account_sid, auth_token, manual=True) as double:
        ...                 # point TWILIO_API_URL at double.url
        double.advance()    # every text moves one state on and its receipt is posted
        double.check_webhooks()

For a demo: ``python -m tests.twilio_double --port 8010 --account-sid AC... --auth-token ...``
"""

from tests.twilio_double.double import TwilioDouble
from tests.twilio_double.misbehaviour import Misdeed
from tests.twilio_double.phones import Phone
from tests.twilio_double.state import Text
from tests.twilio_double.webhooks import WebhookCall

__all__ = ["Misdeed", "Phone", "Text", "TwilioDouble", "WebhookCall"]
