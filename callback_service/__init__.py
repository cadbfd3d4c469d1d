"""The callback service: people ask to be rung, counsellors ring them, texts confirm it."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Final

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from callback_service import cli
from callback_service.config import Settings
from callback_service.extensions import csrf, db, migrate, prepare_engine
from callback_service.gateways.bank_holidays import use_nation
from callback_service.gateways.factory import number_lookup, record_remover, text_gateway
from callback_service.gateways.voice_factory import voice_gateway
from callback_service.key_file import KeyFile
from callback_service.models.sealing import Keyring, use_keyring
from callback_service.services.audit_chain import use_secret
from callback_service.services.text_limits import use_limits
from callback_service.services.text_wording import use_caller_id
from callback_service.services.texts import use_policy
from callback_service.services.voice_words import VoiceWords
from callback_service.web import (
    access,
    account,
    addresses,
    admin,
    api,
    audit,
    availability,
    bars,
    bridge,
    calendar,
    cover,
    decoys,
    demo,
    desk,
    errors,
    findings,
    form_posts,
    form_requests,
    frame,
    gaps,
    headers,
    health,
    held,
    leave,
    let_go,
    looks,
    lost_phones,
    manager,
    on_now,
    open_shifts,
    origins,
    own_data,
    own_texts,
    pace,
    passkeys,
    people,
    person,
    personal_data,
    presence,
    public,
    records,
    request_ids,
    rota_changes,
    rota_history,
    rota_notices,
    rota_views,
    second_step,
    security_txt,
    shift_patterns,
    sign_in,
    staff_skills,
    step_up,
    swaps,
    twilio,
    twilio_calls,
    twilio_inbound,
)

ROOT: Final = Path(__file__).parents[1]
BODY_LIMIT: Final = 64 * 1024  # bytes
PARTS_LIMIT: Final = 100
ONE_YEAR: Final = 31_536_000  # seconds
#: The rota is lists of many small objects, none of them in cycles. With Python's own thresholds the
#: collector walks all of them again and again: it took longer than making a year of a large rota.
GC_THRESHOLDS: Final = 50_000, 20, 20


def create_app(settings: Settings | None = None) -> Flask:
    """The service as a WSGI application. Reads the environment unless given ``settings``."""
    gc.set_threshold(*GC_THRESHOLDS)
    settings = settings or Settings.from_environ(os.environ, root=ROOT)
    use_keyring(_keyring(settings))
    use_secret(settings.secret_key)
    use_nation(settings.service_nation)
    use_limits(settings.text_limits)
    use_caller_id(shows_number=settings.shows_number)
    use_policy(settings.texts)
    app = Flask(__name__, template_folder=str(ROOT / "templates"))
    _configure(app, settings)
    _add_extensions(app, settings)
    _add_web(app)
    return app


def _keyring(settings: Settings) -> Keyring:
    """The keys of the settings; where they are in a file, always as they are there now."""
    if settings.data_keys_file is None:
        return Keyring(settings.data_keys)
    return Keyring(settings.data_keys, look=KeyFile(settings.data_keys_file).changed)


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        # Values stay out of the words of database errors, and so out of the log.
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True, "hide_parameters": True},
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        MAX_FORM_PARTS=PARTS_LIMIT,
        SESSION_COOKIE_NAME="__Host-form" if settings.is_https else "form",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_SECRET_KEY=settings.signing_keys,
        WTF_CSRF_SSL_STRICT=False,  # it asks for a referrer; origins.py asks the browser instead
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a slow typist is not turned away
    )


def _add_extensions(app: Flask, settings: Settings) -> None:
    if settings.database_url.startswith("sqlite:"):
        settings.instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), compare_type=True)
    with app.app_context():
        prepare_engine(db.engine)
    app.extensions["text_gateway"] = text_gateway(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        from_number=settings.twilio_from,
        messaging_service_sid=settings.twilio_messaging_service_sid,
        api_key=settings.twilio_api_key,
        api_url=settings.twilio_api_url,
        seconds=settings.text_limits.http.total_seconds(),
    )
    app.extensions["voice_gateway"] = voice_gateway(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        number=settings.calls.number,
        api_key=settings.twilio_api_key,
        api_url=settings.twilio_api_url,
    )
    app.extensions["voice_words"] = VoiceWords(settings.calls.languages, settings.calls.words)
    app.extensions["record_remover"] = record_remover(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        api_key=settings.twilio_api_key,
        api_url=settings.twilio_api_url,
    )
    app.extensions["number_lookup"] = (
        number_lookup(
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token,
            api_key=settings.twilio_api_key,
            api_url=settings.twilio_api_url,
        )
        if settings.texts.looks_numbers_up
        else None
    )


def _add_web(app: Flask) -> None:
    app.url_map.converters["int"] = addresses.RowId
    for room in (
        public, sign_in, second_step, passkeys, step_up, account, own_texts, desk, bridge, presence,
        let_go, manager, records, looks, findings, cover, gaps, rota_views, rota_changes,
        shift_patterns, people, admin, person, lost_phones, staff_skills, twilio, calendar,
        open_shifts, swaps, availability, leave, rota_notices, rota_history, audit, health, api,
        demo, held, twilio_calls, twilio_inbound, security_txt, form_posts, own_data, personal_data,
        decoys, bars,
    ):  # fmt: skip
        app.register_blueprint(room.bp)
    for part in (
        form_requests, request_ids, pace, csrf, origins, access, frame, on_now, headers, errors,
        cli,
    ):  # fmt: skip
        part.init_app(app)  # in the order in which they look at a request
    _serve_static_files(app)
    hops = app.config["SETTINGS"].trusted_hops
    if hops:
        # Wrapping it so is Flask's own way; its type says method.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]


def _serve_static_files(app: Flask) -> None:
    """Serve them compressed where they can be; browsers keep them, as addresses carry a hash."""
    files = WhiteNoise(
        app.wsgi_app,
        root=app.static_folder,
        prefix="static/",
        max_age=ONE_YEAR,
        allow_all_origins=False,
    )
    app.wsgi_app = headers.guarded(  # type: ignore[method-assign, assignment]  # as above
        files, is_https=app.config["SETTINGS"].is_https
    )
