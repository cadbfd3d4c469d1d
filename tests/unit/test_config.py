"""Settings: what they default to, and every way in which a service must refuse to start."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from callback_service.config import Settings
from callback_service.domain.presence import Rests
from callback_service.domain.texting import TextPolicy
from callback_service.errors import SettingsError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
SID, TOKEN = "AC" + "0" * 32, "a-token-of-the-tests"
BINARY = bytes(range(128, 160))

Load = Callable[..., Settings]


def coded(key: bytes) -> str:
    return base64.b64encode(key).decode()


DATA_KEYS = f"k1:{coded(KEY)}"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(NAME=value)``: settings from a sound environment so changed; None takes away."""

    def load(**changes: str | None) -> Settings:
        given = {"SECRET_KEY": SECRET, "DATA_KEYS": DATA_KEYS, **changes}
        environ = {name: value for name, value in given.items() if value is not None}
        return Settings.from_environ(environ, root=tmp_path)

    return load


def instance_file(root: Path, name: str, content: str) -> None:
    (root / "instance").mkdir(exist_ok=True)
    (root / "instance" / name).write_text(content, encoding="utf-8")


def test_two_secrets_are_all_that_must_be_given(load: Load, tmp_path: Path) -> None:
    settings = load()
    assert settings.secret_key == SECRET
    assert settings.data_keys.keys == (("k1", KEY),)
    assert settings.database_url == f"sqlite:///{tmp_path / 'instance' / 'callback.sqlite3'}"
    assert settings.public_base_url == "http://127.0.0.1:8000"
    assert settings.service_time_zone.key == "Europe/London"
    assert settings.service_nation == "ENG"
    assert [str(skill) for skill in settings.offered_skills][-4:] == [
        "skill:family",
        "skill:young people",
        "gender:woman",
        "gender:man",
    ]
    assert settings.swaps_need_approval
    assert settings.rests == Rests(timedelta(minutes=10), timedelta(minutes=5))
    assert (settings.port, settings.trusted_hops) == (8000, 0)
    assert (settings.demo, settings.texts_go_out, settings.is_https) == (False, False, False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"LOOKS_A_DAY": "0"}, "LOOKS_A_DAY must be a whole number from 1 to 1000."),
        ({"SWAPS_NEED_APPROVAL": "no"}, "SWAPS_NEED_APPROVAL must be 1 or 0."),
        ({"TEXT_LANGUAGES": "en,pl"}, "TEXT_LANGUAGES: there are no texts in pl, only in en, cy."),
        ({"REMINDER_MINUTES": "-5"}, "REMINDER_MINUTES must be a whole number from 0 to 180."),
        ({"TWILIO_LOOKUP": "yes"}, "TWILIO_LOOKUP must be 1 or 0."),
        ({"TWILIO_LOOKUP": "1"}, "TWILIO_LOOKUP=1 needs a Twilio account"),
        ({"SERVICE_NATION": "GB"}, "SERVICE_NATION must be one of ENG, WLS, SCT, NIR."),
        ({"SERVICE_LANGUAGES": "cy,elvish"}, "SERVICE_LANGUAGES needs words with commas between"),
        ({"SERVICE_SKILLS": "a; b"}, "SERVICE_SKILLS needs words with commas between"),
        ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "  "}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": SECRET[:31]}, "SECRET_KEY is too short or a sample"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY is too short or a sample"),
        ({"SECRET_KEY": "a" * 64}, "SECRET_KEY is too short or a sample"),
        ({"SECRET_KEY": "change-me-" * 5}, "SECRET_KEY is too short or a sample"),
        (
            {"SECRET_KEY": "Please-Change-This-To-Something-Long"},
            "SECRET_KEY is too short or a sample",
        ),
        ({"SECRET_KEY": f"django-insecure-{SECRET}"}, "SECRET_KEY is too short or a sample"),
        ({"DATA_KEYS": None}, "DATA_KEYS is not set"),
        ({"DATA_KEYS": ","}, "DATA_KEYS needs at least one key"),
        ({"DATA_KEYS": f"{DATA_KEYS},k1:{coded(OTHER_KEY)}"}, "each key and id once"),
        ({"DATA_KEYS": f"{DATA_KEYS},k2:{coded(KEY)}"}, "each key and id once"),
        ({"DATA_KEYS": f"{DATA_KEYS},index:{coded(KEY)}"}, "each key and id once"),
        ({"DATA_KEYS": f"index:{coded(KEY)}"}, "DATA_KEYS needs at least one key"),
        ({"DATABASE_URL": "mysql://db/callback"}, "DATABASE_URL must start with"),
        ({"DATABASE_URL": "callback.sqlite3"}, "DATABASE_URL must start with"),
        ({"TWILIO_ACCOUNT_SID": SID}, "Set both TWILIO_ACCOUNT_SID and"),
        ({"TWILIO_AUTH_TOKEN": TOKEN}, "Set both TWILIO_ACCOUNT_SID and"),
        (
            {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN},
            "set TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID",
        ),
        ({"TWILIO_API_URL": "gateway.example.org"}, "TWILIO_API_URL must be a web address"),
        ({"TWILIO_API_URL": "http://gateway.example.org"}, "TWILIO_API_URL must start with https"),
        ({"EXIT_URL": "javascript:alert(1)"}, "EXIT_URL must be a web address"),
        ({"TRUSTED_HOPS": "6"}, "TRUSTED_HOPS must be a whole number from 0 to 5"),
    ],
)
def test_a_service_that_is_set_up_wrongly_does_not_start(
    load: Load, changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**changes)
    assert sentence in refused.value.message


@pytest.mark.parametrize(
    "entry",
    [
        coded(KEY),  # no id
        f":{coded(KEY)}",
        f"k-1:{coded(KEY)}",
        f"ninechars:{coded(KEY)}",
        f"\N{LATIN SMALL LETTER E WITH ACUTE}:{coded(KEY)}",
        "k1:",
        f"k1:{coded(KEY[:31])}",
        f"k1:{coded(KEY + b'!')}",
        f"k1:{coded(KEY)[:-1]}",
        f"k1:{coded(bytes(32))}",
        f"k1:{coded(b'changeme' * 4)}",
        f"k1:{coded(b'An-Example-Key-of-32-characters!')}",
        f"index:{coded(bytes(32))}",
        "k1:not base64 at all",
        "k1:\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
@pytest.mark.parametrize("before", ["", f"k0:{coded(OTHER_KEY)},"])
def test_a_malformed_data_key_is_refused_and_not_repeated(
    load: Load, before: str, entry: str
) -> None:
    with pytest.raises(SettingsError, match="`id:key`") as refused:
        load(DATA_KEYS=before + entry)
    assert coded(KEY)[:8] not in refused.value.message


@pytest.mark.parametrize("separator", [",", "\n", ", ", ",\n", "\r\n"])
def test_data_keys_are_read_newest_first(load: Load, separator: str) -> None:
    settings = load(DATA_KEYS=f"k2:{coded(OTHER_KEY)}{separator}{DATA_KEYS}{separator}")
    assert settings.data_keys.keys == (("k2", OTHER_KEY), ("k1", KEY))


@pytest.mark.parametrize(
    "url",
    [
        "http://callback.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost@example.org",
        "http://0.0.0.0",
        "http://192.0.2.1",
    ],
)
def test_off_this_machine_the_public_address_is_https(load: Load, url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_BASE_URL must start with https://"):
        load(PUBLIC_BASE_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "callback.example.org",
        "https://",
        "ftp://callback.example.org",
        "https://[::1",
        "https://callback.example.org:port",
        "https://callback example.org",
        "https://c\N{LATIN SMALL LETTER A WITH ACUTE}llback.example.org",
    ],
)
def test_what_is_no_web_address_is_refused(load: Load, url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_BASE_URL must be a web address"):
        load(PUBLIC_BASE_URL=url)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "http://127.0.0.2", "http://[::1]:8000"]
)
def test_on_this_machine_plain_http_and_a_demo_are_allowed(load: Load, url: str) -> None:
    settings = load(PUBLIC_BASE_URL=f"{url}/", DEMO="1")
    assert settings.public_base_url == url
    assert settings.demo
    assert not settings.is_https


def test_a_demo_is_refused_off_this_machine_even_over_https(load: Load) -> None:
    with pytest.raises(SettingsError, match="DEMO=1 runs on this machine only"):
        load(PUBLIC_BASE_URL="https://callback.example.org", DEMO="1")
    assert load(PUBLIC_BASE_URL="https://callback.example.org").is_https


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Europe", "../etc/passwd", "/etc/localtime"])
def test_a_time_zone_that_is_none_is_refused(load: Load, zone: str) -> None:
    with pytest.raises(SettingsError, match="SERVICE_TIME_ZONE must be a zone's name"):
        load(SERVICE_TIME_ZONE=zone)


@pytest.mark.parametrize(
    "port", ["0", "65536", "-1", "80.0", "http", "80 81", "\N{SUPERSCRIPT TWO}"]
)
def test_a_port_that_is_none_is_refused(load: Load, port: str) -> None:
    with pytest.raises(SettingsError, match="PORT must be a whole number from 1 to 65535"):
        load(PORT=port)


def test_the_port_is_in_the_address_where_none_is_given(load: Load) -> None:
    assert load(PORT="65535").public_base_url == "http://127.0.0.1:65535"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://db/callback", "postgresql+psycopg://db/callback"),
        ("postgresql://db/callback", "postgresql+psycopg://db/callback"),
        ("postgresql+psycopg://db/callback", "postgresql+psycopg://db/callback"),
        ("sqlite:////srv/callback.sqlite3", "sqlite:////srv/callback.sqlite3"),
    ],
)
def test_a_postgresql_address_gets_our_driver(load: Load, given: str, used: str) -> None:
    assert load(DATABASE_URL=given).database_url == used


def test_a_value_may_be_in_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}-from-a-file\n", encoding="utf-8")
    path = str(tmp_path / "key")
    assert load(SECRET_KEY=None, SECRET_KEY_FILE=path).secret_key == f"{SECRET}-from-a-file"
    assert load(SECRET_KEY_FILE=path).secret_key == SECRET, "the value itself comes first"


def test_a_file_that_cannot_be_read_is_named(load: Load, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE cannot be read: .+\.$"):
            load(SECRET_KEY=None, SECRET_KEY_FILE=str(path))


def test_a_file_of_bytes_is_refused_without_showing_them(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(BINARY)
    with pytest.raises(SettingsError, match="SECRET_KEY_FILE must hold text") as refused:
        load(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "key"))
    assert refused.value.__suppress_context__


def test_an_empty_file_sets_nothing(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        load(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "key"))


def test_the_instance_folder_is_where_absent_secrets_are_looked_for(
    load: Load, tmp_path: Path
) -> None:
    instance_file(tmp_path, "secret_key", f"{SECRET}-of-the-instance\n")
    instance_file(tmp_path, "data_keys", f"k9:{coded(OTHER_KEY)}\n")
    found = load(SECRET_KEY=None, DATA_KEYS=None)
    assert found.secret_key == f"{SECRET}-of-the-instance"
    assert found.data_keys.keys == (("k9", OTHER_KEY),)
    assert load().secret_key == SECRET
    assert load().data_keys.keys == (("k1", KEY),)


def test_a_named_file_that_is_gone_does_not_fall_back_to_the_instance_folder(
    load: Load, tmp_path: Path
) -> None:
    instance_file(tmp_path, "secret_key", SECRET)
    with pytest.raises(SettingsError, match="SECRET_KEY_FILE cannot be read"):
        load(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "absent"))


def test_settings_that_are_printed_show_no_secret(load: Load) -> None:
    printed = repr(
        load(
            DATABASE_URL="postgresql://callback:a-password@db/callback",
            REDIS_URL="redis://:another-word@redis/0",
            TWILIO_ACCOUNT_SID=SID,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM="+447700900000",
            HEARTBEAT_URL="https://watch.example.org/a-third-word",
        )
    )
    secrets = ("a-password", "another-word", "a-third-word")
    for hidden in (SECRET, coded(KEY), repr(KEY), TOKEN, *secrets):
        assert hidden not in printed


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"DEMO": "1", "TWILIO_ACCOUNT_SID": SID}, False),
        ({"TWILIO_ACCOUNT_SID": SID}, False),
        ({"TWILIO_ACCOUNT_SID": SID, "TWILIO_API_URL": "https://api.example.org"}, False),
        ({"TWILIO_ACCOUNT_SID": SID, "TWILIO_API_URL": "https://localhost.example.org"}, False),
        ({"TWILIO_ACCOUNT_SID": SID, "TWILIO_API_URL": "http://127.0.0.1:4010"}, True),
    ],
)
def test_drama_numbers_are_taken_only_where_nothing_can_leave_this_machine(
    load: Load, changes: dict[str, str], allowed: bool
) -> None:
    account = {"TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_FROM": "+447700900000"}
    settings = load(**changes, **(account if "TWILIO_ACCOUNT_SID" in changes else {}))
    assert settings.allows_drama_numbers is allowed


@pytest.mark.parametrize(
    "sender", [{"TWILIO_FROM": "+447700900000"}, {"TWILIO_MESSAGING_SERVICE_SID": "MG0"}]
)
def test_with_a_whole_account_texts_go_out(load: Load, sender: dict[str, str]) -> None:
    assert load(TWILIO_ACCOUNT_SID=SID, TWILIO_AUTH_TOKEN=TOKEN, **sender).texts_go_out


def test_the_nation_may_be_written_small(load: Load) -> None:
    assert load(SERVICE_NATION="sct").service_nation == "SCT"


def test_a_swap_may_do_without_a_manager(load: Load) -> None:
    assert not load(SWAPS_NEED_APPROVAL="0").swaps_need_approval
    assert load(LOOKS_A_DAY="7").looks_a_day == 7


def test_texts_are_in_english_with_reminders_an_hour_before_unless_told(load: Load) -> None:
    assert load().texts == TextPolicy(("en",), timedelta(hours=1), looks_numbers_up=False)


def test_texts_may_be_in_welsh_too_and_without_reminders(load: Load) -> None:
    told = load(TEXT_LANGUAGES=" CY, en", REMINDER_MINUTES="0").texts
    assert told == TextPolicy(("en", "cy"), None, looks_numbers_up=False)


def test_the_pauses_between_calls_are_given_in_minutes(load: Load) -> None:
    rests = load(WRAP_UP_MINUTES="12", REST_MINUTES="0").rests
    assert rests == Rests(timedelta(minutes=12), timedelta(0))


@pytest.mark.parametrize(
    ("wrap_up", "rest", "sentence"),
    [
        ("61", "5", "WRAP_UP_MINUTES must be a whole number from 0 to 60"),
        ("10", "-1", "REST_MINUTES must be a whole number from 0 to 60"),
        ("4", "5", "REST_MINUTES is a part of WRAP_UP_MINUTES"),
    ],
)
def test_pauses_that_cannot_be_are_refused(
    load: Load, wrap_up: str, rest: str, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(WRAP_UP_MINUTES=wrap_up, REST_MINUTES=rest)


def test_no_heartbeat_goes_out_unless_an_address_is_given(load: Load) -> None:
    assert load().heartbeat_url is None


@pytest.mark.parametrize("url", ["https://watch.example.org/key", "http://127.0.0.1:9/key"])
def test_a_heartbeat_goes_to_a_safe_address(load: Load, url: str) -> None:
    assert load(HEARTBEAT_URL=url).heartbeat_url == url


@pytest.mark.parametrize(
    "url", ["http://watch.example.org/key", "http://127.0.0.1.example.org/", "ftp://x/", "key"]
)
def test_a_heartbeat_that_others_could_read_is_refused(load: Load, url: str) -> None:
    with pytest.raises(SettingsError, match="HEARTBEAT_URL must"):
        load(HEARTBEAT_URL=url)


ACCOUNT = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_FROM": "+441632960001"}


def test_two_tokens_are_good_for_signatures_while_one_replaces_the_other(load: Load) -> None:
    assert load(**ACCOUNT).twilio_auth_tokens == (TOKEN,)
    both = load(**ACCOUNT, TWILIO_AUTH_TOKEN_PREVIOUS="old").twilio_auth_tokens
    assert both == (TOKEN, "old")


def test_an_api_key_may_come_from_files(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n", encoding="utf-8")
    settings = load(
        **ACCOUNT,
        TWILIO_API_KEY_SID="SK1",
        TWILIO_API_KEY_SECRET_FILE=str(tmp_path / "secret"),
    )
    assert settings.twilio_api_key == ("SK1", "s3cr3t")
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TWILIO_API_KEY_SID": "SK1"}, "Set both TWILIO_API_KEY_SID and"),
        ({"TWILIO_API_KEY_SECRET": "x"}, "Set both TWILIO_API_KEY_SID and"),
        ({"TWILIO_API_KEY_SID": "AC1", "TWILIO_API_KEY_SECRET": "x"}, "it begins with SK"),
        ({"SERVICE_COUNTRIES": "GB,FR"}, "SERVICE_COUNTRIES must be some of GB, GG, IM, JE"),
        ({"SERVICE_COUNTRIES": ","}, "SERVICE_COUNTRIES must be some of"),
        ({"TEXTS_PER_NUMBER": "0"}, "TEXTS_PER_NUMBER must be a whole number from 1"),
        ({"TEXT_SEGMENTS_PER_DAY": "many"}, "TEXT_SEGMENTS_PER_DAY must be a whole number"),
        ({"TWILIO_TIMEOUT_SECONDS": "0"}, "TWILIO_TIMEOUT_SECONDS must be a whole number from 1"),
    ],
)
def test_a_setting_of_texts_that_makes_no_sense_is_refused_with_a_sentence(
    load: Load, changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(**ACCOUNT, **changes)


def test_an_api_key_without_the_token_that_signs_is_refused(load: Load) -> None:
    with pytest.raises(SettingsError, match="Twilio signs with the token"):
        load(TWILIO_API_KEY_SID="SK1", TWILIO_API_KEY_SECRET="x")


def test_a_days_segments_are_limited_only_where_texts_cost_money(load: Load) -> None:
    assert load(**ACCOUNT).text_limits.segments_a_day == 2000
    assert load().text_limits.segments_a_day is None
    here = load(**ACCOUNT, TWILIO_API_URL="http://127.0.0.1:4010")
    assert here.text_limits.segments_a_day is None
    told = load(**ACCOUNT, TWILIO_API_URL="http://127.0.0.1:4010", TEXT_SEGMENTS_PER_DAY="5")
    assert told.text_limits.segments_a_day == 5


def test_islands_are_a_choice(load: Load) -> None:
    assert load().countries == {"GB"}
    assert load(SERVICE_COUNTRIES="gb, im").countries == {"GB", "IM"}
