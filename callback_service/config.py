"""Typed settings from the environment. Refuses to start on a missing or sample secret.

Every name may be given as ``NAME_FILE`` instead: a path whose content is the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from callback_service import config_retention, config_secrets, config_texts, logs
from callback_service.config_calls import CallSettings
from callback_service.config_values import (
    is_here,
    is_loopback,
    is_safe_to_call,
    web_address,
    whole_number,
    yes_or_no,
)
from callback_service.domain.calls import CallerId
from callback_service.domain.contact import REGION
from callback_service.domain.data_keys import DataKeys
from callback_service.domain.flood import FormLimits
from callback_service.domain.looks import LOOKS_A_DAY
from callback_service.domain.presence import REST, WRAP_UP, Rests
from callback_service.domain.retention import Keeping
from callback_service.domain.skills import Gender, Skill, SkillKind, kept, skill
from callback_service.domain.text_limits import TextLimits
from callback_service.domain.texting import TextPolicy
from callback_service.errors import SettingsError

#: The nations of the United Kingdom, whose bank holidays differ.
NATIONS = ("ENG", "WLS", "SCT", "NIR")
#: What lists offer unless told, with commas between.
LANGUAGES = "cy,pl,pa,ur,ar,ro,uk"
SKILLS = "alcohol,family,young people"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one installation is told. Instants, paths and keys are parsed, never raw strings."""

    database_url: str = field(repr=False)  # it may hold a password
    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)  # they still open what they signed
    data_keys: DataKeys = field(repr=False)
    data_keys_file: Path | None  # where they came from, if they came from a file
    instance_path: Path
    public_base_url: str
    service_name: str
    service_phone: str
    service_time_zone: ZoneInfo
    service_nation: str  # whose bank holidays: ENG, WLS, SCT or NIR
    offered_skills: tuple[Skill, ...]  # to choose from for staff and for cover; others may be typed
    exit_url: str
    port: int
    trusted_hops: int
    demo: bool
    security_contact: str | None  # mailto: or https:, for who found a hole
    looks_a_day: int  # at records that are not their own call, by one person
    swaps_need_approval: bool  # by a manager; otherwise a swap holds when a colleague takes it
    rests: Rests  # between the calls of one counsellor
    twilio_account_sid: str | None
    twilio_auth_token: str | None = field(repr=False)
    twilio_auth_token_previous: str | None = field(repr=False)  # still signs, while one is changed
    twilio_api_key: tuple[str, str] | None = field(repr=False)  # id and secret, to send with
    twilio_from: str | None
    twilio_messaging_service_sid: str | None
    twilio_api_url: str | None
    text_limits: TextLimits
    form_limits: FormLimits  # posts of the form that go straight into the queue
    countries: frozenset[str]  # whose numbers are taken: GB, IM, JE, GG
    calls: CallSettings
    texts: TextPolicy  # to callers: languages, reminders, look-ups
    keeping: Keeping  # how long what is kept
    complaints_contact: str | None  # beside the service's phone: an address, for people
    data_protection_officer: str | None  # somebody outside the service, and where to write to them
    heartbeat_url: str | None = field(repr=False)  # it holds the key of the check it feeds
    redis_url: str | None = field(repr=False)
    audit_log: str | None  # a path, or "stdout": audit entries are written there as well

    @property
    def is_https(self) -> bool:
        """Whether the public sees the service over TLS; only then are cookies marked Secure."""
        return self.public_base_url.startswith("https://")

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """All keys that open what was signed, the oldest first; the last one signs."""
        return *reversed(self.secret_key_fallbacks), self.secret_key

    @property
    def texts_go_out(self) -> bool:
        """Whether a Twilio account is set up; otherwise texts are kept where managers read them."""
        return self.twilio_account_sid is not None

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """The tokens that a webhook may be signed with."""
        both = self.twilio_auth_token, self.twilio_auth_token_previous
        return tuple(token for token in both if token)

    @property
    def rings_for_counsellors(self) -> bool:
        """Whether the service can ring a counsellor and a caller; otherwise all dial by hand."""
        return self.texts_go_out and self.calls.number is not None

    @property
    def own_numbers(self) -> frozenset[str]:
        """The numbers that texts and calls come from, E.164, and sender names beside them."""
        return frozenset(filter(None, [self.twilio_from, self.calls.number]))

    @property
    def shows_number(self) -> bool:
        """Whether a caller may see the number that calls come from."""
        return self.rings_for_counsellors and self.calls.caller_id is CallerId.NUMBER

    @property
    def is_on_loopback(self) -> bool:
        """Whether the service is for this machine alone, as a demonstration is."""
        return is_loopback(urlsplit(self.public_base_url).hostname or "")

    @property
    def allows_drama_numbers(self) -> bool:
        """Whether Ofcom's fictitious numbers are taken: only where nothing leaves this machine."""
        return not self.texts_go_out or is_here(self.twilio_api_url)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, root: Path) -> Settings:
        """Settings of the installation at ``root``; raises SettingsError with one sentence."""
        source = _Source(environ)
        instance = Path(source.get("INSTANCE_PATH") or root / "instance").resolve()
        port = whole_number("PORT", source.get("PORT") or "8000", least=1, most=65535)
        demo = source.get("DEMO") == "1"
        config_secrets.check_debug(source.get, demo=demo)
        base_url = _base_url(source.get("PUBLIC_BASE_URL") or f"http://127.0.0.1:{port}", demo=demo)
        sid, token = source.get("TWILIO_ACCOUNT_SID"), source.get("TWILIO_AUTH_TOKEN")
        settings = cls(
            database_url=_database_url(source.get("DATABASE_URL"), instance),
            secret_key=config_secrets.secret_key(source.get("SECRET_KEY", instance / "secret_key")),
            secret_key_fallbacks=config_secrets.fallbacks(source.get("SECRET_KEY_FALLBACKS")),
            data_keys=_data_keys(source.get("DATA_KEYS", instance / "data_keys")),
            data_keys_file=source.file_of("DATA_KEYS", instance / "data_keys"),
            instance_path=instance,
            public_base_url=base_url,
            service_name=source.get("SERVICE_NAME") or "Callback",
            service_phone=source.get("SERVICE_PHONE") or "01632 960 000",
            service_time_zone=_time_zone(source.get("SERVICE_TIME_ZONE") or "Europe/London"),
            service_nation=_nation(source.get("SERVICE_NATION") or "ENG"),
            offered_skills=_offered_skills(
                source.get("SERVICE_LANGUAGES") or LANGUAGES,
                source.get("SERVICE_SKILLS") or SKILLS,
            ),
            exit_url=web_address(
                "EXIT_URL", source.get("EXIT_URL") or "https://www.bbc.co.uk/weather"
            ),
            port=port,
            trusted_hops=whole_number(
                "TRUSTED_HOPS", source.get("TRUSTED_HOPS") or "0", least=0, most=5
            ),
            demo=demo,
            security_contact=_security_contact(source.get("SECURITY_CONTACT")),
            looks_a_day=whole_number(
                "LOOKS_A_DAY", source.get("LOOKS_A_DAY") or str(LOOKS_A_DAY), least=1, most=1000
            ),
            swaps_need_approval=yes_or_no(
                "SWAPS_NEED_APPROVAL", source.get("SWAPS_NEED_APPROVAL") or "1"
            ),
            rests=_rests(source.get("WRAP_UP_MINUTES"), source.get("REST_MINUTES")),
            twilio_account_sid=sid,
            twilio_auth_token=token,
            twilio_auth_token_previous=source.get("TWILIO_AUTH_TOKEN_PREVIOUS"),
            twilio_api_key=config_texts.api_key(
                source.get("TWILIO_API_KEY_SID"), source.get("TWILIO_API_KEY_SECRET")
            ),
            twilio_from=source.get("TWILIO_FROM"),
            twilio_messaging_service_sid=source.get("TWILIO_MESSAGING_SERVICE_SID"),
            twilio_api_url=source.get("TWILIO_API_URL"),
            text_limits=config_texts.text_limits(source.get),
            form_limits=_form_limits(source.get),
            countries=config_texts.countries(source.get("SERVICE_COUNTRIES") or REGION),
            calls=CallSettings.read(source.get),
            texts=config_texts.text_policy(source.get),
            keeping=config_retention.keeping(
                source.get, tz=_time_zone(source.get("SERVICE_TIME_ZONE") or "Europe/London")
            ),
            complaints_contact=source.get("COMPLAINTS_CONTACT"),
            data_protection_officer=source.get("DATA_PROTECTION_OFFICER"),
            heartbeat_url=_heartbeat_url(source.get("HEARTBEAT_URL")),
            redis_url=source.get("REDIS_URL"),
            audit_log=source.get("AUDIT_LOG"),
        )
        _check_twilio(settings)
        _check_log_lines(source.get("LOG_LINES"))
        return settings


class _Source:
    """One environment, with ``NAME_FILE`` read where ``NAME`` is not given."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str, default_file: Path | None = None) -> str | None:
        if value := self._environ.get(name, "").strip():
            return value
        path = self.file_of(name, default_file)
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except OSError as error:
            raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError:  # not shown as the cause: it quotes the content
            raise SettingsError(f"{name}_FILE must hold text, not bytes.") from None

    def file_of(self, name: str, default_file: Path | None = None) -> Path | None:
        """The file that a setting is read from; None where it is given as it is, or not at all."""
        if self._environ.get(name, "").strip():
            return None
        if named := self._environ.get(f"{name}_FILE", "").strip():
            return Path(named)
        return default_file if default_file is not None and default_file.exists() else None


def _data_keys(value: str | None) -> DataKeys:
    if value is None:
        raise SettingsError(
            "DATA_KEYS is not set. `make run` makes one, or set DATA_KEYS or DATA_KEYS_FILE."
        )
    return DataKeys.parse(value)


def _database_url(value: str | None, instance: Path) -> str:
    if value is None:
        return f"sqlite:///{instance / 'callback.sqlite3'}"
    for scheme in ("postgres://", "postgresql://"):
        if value.startswith(scheme):
            return "postgresql+psycopg://" + value.removeprefix(scheme)
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("DATABASE_URL must start with sqlite:/// or postgresql://.")
    return value


def _base_url(value: str, *, demo: bool) -> str:
    address = web_address("PUBLIC_BASE_URL", value).rstrip("/")
    on_loopback = is_loopback(urlsplit(address).hostname or "")
    if not on_loopback and not address.startswith("https://"):
        raise SettingsError(
            "PUBLIC_BASE_URL must start with https:// unless it is on this machine."
        )
    if demo and not on_loopback:
        raise SettingsError(
            "DEMO=1 runs on this machine only: PUBLIC_BASE_URL must be a loopback address."
        )
    return address


def _form_limits(get: Callable[[str], str | None]) -> FormLimits:
    usual = FormLimits()
    a_network = get("FORMS_PER_NETWORK") or str(usual.a_network)
    in_all = get("FORMS_PER_HOUR") or str(usual.in_all)
    least_time = get("FORM_LEAST_SECONDS") or str(int(usual.least_time.total_seconds()))
    return FormLimits(
        whole_number("FORMS_PER_NETWORK", a_network, least=1, most=10_000),
        whole_number("FORMS_PER_HOUR", in_all, least=1, most=100_000),
        timedelta(seconds=whole_number("FORM_LEAST_SECONDS", least_time, least=0, most=30)),
    )


def _check_log_lines(word: str | None) -> None:
    """``logs`` reads it by itself: it writes before there are any settings."""
    if word not in {None, logs.JSON, logs.PLAIN}:
        raise SettingsError(f"LOG_LINES is {logs.JSON} or {logs.PLAIN}.")


def _rests(wrap_up: str | None, rest: str | None) -> Rests:
    """The pauses between calls, in minutes. The rest is a part of the wrap-up."""
    usual_wrap_up, usual_rest = (str(int(one.total_seconds()) // 60) for one in (WRAP_UP, REST))
    whole = whole_number("WRAP_UP_MINUTES", wrap_up or usual_wrap_up, least=0, most=60)
    part = whole_number("REST_MINUTES", rest or usual_rest, least=0, most=60)
    if part > whole:
        raise SettingsError("REST_MINUTES is a part of WRAP_UP_MINUTES: it may not be longer.")
    return Rests(timedelta(minutes=whole), timedelta(minutes=part))


def _time_zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones
        raise SettingsError(
            "SERVICE_TIME_ZONE must be a zone's name, like Europe/London."
        ) from error


def _nation(value: str) -> str:
    if value.upper() not in NATIONS:
        raise SettingsError(f"SERVICE_NATION must be one of {', '.join(NATIONS)}.")
    return value.upper()


def _offered_skills(languages: str, skills: str) -> tuple[Skill, ...]:
    """What ``SERVICE_LANGUAGES`` and ``SERVICE_SKILLS`` list, and the genders."""
    return (
        *_listed("SERVICE_LANGUAGES", SkillKind.LANGUAGE, languages),
        *_listed("SERVICE_SKILLS", SkillKind.SKILL, skills),
        *(Skill(SkillKind.GENDER, gender.value) for gender in Gender),
    )


def _listed(name: str, kind: SkillKind, value: str) -> list[Skill]:
    try:
        return sorted(kept(skill(kind, word) for word in value.split(",") if word.strip()))
    except ValueError as error:
        raise SettingsError(f"{name} needs words with commas between: {error}") from error


def _check_twilio(settings: Settings) -> None:
    given = settings.twilio_account_sid, settings.twilio_auth_token
    if any(given) and not all(given):
        raise SettingsError("Set both TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or neither.")
    if all(given) and not (settings.twilio_from or settings.twilio_messaging_service_sid):
        raise SettingsError(
            "With a Twilio account, set TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID."
        )
    if not all(given) and (settings.twilio_api_key or settings.twilio_auth_token_previous):
        raise SettingsError(
            "An API key or a previous token needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: "
            "Twilio signs with the token."
        )
    if settings.texts.looks_numbers_up and not all(given):
        raise SettingsError("TWILIO_LOOKUP=1 needs a Twilio account: set TWILIO_ACCOUNT_SID too.")
    if settings.twilio_api_url is not None:
        _check_api_url(web_address("TWILIO_API_URL", settings.twilio_api_url))


def _check_api_url(address: str) -> None:
    """The auth token is sent there: never in clear over a network."""
    if not is_safe_to_call(address):
        raise SettingsError("TWILIO_API_URL must start with https:// unless it is on this machine.")


def _security_contact(value: str | None) -> str | None:
    if value is None or (value.startswith("mailto:") and "@" in value and value.isprintable()):
        return value
    if not web_address("SECURITY_CONTACT", value).startswith("https://"):
        raise SettingsError("SECURITY_CONTACT must be mailto:somebody@... or start with https://.")
    return value


def _heartbeat_url(value: str | None) -> str | None:
    """Whoever knows it can keep the alarm silent: never in clear over a network."""
    if value is None:
        return None
    if not is_safe_to_call(web_address("HEARTBEAT_URL", value)):
        raise SettingsError("HEARTBEAT_URL must start with https:// unless it is on this machine.")
    return value
