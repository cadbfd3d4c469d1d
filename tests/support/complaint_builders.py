"""Complaints as people send them, and as staff find them."""

from __future__ import annotations

import re
from datetime import datetime

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.domain.complaints import AnswerBy
from callback_service.domain.flood import FormLimits
from callback_service.models.complaint import Complaint
from callback_service.services import complaints
from callback_service.services.complaints import Told
from callback_service.services.intake import new_key
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.pages import csrf_token
from tests.support.request_builders import phone_of, submission_key

WORDS = "You rang while my brother was here\nand left a message"
RING = "07700 900321"
_GIVEN = re.compile(r'name="given" value="([^"]*)"')


def told(
    words: str = WORDS,
    *,
    answer_by: AnswerBy = AnswerBy.PHONE,
    answer_to: str | None = RING,
    phone: str | None = None,
) -> Told:
    """What somebody complains of; numbers as they are typed."""
    if answer_by is AnswerBy.PHONE and answer_to:
        answer_to = phone_of(answer_to).e164
    asked_from = phone_of(phone).e164 if phone else None
    return Told(words, answer_by, None if answer_by is AnswerBy.NONE else answer_to, asked_from)


def make_complaint(
    session: Session,
    words: Told | None = None,
    *,
    address: str | None = None,
    now: datetime = NOW,
) -> Complaint:
    """A complaint that came by the form."""
    key = complaints.take(
        session, words or told(), key=new_key(), address=address, limits=FormLimits(),
        now=now, tz=LONDON,
    )  # fmt: skip
    session.flush()
    digest = complaints.digest(key)
    return session.scalars(select(Complaint).where(Complaint.key_digest == digest)).one()


def fetch_complaint_form(client: FlaskClient) -> dict[str, str]:
    """The hidden fields of an empty form."""
    page = client.get("/complaint").text
    given = _GIVEN.search(page)
    assert given is not None
    return {
        "csrf_token": csrf_token(page),
        "submission_key": submission_key(page),
        "given": given.group(1),
    }


def complain(client: FlaskClient, **fields: str) -> TestResponse:
    """Open the form and send it."""
    hidden = fetch_complaint_form(client)
    return client.post("/complaint", data={**hidden, "words": WORDS, **fields})
