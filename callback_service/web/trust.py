"""How we keep what we are told safe: for whoever asks for a call, and for charities that consider
the service.

Each sentence of the page is shown by tests, which ``tests/web/test_trust_page.py`` names.
"""

from __future__ import annotations

from flask import Blueprint, render_template

from callback_service.domain.languages import NAMES
from callback_service.domain.retention import Kept, spoken_length
from callback_service.domain.told import VOICES
from callback_service.extensions import current_settings
from callback_service.web import text_examples
from callback_service.web.access import public

bp = Blueprint("trust", __name__)


@bp.get("/security")
@public
def page() -> str:
    """What stands between what people tell us and everybody else; and how to report a hole."""
    settings = current_settings()
    return render_template(
        "public/security.html",
        kept={kind.value: spoken_length(settings.keeping.lasts(kind)) for kind in Kept},
        languages=[
            (NAMES[tag], tag, tag in settings.texts.languages, text_examples.in_language(tag))
            for tag in VOICES
        ],
        is_https=settings.is_https,
        texts_go_out=settings.texts_go_out,
        contact=settings.security_contact,
    )
