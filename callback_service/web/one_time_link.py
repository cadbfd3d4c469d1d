"""The page that shows a one-time link, this once."""

from __future__ import annotations

from flask import render_template

from callback_service.extensions import current_settings
from callback_service.services import accounts


def link_page(token: str, heading: str, lifetime: str) -> str:
    """The link of ``token``, on the configured address, and how long it works."""
    link = accounts.link_address(current_settings().public_base_url, token)
    return render_template("account/link.html", heading=heading, link=link, lifetime=lifetime)
