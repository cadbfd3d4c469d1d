"""What the pages read of a request: the fields of a form."""

from __future__ import annotations

from flask import Flask, Request


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
