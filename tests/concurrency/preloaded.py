"""What the fork server has ready before a process of a test begins.

Imports, mapped classes, and the compiled rules of addresses: an app that is made for it and thrown
away leaves them behind.
"""

import tempfile
from pathlib import Path

import govuk_frontend_jinja
import twilio.rest.api.v2010
from sqlalchemy.orm import configure_mappers

import callback_service.models
import tests.concurrency.racing
from callback_service import create_app
from tests.support import routes
from tests.support.settings import make_settings

__all__ = ["callback_service", "govuk_frontend_jinja", "tests", "twilio"]

configure_mappers()
routes.compile_once()
with tempfile.TemporaryDirectory() as folder:
    create_app(make_settings(f"sqlite:///{folder}/none", Path(folder)))
