"""What the pages read of a request: the fields of a form."""

from __future__ import annotations

from flask import Flask, Request, request
from werkzeug.exceptions import RequestEntityTooLarge


class FormRequest(Request):
    """A request whose body is a form or nothing.

    Flask-WTF takes JSON in the place of fields: lists and numbers where the pages expect text, or
    brackets so deep that reading them is a fault. Nothing here is sent as JSON.
    """

    @property
    def is_json(self) -> bool:
        """Never, whatever it claims to be."""
        return False


def init_app(app: Flask) -> None:
    """Have ``app`` read its requests so."""
    app.request_class = FormRequest
    app.before_request(_refuse_what_never_ends)


def _refuse_what_never_ends() -> None:
    """Refuse a body that comes in chunks, without its length, and reaches the limit.

    Werkzeug stops reading there without a word, and half a form would be taken for a whole one.
    """
    limit = request.max_content_length
    is_chunked = request.content_length is None and "Transfer-Encoding" in request.headers
    if is_chunked and limit is not None and len(request.get_data()) >= limit:
        raise RequestEntityTooLarge
