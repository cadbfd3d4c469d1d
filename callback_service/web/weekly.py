"""Form fields and parameters that the rota and the cover pages share."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from flask import request
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, SelectMultipleField, StringField, TimeField
from wtforms.form import BaseForm
from wtforms.validators import DataRequired, InputRequired, Length, Optional, ValidationError

from callback_service.domain.wall_time import WEEK, WEEKDAY_NAMES, day_in_words, is_meant, monday_of
from callback_service.errors import BadInput, CallbackServiceError
from callback_service.extensions import current_settings
from callback_service.web.choices import SelectChoice

FURTHEST_WEEK = timedelta(days=5 * 366)
Value = TypeVar("Value")


class WallTime(TimeField):
    """A time of the 24-hour clock, as "07:00", "7:00", "7.00" or "0700"."""

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(label, format=["%H:%M", "%H.%M", "%H%M"], **more)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The typed time; says what a time looks like when it is none."""
        try:
            super().process_formdata([value.strip() for value in valuelist])
        except ValueError as error:
            raise ValueError("Enter a time of the 24-hour clock, like 07:00.") from error

    def pre_validate(self, form: object) -> None:
        """Refuse a form that came without the field."""
        if self.data is None and not self.process_errors:
            raise ValidationError("Enter a time of the 24-hour clock, like 07:00.")


class Day(DateField):
    """A date, from the browser's own date picker or typed as 2026-11-22 or 22/11/2026."""

    def __init__(self, label: str, *, is_needed: bool = True, **more: Any) -> None:
        needed = DataRequired("Enter a date, like 22/11/2026.") if is_needed else Optional()
        formats = ["%Y-%m-%d", "%d/%m/%Y"]
        super().__init__(label, format=formats, validators=[needed], **more)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The typed date; says what a date looks like when it is none."""
        try:
            super().process_formdata([value.strip() for value in valuelist])
        except ValueError as error:
            raise ValueError("Enter a date, like 22/11/2026.") from error
        if self.data is not None and not is_meant(self.data):
            raise ValueError("Enter a date within five years of today.")


class Reason(StringField):
    """Why something is as it is, in a line."""

    def __init__(self, label: str = "Reason", *, is_needed: bool = True, **more: Any) -> None:
        needed = DataRequired("Give a reason.") if is_needed else Optional()
        short = Length(max=200, message="Give the reason in at most 200 characters.")
        super().__init__(label, validators=[needed, short], **more)


class OneOf(SelectField):
    """One of the things a list offers; ``sentence`` says what to do when it is none of them."""

    def __init__(self, label: str, *, sentence: str, **more: Any) -> None:
        self._sentence = sentence
        super().__init__(label, validators=[InputRequired(sentence)], **more)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The chosen value."""
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(self._sentence) from error

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse what the list does not offer."""
        try:
            super().pre_validate(form)
        except ValueError as error:
            raise ValidationError(self._sentence) from error


class Weekdays(SelectMultipleField):
    """Some of the seven weekdays; Monday is 0."""

    def __init__(self, label: str, *, is_needed: bool = True, **more: Any) -> None:
        choices = [choice(day, name) for day, name in enumerate(WEEKDAY_NAMES)]
        needed = [DataRequired("Choose at least one day.")] if is_needed else []
        super().__init__(label, choices=choices, coerce=int, validators=needed, **more)

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse an eighth day."""
        try:
            super().pre_validate(form)
        except ValueError as error:
            raise ValidationError("Choose from Monday to Sunday.") from error


def choice(value: object, label: str) -> Any:
    """One thing a list offers."""
    return SelectChoice(value=value, label=label)


def given(value: Value | None) -> Value:
    """What was typed into a field of a form that is valid."""
    if value is None:
        raise BadInput("Fill in the whole form.")
    return value


def blame(form: FlaskForm, refusal: CallbackServiceError, *, otherwise: str) -> None:
    """Put the reasons of a refusal beside their fields, or beside ``otherwise``."""
    reasons = refusal.fields if isinstance(refusal, BadInput) else {}
    known = {name: reason for name, reason in reasons.items() if name in form}
    for name, reason in (known or {otherwise: refusal.message}).items():
        form[name].errors = [reason]


def zone() -> ZoneInfo:
    """The zone of the rota's wall times."""
    time_zone: ZoneInfo = current_settings().service_time_zone
    return time_zone


def chosen_monday(now: datetime) -> date:
    """The Monday of the week in the address (any date of it), or of this week. Raises BadInput."""
    this_week = monday_of(now.astimezone(zone()).date())
    wanted = request.args.get("week")
    if wanted is None:
        return this_week
    try:
        monday = monday_of(date.fromisoformat(wanted))
    except (ValueError, OverflowError) as error:
        raise BadInput("The week must be a date, like 2026-11-23.") from error
    if abs(monday - this_week) > FURTHEST_WEEK:
        raise BadInput("Choose a week within five years of today.")
    return monday


def week_links(monday: date, now: datetime) -> dict[str, object]:
    """What the links between weeks need: dates as the address takes them, and the week in words."""
    this_week = monday_of(now.astimezone(zone()).date())
    return {
        "previous": (monday - WEEK).isoformat(),
        "next": (monday + WEEK).isoformat(),
        "is_this_week": monday == this_week,
        "words": f"{day_in_words(monday)} {monday.year}",
    }
