"""Passkeys in a real browser with a virtual authenticator, within the policy for scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request

from tests.browser.service import Service
from tests.support.live import LiveServer

SignIn = Callable[[str], Page]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def service(live_server: LiveServer) -> Service:
    """The service at a name, for passkeys hold at no bare address."""
    url = live_server.url.replace("127.0.0.1", "localhost")
    settings = live_server.app.config["SETTINGS"]
    live_server.app.config["SETTINGS"] = replace(settings, public_base_url=url)
    return Service(replace(live_server, url=url))


@pytest.fixture
def signed_in(page: Page, service: Service, sign_in: SignIn) -> Page:
    """A counsellor who has just added a passkey."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    sign_in(service.counsellor_on_shift())
    page.goto(service.url("/account/passkeys"))
    page.get_by_label("What you call it").fill("my phone")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("The passkey is added.").wait_for()
    return page


def use_passkey(page: Page, service: Service) -> None:
    page.goto(service.url("/sign-in"))
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_role("button", name="Use your passkey").click()


def test_a_passkey_signs_in_and_its_answer_is_good_once(signed_in: Page, service: Service) -> None:
    page, sent = signed_in, list[Request]()
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_text("You are signed out.").wait_for()
    kept = {cookie["name"] for cookie in page.context.cookies()}
    assert "device" in kept
    assert "sid" not in kept
    use_passkey(page, service)
    page.get_by_role("button", name="Sign out", exact=True).wait_for()
    replayed = next(one for one in sent if one.url.endswith("/passkey/answer"))
    answer = parse_qs(replayed.post_data or "")["answer"][0]
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto(service.url("/sign-in"))
    page.get_by_role("button", name="Use a passkey instead").click()
    page.locator("input[name=answer]").evaluate(
        "(field, answer) => { field.value = answer; field.form.submit() }", answer
    )
    page.get_by_text("The passkey was not accepted.").first.wait_for()
    page.goto(service.url("/account"))
    assert "/sign-in" in page.url


def test_a_passkey_confirms_a_sensitive_act_and_the_act_is_done(
    signed_in: Page, service: Service
) -> None:
    page = signed_in
    service.forget_freshness()
    page.goto(service.url("/account"))
    page.get_by_label("What the token is for").fill("screen")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("button", name="Use your passkey instead").click()
    page.get_by_label("Your new token").wait_for()


def test_a_code_confirms_a_sensitive_act_and_the_act_is_done(
    page: Page, service: Service, sign_in: SignIn
) -> None:
    email = service.counsellor_on_shift()
    sign_in(email)
    service.forget_freshness()
    page.goto(service.url("/account"))
    page.get_by_label("What the token is for").fill("screen")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_label("Code from your app").fill(service.code_of(email))
    page.get_by_role("button", name="Confirm and go on").click()
    page.get_by_label("Your new token").wait_for()
