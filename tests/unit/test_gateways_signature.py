"""Requests signed by Twilio, and those that only say so."""

from collections.abc import Mapping, Sequence

import pytest
from werkzeug.datastructures import ImmutableMultiDict

from callback_service.gateways.signature import is_signed_by_twilio, signed_url
from tests.twilio_double.webhooks import sign

TOKEN = "0123456789abcdef0123456789abcdef"
URL = "https://callback.example.org/twilio/texts/17/receipt"
FORM = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+447700900123"}


def test_the_vector_of_twilios_own_documentation_holds() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert is_signed_by_twilio(url, form, signature, ["12345"])
    assert sign(url, form, "12345") == signature


def test_a_request_signed_with_our_token_is_taken() -> None:
    assert is_signed_by_twilio(URL, FORM, sign(URL, FORM, TOKEN), [TOKEN])


def test_either_of_two_tokens_will_do_while_one_replaces_the_other() -> None:
    signature = sign(URL, FORM, TOKEN)
    assert is_signed_by_twilio(URL, FORM, signature, ["new-token", TOKEN])
    assert is_signed_by_twilio(URL, FORM, signature, [TOKEN, "new-token"])


@pytest.mark.parametrize("tokens", [[], [""], ["another"], ["", "another"]])
def test_without_the_right_token_nothing_is_taken(tokens: list[str]) -> None:
    assert not is_signed_by_twilio(URL, FORM, sign(URL, FORM, TOKEN), tokens)


def test_an_empty_token_signs_nothing() -> None:
    assert not is_signed_by_twilio(URL, FORM, sign(URL, FORM, ""), [""])


@pytest.mark.parametrize("signature", [None, "", "x", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "é"])
def test_a_missing_or_foreign_signature_is_refused(signature: str | None) -> None:
    assert not is_signed_by_twilio(URL, FORM, signature, [TOKEN])


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (URL.replace("17", "18"), FORM),
        (URL.replace("https", "http"), FORM),
        (URL + "?a=b", FORM),
        (URL, FORM | {"MessageStatus": "failed"}),
        (URL, FORM | {"Extra": "1"}),
        (URL, {}),
    ],
)
def test_a_signature_fits_one_address_and_one_form_only(url: str, form: dict[str, str]) -> None:
    assert not is_signed_by_twilio(url, form, sign(URL, FORM, TOKEN), [TOKEN])


@pytest.mark.parametrize(
    "form",
    [
        ImmutableMultiDict([("A", "2"), ("A", "1"), ("B", "3")]),
        {"A": ["2", "1"], "B": ["3"]},
    ],
)
def test_every_value_of_a_repeated_field_is_checked(
    form: Mapping[str, str] | Mapping[str, Sequence[str]],
) -> None:
    signed = sign(URL + "A1A2B3", {}, TOKEN)
    assert is_signed_by_twilio(URL, form, signed, [TOKEN])
    assert not is_signed_by_twilio(URL, {"A": ["2"], "B": ["3"]}, signed, [TOKEN])


def test_words_outside_ascii_are_signed_as_they_are() -> None:
    form = {"Body": "Zoë: £5 😀", "From": "+447700900123"}
    assert is_signed_by_twilio(URL, form, sign(URL, form, TOKEN), [TOKEN])


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"RAW_URI": "/a%2Fb?c=%C3%A9"}, "https://example.org/a%2Fb?c=%C3%A9"),
        ({"REQUEST_URI": "/a?"}, "https://example.org/a?"),
        ({"RAW_URI": "http://inner:8080/a?b=%20"}, "https://example.org/a?b=%20"),
    ],
)
def test_the_address_that_was_signed_is_the_one_on_the_wire(
    environ: dict[str, str], url: str
) -> None:
    assert signed_url(environ, "https://example.org") == url
