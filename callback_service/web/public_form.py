"""The form people ask for a call with: its questions, their choices, and what they become."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import ValidationError

from callback_service.domain import wording
from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.skills import Skill, SkillKind, label
from callback_service.domain.wishes import NO_WISHES, Wishes, read_wishes
from callback_service.errors import BadInput
from callback_service.services.asks import Ask
from callback_service.services.intake import is_key, new_key
from callback_service.web.choices import SelectChoice
from callback_service.web.numbers import ringable

NAME_LIMIT: Final = 60  # characters
NOTE_LIMIT: Final = 200
#: Windows shown as radios; the others are in the list behind "Another time".
NEXT_WINDOWS: Final = 4
ASAP: Final = "asap"
LATER: Final = "later"

MESSAGES: Final = {
    "no": SafeContact(),
    "text": SafeContact(may_text=True),
    "voicemail": SafeContact(may_leave_voicemail=True),
    "both": SafeContact(may_text=True, may_leave_voicemail=True),
}

CONSENT_VERSION: Final = "2026-11"
CONSENT_WORDING: Final = (
    (
        "Asking for a call says something about your health or somebody else's. "
        "We need your agreement to keep your number and what you write here. "
        "Only the people who call you see it."
    ),
    "You can change your mind at any time: cancel on the next page, or tell us when we call.",
)


class AskForm(FlaskForm):
    """Five questions and a tick, and whom they would like to speak with if they open that."""

    submission_key = HiddenField()
    given = HiddenField()  # when, signed
    comments = StringField("Leave this empty")  # no person meets it; programs fill it in
    phone = StringField("What number should we call?")
    name = StringField("What should we call you?")
    when = RadioField("When should we call?", validate_choice=False)
    later = SelectField("Choose another time", validate_choice=False)
    messages = RadioField(
        "If you do not answer, can we leave a message?",
        choices=[
            SelectChoice("no", "No, do not leave any message"),
            SelectChoice("text", "Yes, a short text that does not say who we are"),
            SelectChoice("voicemail", "Yes, a voicemail that does not say who we are"),
            SelectChoice("both", "Yes, a text or a voicemail"),
        ],
        validate_choice=False,
    )
    reminder = BooleanField("Also text me a reminder before a time that I choose")
    language = SelectField("What language would you like to speak?", validate_choice=False)
    gender = RadioField(
        "Would you rather speak with a woman or a man?", default="", validate_choice=False
    )
    same_counsellor = BooleanField("If we have spoken before: the same counsellor again")
    note = TextAreaField("Is there anything that helps us call safely?")
    consent = BooleanField("I agree to this")

    parsed_phone: Phone
    window: Window | None
    windows: Sequence[Window] = ()
    is_flooded = False  # so much comes in that callers are asked to ring instead

    def __init__(
        self,
        *,
        remind_before: timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if remind_before is None:
            del self["reminder"]
        self.offer_wishes(())

    def offer_windows(self, windows: Sequence[Window], *, now: datetime, tz: tzinfo) -> None:
        """Show the times there are to choose from."""
        self.windows = windows
        self.when.choices = [
            SelectChoice(ASAP, "As soon as you can"),
            *(_choice(window, now=now, tz=tz) for window in windows[:NEXT_WINDOWS]),
        ]
        others = windows[NEXT_WINDOWS:]
        if others:
            self.when.choices.append(SelectChoice(LATER, "Another time"))
        self.later.choices = [
            SelectChoice("", "Choose a day and time"),
            *(_timed_choice(window, now=now, tz=tz) for window in others),
        ]

    @property
    def names_a_wish(self) -> bool:
        """Whether something was sent that may be a wish: it is one if it is offered."""
        return bool(self.language.data or self.gender.data)

    def offer_wishes(self, offered: Sequence[Skill]) -> None:
        """Only what somebody on the staff can meet is offered; English always is."""
        languages = [one for one in offered if one.kind is SkillKind.LANGUAGE]
        genders = [one for one in offered if one.kind is SkillKind.GENDER]
        self.language.choices = [
            SelectChoice("", "English"),
            *(SelectChoice(one.value, label(one)) for one in languages),
        ]
        self.gender.choices = [
            SelectChoice("", "I do not mind"),
            *(SelectChoice(one.value, f"A {one.value}") for one in genders),
        ]

    @property
    def wishes(self) -> Wishes:
        """Whom they would like to speak with; nobody in particular where that is not offered."""
        language, gender = (
            next((value for value, *_ in field.iter_choices() if value == field.data), None)
            for field in (self.language, self.gender)
        )
        return read_wishes(language, gender)

    @property
    def wishes_anything(self) -> bool:
        """Whether the part of the form with the wishes is to be open."""
        return bool(self.wishes.kinds()) or self.same_counsellor.data is True

    def validate_phone(self, field: Field) -> None:
        try:
            self.parsed_phone = ringable(field.data or "")
        except BadInput as error:
            raise ValidationError(error.message) from error

    def validate_name(self, field: Field) -> None:
        if len(field.data or "") > NAME_LIMIT:
            raise ValidationError(f"Use {NAME_LIMIT} characters or fewer")

    def validate_note(self, field: Field) -> None:
        if len((field.data or "").replace("\r\n", "\n")) > NOTE_LIMIT:
            raise ValidationError(f"Use {NOTE_LIMIT} characters or fewer")

    def validate_messages(self, field: Field) -> None:
        if field.data not in MESSAGES:
            raise ValidationError("Choose whether we can leave a message")

    def validate_consent(self, field: Field) -> None:
        if not field.data:
            raise ValidationError("Tick the box if you agree. Without it, ring us instead")

    def validate_when(self, field: Field) -> None:
        """Without scripts the list of further times is always shown: a time chosen there counts."""
        chosen = field.data or (LATER if self.later.data else None)
        if chosen is None:
            raise ValidationError("Choose when we should call")
        if chosen == ASAP:
            self.window = None
        elif chosen != LATER:
            self.window = _parse_window(chosen)

    def validate_later(self, field: Field) -> None:
        if self.when.data == LATER or (not self.when.data and field.data):
            if not field.data:
                raise ValidationError("Choose a day and time")
            self.window = _parse_window(field.data)

    @property
    def key(self) -> str:
        """The key that the form came with, or a new one where somebody changed it."""
        sent = self.submission_key.data or ""
        return sent if is_key(sent) else new_key()

    def ask(self, *, network: str | None) -> Ask:
        """What was asked, once the form is valid, and from which network."""
        return Ask(
            key=self.key,
            phone=self.parsed_phone,
            name=_clean(self.name.data),
            window=self.window,
            safe_contact=MESSAGES[self.messages.data],
            note=_clean(self.note.data),
            consent_version=CONSENT_VERSION,
            network=network,
            wishes=self.wishes,
            wishes_same_counsellor=bool(self.same_counsellor.data),
            wants_reminder="reminder" in self and bool(self.reminder.data),
        )


class AgainForm(AskForm):
    """Only when: all else is what they told us before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (
            "given",
            "comments",
            "phone",
            "name",
            "messages",
            "reminder",
            "note",
            "consent",
        ):
            if name in self:
                del self[name]
        for name in ("language", "gender", "same_counsellor"):
            del self[name]

    @property
    def names_a_wish(self) -> bool:
        """Nothing of the kind is asked."""
        return False

    def offer_wishes(self, offered: Sequence[Skill]) -> None:
        """Those they told us count: there is nothing to choose."""

    @property
    def wishes(self) -> Wishes:
        """Those they told us count when it is kept; the times shown are everybody's."""
        return NO_WISHES


def _clean(typed: str | None) -> str | None:
    return (typed or "").replace("\r\n", "\n").replace("\x00", "").strip() or None


def window_value(window: Window) -> str:
    """A window as the form sends it: two instants in UTC."""
    return "/".join(
        at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ") for at in (window.start, window.end)
    )


def _parse_window(value: str) -> Window:
    try:
        start, end = (
            datetime.strptime(at, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC) for at in value.split("/")
        )
    except ValueError as error:
        raise ValidationError("Choose one of the times shown") from error
    return Window(start, end)


def _choice(window: Window, *, now: datetime, tz: tzinfo) -> SelectChoice:
    return SelectChoice(window_value(window), wording.window_choice(window, now=now, tz=tz))


def _timed_choice(window: Window, *, now: datetime, tz: tzinfo) -> SelectChoice:
    """A window in the list of further times, under its calendar day."""
    times = f"{wording.clock_time(window.start, tz)} to {wording.clock_time(window.end, tz)}"
    day = wording.full_day(window.start, tz)
    near = wording.day_name(window.start, now=now, tz=tz)
    group = day if near in {day, "tonight"} else f"{near.capitalize()}, {day}"
    return SelectChoice(window_value(window), f"{day}, {times}", optgroup=group)
