"""What the fork server has ready before a process of a test begins: imports and mapped classes."""

import govuk_frontend_jinja
import twilio.rest.api.v2010
from sqlalchemy.orm import configure_mappers

import callback_service.models
import tests.concurrency.racing

__all__ = ["callback_service", "govuk_frontend_jinja", "tests", "twilio"]

configure_mappers()
