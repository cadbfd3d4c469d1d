"""The page that says how we keep it safe: each sentence on it is shown by tests that are there."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.told import VOICES
from callback_service.domain.wording import forbidden_words
from callback_service.web.text_examples import in_language
from tests.support.papers import missing_tests
from tests.support.settings import make_settings

PATH: Final = "/security"
#: Each promise of the page, word for word, and what shows it. Whoever changes a sentence looks at
#: its tests again.
CLAIMS: Final[Mapping[str, str]] = {
    "Everybody who works here signs in with two steps: a password and a code from an app, or a "
    "passkey.":
        "`tests/web/test_access.py::"
        "test_who_gave_a_password_only_opens_the_steps_that_follow_and_nothing_else` "
        "`tests/integration/test_passkeys.py::test_a_passkey_stands_for_both_steps`",
    "Who does nothing for 30 minutes has to sign in again.":
        "`tests/web/test_sign_in.py::"
        "test_thirty_minutes_without_use_lead_to_the_sign_in_page_which_says_so`",
    "Before a risky act, such as a change of a password, they give a second step again.":
        "`tests/web/test_step_up.py::"
        "test_every_sensitive_act_asks_for_a_code_after_ten_minutes`",
    "Each person sees only what their work needs. Who looks after the accounts sees nothing about "
    "you.":
        "`tests/web/test_policy_matrix.py::"
        "test_no_page_shows_a_field_to_whom_the_table_does_not` "
        "`tests/unit/test_policy.py::"
        "test_an_administrator_may_do_nothing_with_callers_and_sees_nothing_of_them`",
    "Each look at your details is written down. If anybody changes that record, it shows.":
        "`tests/web/test_reads_are_written_down.py::"
        "test_each_page_that_shows_something_of_a_caller_adds_who_saw_it_to_the_log` "
        "`tests/integration/test_audit_chain.py::test_whatever_is_done_to_the_log_is_found`",
    "If one of us knows you and says so, or a manager hears of it, all that you told us is closed "
    "to them.":
        "`tests/integration/test_bars.py::test_finds_neither_the_line_nor_the_call` "
        "`tests/integration/test_looks.py::test_finds_no_record_no_history_and_takes_no_look` "
        "`tests/web/test_complaints.py::test_kept_away_from_its_caller_have_its_line_alone`",
    "Your number, your name, your notes and what you text us are encrypted in our database.":
        "`tests/integration/test_nothing_readable.py::"
        "test_nothing_is_readable_in_the_database`",
    "Each request has a key of its own. When we erase the request, its key goes too, so the copies "
    "that we keep for long cannot be read.":
        "`tests/integration/test_backups.py::"
        "test_what_was_erased_stays_unreadable_in_a_restored_postgresql_backup` "
        "`tests/integration/test_backups.py::"
        "test_what_was_erased_stays_unreadable_in_a_restored_sqlite_backup` "
        "`tests/integration/test_old_backups.py::"
        "test_restored_with_the_keys_of_requests_as_they_are_now_it_brings_nobody_back`",
    "We can change our keys at any time, and the service goes on meanwhile.":
        "`tests/concurrency/test_key_races.py::"
        "test_keys_are_rotated_and_all_is_sealed_anew_while_others_write`",
    "Between your device and us, all is encrypted.":
        "`tests/web/test_headers.py::test_over_https_browsers_are_told_to_stay_there` "
        "`tests/web/test_headers.py::test_over_https_each_cookie_is_bound_to_this_host`",
    "Your number, name and note: 30 days after your call is finished.":
        "`tests/integration/test_retention.py::"
        "test_a_closed_request_is_emptied_after_thirty_days` "
        "`tests/web/test_trust_page.py::test_the_times_are_those_that_hold_here`",
    "Our notes of what was said: 30 days after it.":
        "`tests/integration/test_emptying.py::test_notes_and_texts_may_go_before_the_number` "
        "`tests/web/test_trust_page.py::test_the_times_are_those_that_hold_here`",
    "Texts to you and from you: 30 days after it, here and at Twilio.":
        "`tests/integration/test_gateway_records.py::"
        "test_a_text_is_deleted_there_and_its_id_here` "
        "`tests/web/test_trust_page.py::test_the_times_are_those_that_hold_here`",
    "If you ask about your data, or complain: 90 days after we answered.":
        "`tests/integration/test_complaints.py::"
        "test_a_closed_one_goes_after_its_time_and_not_before` "
        "`tests/web/test_trust_page.py::test_the_times_are_those_that_hold_here`",
    "You can have it erased sooner. If we do it for you, it takes two of us.":
        "`tests/integration/test_own_erasures.py` "
        "`tests/integration/test_erasures.py::test_the_database_itself_wants_two_people`",
    "Nobody but Twilio, the company that sends our texts and connects our calls. We send it your "
    "number and the words of a text.":
        "`tests/unit/test_house_rules.py::"
        "test_nothing_leaves_but_to_twilio_and_the_watch_from_outside` "
        "`tests/integration/test_heartbeat_outside.py`",
    "Nobody. No text and no call leaves this service by itself.":
        "`tests/unit/test_house_rules.py::"
        "test_nothing_leaves_but_to_twilio_and_the_watch_from_outside` "
        "`tests/unit/test_gateways_choice.py`",
    "No call is recorded.":
        "`tests/unit/test_house_rules.py::test_no_call_is_ever_recorded`",
    "These pages load nothing from other websites, and nobody tracks you here.":
        "`tests/browser/conftest.py::guard` `tests/browser/test_form.py` "
        "`tests/web/test_content_security_policy.py::"
        "test_the_policy_is_word_for_word_what_was_decided`",
    "The one cookie is for our forms. Pages without a form set none.":
        "`tests/web/test_seen_by_others.py::test_no_cookie_is_set_before_there_is_a_form` "
        "`tests/web/test_complaints.py::test_the_one_cookie_is_that_of_the_form`",
    "Our pages never tell anybody whether a number asked us for a call.":
        "`tests/web/test_seen_by_others.py::"
        "test_whoever_types_somebodys_number_is_answered_byte_for_byte_as_for_a_strangers` "
        "`tests/web/test_complaints.py::test_the_answer_is_the_same_byte_for_byte`",
    "The title of a page and its address do not say who we are.":
        "`tests/browser/test_form.py::test_titles_and_addresses_give_nothing_away` "
        "`tests/web/test_done_and_manage.py::"
        "test_neither_title_nor_address_says_who_we_are_or_who_asked`",
    "The way out at the top leaves at once, and going back shows an empty form.":
        "`tests/browser/test_form.py::test_the_exit_leaves_the_form_for_good` "
        "`tests/browser/test_form.py::test_going_back_after_the_exit_shows_an_empty_form`",
    "Too many forms at once do not shut ours. What is too much waits for its turn, and the page "
    "shows a number to ring.":
        "`tests/web/test_form_posts.py::"
        "test_what_is_beyond_the_limit_is_kept_and_the_caller_asked_to_ring` "
        "`tests/journey/test_flood.py`",
    "Who guesses passwords has to wait, and cannot shut out the person whose account it is from "
    "their own browser.":
        "`tests/integration/test_tries.py::"
        "test_a_thousand_tries_from_fifty_networks_keep_a_known_browser_in`",
    "We text you only if you say that we may, and only a mobile.":
        "`tests/integration/test_texts.py::"
        "test_is_not_told_to_who_was_told_none_or_allows_none` "
        "`tests/integration/test_intake.py::test_a_landline_is_never_texted`",
    "No text says who we are. None has a name, a number or a link in it.":
        "`tests/unit/test_sms_templates.py::test_a_text_does_not_say_who_we_are` "
        "`tests/unit/test_sms_templates.py::"
        "test_a_template_holds_no_link_no_name_and_no_number`",
}  # fmt: skip
#: What promises nothing.
NO_CLAIMS: Final = (
    "You tell us things that are nobody",
    "Tell us, and not anybody else:",
    "Each line above is checked by tests",
    "What we keep, and your rights,",
)
#: Said only of an installation that is set up so.
CHOSEN: Final = {
    "PUBLIC_BASE_URL": "https://calls.example.org",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "1" * 32,
    "TWILIO_FROM": "+447700900000",
    "SECURITY_CONTACT": "mailto:holes@example.org",
}
_SENTENCES: Final = re.compile(r"<(p|li)\b[^>]*>(.*?)</\1>", re.DOTALL)
_TAGS: Final = re.compile(r"<[^>]+>")


def words(client: FlaskClient) -> str:
    """What the page says between its header and its footer."""
    page = client.get(PATH)
    assert page.status_code == 200
    return html.unescape(page.text.partition("<main")[2].partition("</main>")[0])


def sentences(client: FlaskClient) -> list[str]:
    """Every paragraph and every line of a list, without what promises nothing."""
    found = [" ".join(_TAGS.sub("", said).split()) for _, said in _SENTENCES.findall(words(client))]
    return [said for said in found if not said.startswith(NO_CLAIMS)]


@pytest.fixture
def installed(database_url: str, tmp_path: Path) -> FlaskClient:
    """An installation on the internet, with Twilio."""
    return create_app(make_settings(database_url, tmp_path, **CHOSEN)).test_client()


@pytest.mark.one_database
def test_each_sentence_has_its_tests_and_each_of_them_is_said(
    client: FlaskClient, installed: FlaskClient
) -> None:
    said = sentences(client) + sentences(installed)
    assert len(said) > 40
    assert sorted(set(said) - set(CLAIMS)) == []
    assert sorted(set(CLAIMS) - set(said)) == []


@pytest.mark.one_database
@pytest.mark.parametrize("claim", CLAIMS)
def test_the_tests_of_a_sentence_are_there(claim: str) -> None:
    assert "`tests/" in CLAIMS[claim]
    assert CLAIMS[claim].count("`") == 2 * CLAIMS[claim].count("`tests/")
    assert missing_tests(CLAIMS[claim]) == []


@pytest.mark.one_database
def test_a_sentence_without_tests_or_with_one_that_is_gone_is_found(client: FlaskClient) -> None:
    assert missing_tests("`tests/web/test_trust_page.py::test_of_last_year`") != []
    assert set(sentences(client)) - set(list(CLAIMS)[1:]) == {next(iter(CLAIMS))}


@pytest.mark.one_database
def test_every_text_is_shown_word_for_word_in_each_language_there_is(client: FlaskClient) -> None:
    page = words(client)
    assert len(VOICES) > 1
    for language in VOICES:
        for why, text in in_language(language):
            assert f"“{text}”" in page, (language, why)
    assert "In Welsh (not sent here yet)" in page


@pytest.mark.one_database
def test_a_language_that_is_sent_here_is_not_called_unsent(settings: Settings) -> None:
    texts = replace(settings.texts, languages=("en", "cy"))
    page = words(create_app(replace(settings, texts=texts)).test_client())
    assert "In Welsh" in page
    assert "not sent here yet" not in page


@pytest.mark.one_database
def test_the_times_are_those_that_hold_here(database_url: str, tmp_path: Path) -> None:
    chosen = {
        "KEEP_CALLERS_DAYS": "21",
        "KEEP_NOTES_DAYS": "9",
        "KEEP_TEXTS_DAYS": "1",
        "KEEP_DATA_REQUESTS_DAYS": "44",
    }
    page = words(create_app(make_settings(database_url, tmp_path, **chosen)).test_client())
    for said in ("note: 21 days", "was said: 9 days", "from you: 1 day after", "44 days after"):
        assert said in page


@pytest.mark.one_database
def test_it_says_whom_to_tell_of_a_hole(client: FlaskClient, installed: FlaskClient) -> None:
    assert 'href="mailto:holes@example.org"' in words(installed)
    assert 'href="/.well-known/security.txt"' in words(installed)
    assert "ring <a" in words(client)  # with no contact set there is no such file to name
    assert "security.txt" not in words(client)


@pytest.mark.one_database
def test_its_title_gives_nothing_away_and_other_pages_lead_to_it(client: FlaskClient) -> None:
    title = client.get(PATH).text.partition("<title>")[2].partition("</title>")[0]
    assert forbidden_words(title + PATH) == []
    for page in ("/privacy", "/", "/accessibility"):
        assert 'href="/security"' in client.get(page).text
    assert client.get(PATH).headers.getlist("Set-Cookie") == []


@pytest.mark.one_database
def test_it_is_as_easy_to_read_as_for_somebody_of_eleven(installed: FlaskClient) -> None:
    """Flesch-Kincaid grade, with syllables counted by groups of vowels: 6 is for 11 to 12."""
    said = [part for one in sentences(installed) for part in re.split(r"(?<=[.:])\s", one) if part]
    spoken = [word for one in said for word in re.findall(r"[a-zA-Z]+", one)]
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", word.lower()))))
                    for word in spoken)  # fmt: skip
    grade = 0.39 * len(spoken) / len(said) + 11.8 * syllables / len(spoken) - 15.59
    assert grade < 6, round(grade, 1)
