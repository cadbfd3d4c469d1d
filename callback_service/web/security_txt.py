"""Whom to tell of a hole in the service, as RFC 9116 has it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final

from flask import Blueprint, Response

from callback_service.clock import utc_now
from callback_service.errors import NotFound
from callback_service.extensions import current_settings
from callback_service.web.access import public

bp = Blueprint("security_txt", __name__)

PATH: Final = "/.well-known/security.txt"
#: RFC 9116 recommends less than a year. Whoever runs the service looks at the contact more often.
GOOD_FOR: Final = timedelta(days=90)


@bp.get(PATH)
@public
def security_txt() -> Response:
    """The contact that the settings name; not found where they name none."""
    settings = current_settings()
    if settings.security_contact is None:
        raise NotFound("There is no such page.")
    ends_on = utc_now().date() + GOOD_FOR
    expires = datetime.combine(ends_on, time(), UTC)
    lines = (
        f"Contact: {settings.security_contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.public_base_url}{PATH}",
    )
    return Response("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
