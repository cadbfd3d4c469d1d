"""Requests, and a rota around NOW to serve them. Every builder flushes and commits nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.domain.contact import Phone, SafeContact, Window, parse_phone
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role, StaffMember
from callback_service.extensions import db
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.staff import Staff
from callback_service.services import desk, intake, offers, planning
from callback_service.services.asks import Ask
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.pages import csrf_token

#: The first window that can be promised at NOW, and the one after it.
TONIGHT = Window(NOW + timedelta(hours=2), NOW + timedelta(hours=4))
LATE_TONIGHT = Window(NOW + timedelta(hours=4), NOW + timedelta(hours=6))
CALLER = "07700 900123"


@contextmanager
def stored(app: Flask) -> Iterator[Session]:
    """A session apart from those of requests; what it changed is committed at the end.

    On SQLite it takes the write lock at once, as the service does: one that read first and wrote
    then is refused without waiting if somebody wrote in between.
    """
    with app.app_context():
        engine = db.engine
    with Session(engine, expire_on_commit=False) as session:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        yield session
        _open_seals(session)
        session.commit()


@contextmanager
def seen(app: Flask) -> Iterator[Session]:
    """A session to look with, again and again, while others write."""
    with app.app_context():
        engine = db.engine
    with Session(engine, expire_on_commit=False) as session:
        yield session
        _open_seals(session)


def _open_seals(session: Session) -> None:
    """Fetch the keys of what was read: it is looked at when the session has ended."""
    for row in list(session):
        getattr(row, "request_key", None)


def mobile(number: int) -> str:
    """The mobile ``number`` (0 to 999) of those kept for drama."""
    return f"07700 900{number:03}"


def phone_of(typed: str) -> Phone:
    """The number that was typed."""
    return parse_phone(typed, allow_drama=True)


def an_ask(
    phone: str = CALLER,
    *,
    key: str | None = None,
    name: str | None = None,
    window: Window | None = None,
    may_text: bool = False,
    may_leave_voicemail: bool = False,
    note: str | None = None,
) -> Ask:
    """What somebody sent with a form of their own."""
    return Ask(
        key=key or intake.new_key(),
        phone=phone_of(phone),
        name=name,
        window=window,
        safe_contact=SafeContact(may_text, may_leave_voicemail),
        note=note,
        consent_version="test",
    )


def take(session: Session, ask: Ask, *, now: datetime = NOW) -> Submission:
    """Keep ``ask`` through the real intake; what was kept."""
    key = intake.take_request(session, ask, now=now, tz=LONDON)
    session.flush()
    submission = intake.submission_by_key(session, key)
    assert submission is not None
    return submission


def make_request(
    session: Session,
    phone: str = CALLER,
    *,
    name: str | None = None,
    window: Window | None = None,
    may_text: bool = False,
    may_leave_voicemail: bool = False,
    note: str | None = None,
    now: datetime = NOW,
) -> CallbackRequest:
    """A waiting request, taken through the real intake; "as soon as you can" unless told."""
    ask = an_ask(
        phone,
        name=name,
        window=window,
        may_text=may_text,
        may_leave_voicemail=may_leave_voicemail,
        note=note,
    )
    return take(session, ask, now=now).request


def make_shift(
    session: Session,
    start: str = "16:00",
    end: str = "08:00",
    *,
    name: str = "Alex Marsh",
    email: str | None = None,
) -> Staff:
    """A counsellor on shift every day from ``start`` to ``end``, London wall time."""
    counsellor = make_staff(session, name=name, email=email)
    make_pattern(session, counsellor, start, end)
    return counsellor


def make_shifts(
    session: Session, count: int, start: str = "16:00", end: str = "08:00"
) -> list[Staff]:
    """Several counsellors on the same shift."""
    return [make_shift(session, start, end, name=f"Counsellor {n + 1}") for n in range(count)]


def make_manager(
    session: Session, phone: str | None = "07700 900800", *, is_duty_lead: bool = False
) -> Staff:
    """A manager who gets notices at ``phone``; the duty lead by day and night if told."""
    manager = make_staff(session, role=Role.MANAGER, name="Mo Lane")
    manager.phone = phone_of(phone).e164 if phone else None
    if is_duty_lead:
        make_pattern(session, manager, "00:00", "00:00", duty=Duty.DUTY_LEAD)
    session.flush()
    return manager


def member(staff: Staff) -> StaffMember:
    """The person as services know whoever is signed in."""
    return StaffMember(staff.id, staff.name, staff.email, staff.role)


def accept(
    session: Session, request: CallbackRequest, staff: Staff, *, now: datetime = NOW
) -> None:
    """``staff`` takes the request."""
    desk.accept(session, request.id, staff=member(staff), now=now, tz=LONDON)
    session.flush()


def plan(session: Session, *, now: datetime = NOW) -> int:
    """One run of the planner."""
    changed = planning.run_plan(session, now=now, tz=LONDON)
    session.flush()
    return changed


def offer(session: Session, *, now: datetime = NOW) -> int:
    """One run of the offers, lapsed ones first, and of the planner before and between."""
    plan(session, now=now)
    offers.lapse_offers(session, now=now)
    plan(session, now=now)
    return offers.make_offers(session, now=now, tz=LONDON)


def row_counts(session: Session) -> dict[str, int]:
    """How many rows each table holds."""
    return {
        table.name: session.scalar(select(func.count()).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
    }


def answers(**changes: str) -> dict[str, str]:
    """The form filled in as most people would; empty answers are left out, as browsers do."""
    given = {
        "phone": CALLER,
        "name": "Sam",
        "when": "asap",
        "later": "",
        "messages": "no",
        "note": "Hang up if he answers",
        "consent": "y",
        **changes,
    }
    return {name: value for name, value in given.items() if value}


def send_form(client: FlaskClient, **changes: str) -> TestResponse:
    """Open the form, fill it in and send it, with the key and the token it came with."""
    page = client.get("/").get_data(as_text=True)
    hidden = {"csrf_token": csrf_token(page), "submission_key": submission_key(page)}
    return client.post("/", data={**hidden, **answers(**changes)})


def submission_key(page: str) -> str:
    """The key in the form on ``page``."""
    found = re.search(r'name="submission_key" value="([^"]*)"', page)
    assert found is not None, "the page has no form with a submission_key"
    return found.group(1)
