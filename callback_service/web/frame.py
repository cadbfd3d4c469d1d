"""What every page has around it: navigation, addresses of assets, the state of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from flask import Flask, current_app, request, url_for
from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, PrefixLoader
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.calls import CallerId
from callback_service.domain.contact import national
from callback_service.domain.staff import Role
from callback_service.extensions import current_settings, reading
from callback_service.services import data_requests, decoys
from callback_service.web.access import marks, signed_in

#: (label, endpoint), in order; each is shown to those who may open it.
NAVIGATION: Final = (
    ("Desk", "desk.queue"),
    ("Urgent requests", "records.flagged"),
    ("Cover", "cover.week"),
    ("Rota", "rota.week"),
    ("Messages", "manager.messages"),
    ("Findings", "findings.page"),
    ("Audit", "audit.page"),
    ("Personal data", "personal_data.overview"),
    ("Looks", "looks.page"),
    ("Decoys", "decoys.page"),
    ("Staff", "admin.staff"),
    ("Your account", "account.own"),
)

#: Rooms where something may wait that nobody is told of otherwise, how much it is, and what it is.
_COUNTED: Final[Mapping[str, tuple[Callable[[Session], int], str]]] = {
    "decoys.page": (decoys.count_unseen, "new"),
    "personal_data.overview": (data_requests.count_open, "open"),
}

#: Rooms that are shown as a part of another.
PART_OF: Final = {
    "shift_patterns": "rota",
    "rota_changes": "rota",
    "rota_history": "rota",
    "open_shifts": "rota",
    "swaps": "rota",
    "availability": "rota",
    "leave": "rota",
    "rota_notices": "rota",
    "people": "rota",
    "calendar": "rota",
    "gaps": "cover",
    "bridge": "desk",
    "presence": "desk",
    "let_go": "desk",
    "bars": "desk",
    "records": "desk",
    "own_texts": "account",
    "second_step": "account",
    "step_up": "account",
    "passkeys": "account",
    "held": "account",
    "staff_skills": "admin",
    "form_posts": "findings",
    "complaint_cases": "personal_data",
    "holds": "personal_data",
    "person": "admin",
    "lost_phones": "admin",
}


def init_app(app: Flask) -> None:
    """Give the templates of ``app`` what their frame needs, and GOV.UK's component macros."""
    components = PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")})
    own = FileSystemLoader(app.root_path / Path(app.template_folder or ""))
    app.jinja_loader = ChoiceLoader([own, components])
    app.context_processor(_frame)
    app.jinja_env.globals["asset_url"] = asset_url


def _frame() -> dict[str, object]:
    settings = current_settings()
    staff = signed_in()
    return {
        "service_name": settings.service_name,
        "service_phone": settings.service_phone,
        "nav_items": _navigation(staff.role) if staff else [],
        "call_shows_as": _call_shows_as(settings),
        "texts_not_going_out": staff is not None and not settings.texts_go_out,
    }


def _call_shows_as(settings: Settings) -> str:
    """What a caller may see on their phone, after "The call may show as". By hand it shows none."""
    own = settings.calls
    if not settings.rings_for_counsellors or own.number is None:
        return "“No caller ID” or as a number you do not know"
    if own.caller_id is CallerId.WITHHELD:
        return "“No caller ID”"
    return f"{national(own.number)} or as “No caller ID”"


def _navigation(role: Role) -> list[tuple[str, str, bool]]:
    allowed = marks(current_app)
    here = PART_OF.get(request.blueprint or "", request.blueprint)
    return [
        (
            _label(label, endpoint),
            url_for(endpoint),
            endpoint.partition(".")[0] in {here, request.blueprint},
        )
        for label, endpoint in NAVIGATION
        if (mark := allowed.get(endpoint)) is not None and role in mark.roles
    ]


def _label(label: str, endpoint: str) -> str:
    """The word in the navigation; with how much waits there for whoever may open it."""
    if endpoint not in _COUNTED:
        return label
    count, word = _COUNTED[endpoint]
    with reading() as session:
        waiting = count(session)
    return f"{label} ({waiting} {word})" if waiting else label


def asset_url(name: str) -> str:
    """The address of a static file, with a hash of its content: it may be kept for a year."""
    path = Path(current_app.static_folder or "") / name
    return url_for("static", filename=name, v=_content_hash(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _content_hash(path: Path, _changed_at: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]
