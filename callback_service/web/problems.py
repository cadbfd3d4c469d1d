"""Errors of the JSON API, as RFC 9457 has them: ``application/problem+json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Response, jsonify, request

API_PREFIX: Final = "/api/"

#: The stable name and the title of each status. Programs may rely on the names.
KINDS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "The request cannot be read"),
    401: ("token-needed", "A token is needed"),
    403: ("forbidden", "This token does not open this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This method is not used here"),
    409: ("refused", "That is not possible now"),
    413: ("too-large", "The request is too large"),
    422: ("bad-input", "A value cannot be used"),
    429: ("too-many-requests", "Too many requests"),
    503: ("busy", "The service is busy"),
    500: ("fault", "Something went wrong"),
}
TYPE: Final = "urn:callback-service:problem:{}"


def is_api() -> bool:
    """Whether a program asked, at an address of the JSON API."""
    return request.path.startswith(API_PREFIX)


def wants_problem() -> bool:
    """Whether an error is for a program: one of the API, or one that takes JSON and no page."""
    accepts = request.accept_mimetypes
    takes_json = accepts["application/json"] or accepts["application/problem+json"]
    return is_api() or (takes_json > 0 and not accepts.accept_html)


def problem(
    status: int, detail: str, *, fields: Mapping[str, str] | None = None, **more: str
) -> Response:
    """An answer that names what went wrong, and each bad field with its reason."""
    kind, title = KINDS.get(status) or KINDS[500 if status >= 500 else 400]
    body: dict[str, object] = {
        "type": TYPE.format(kind),
        "title": title,
        "status": status,
        "detail": detail,
        **more,
    }
    if fields:
        body["errors"] = [{"field": name, "reason": reason} for name, reason in fields.items()]
    response = jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="callback service"'
    return response
