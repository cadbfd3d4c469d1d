"""Where somebody goes after signing in: never out of this service, never to a closed page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from callback_service.domain.staff import Role, StaffMember
from callback_service.web.marks import mark_of

#: Where each role begins.
HOME: Final[Mapping[Role, str]] = {
    Role.COUNSELLOR: "desk.queue",
    Role.MANAGER: "cover.week",
    Role.SAFEGUARDING_LEAD: "records.flagged",
    Role.ADMINISTRATOR: "admin.staff",
}


def safe_next(url: str | None) -> str | None:
    """``url`` if it is a path of this service; None if a browser may take it for a host."""
    if not url or not url.startswith("/") or url.startswith("//"):
        return None
    if "\\" in url or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else url


def landing(staff: StaffMember, wanted: str | None) -> str:
    """Where to go after signing in: the page that was wanted if ``staff`` may see it, or home."""
    path = safe_next(wanted)
    if path is not None and _may_open(staff, path):
        return path
    return url_for(HOME[staff.role])


def _may_open(staff: StaffMember, path: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    try:
        endpoint = adapter.match(urlsplit(path).path, method="GET")[0] if adapter else ""
    except (HTTPException, RequestRedirect):
        return False
    mark = mark_of(current_app, endpoint)
    return mark is not None and not mark.by_token and not mark.stages and mark.admits(staff)
