"""The forms of complaints: what somebody sends, and what staff note about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wtforms import DateField, Field, HiddenField, RadioField, StringField, TextAreaField
from wtforms.validators import ValidationError

from callback_service.domain.complaints import Acknowledged, AnswerBy, ways_to_acknowledge
from callback_service.domain.contact import Phone
from callback_service.errors import BadInput
from callback_service.services.complaints import (
    ANSWER_TO_MAX_CHARS,
    CAME_WHEN,
    WORDS_MAX_CHARS,
    Told,
)
from callback_service.services.intake import is_key, new_key
from callback_service.web.choices import SelectChoice
from callback_service.web.numbers import known, ringable
from callback_service.web.personal_data_forms import BlamedForm

ANSWERS: Final = {
    AnswerBy.NONE: "No, do not answer me",
    AnswerBy.PHONE: "Yes, ring me",
    AnswerBy.WRITING: "Yes, write to me",
}
HOW: Final = {
    Acknowledged.RANG: "We rang the number that they gave for it",
    Acknowledged.WROTE: "We wrote to the address that they gave for it",
    Acknowledged.SPOKE: "They rang us, or came, and we said so",
    Acknowledged.NOT_WANTED: "They want no answer: the page told them that we have it",
}
_SAY_HOW: Final = "Choose how we may answer, or leave this empty"


class ComplaintForm(BlamedForm):
    """What went wrong, and how we may answer: where nothing is said, not at all."""

    submission_key = HiddenField()
    given = HiddenField()  # when, signed
    comments = StringField("Leave this empty")  # no person meets it; programs fill it in
    words = TextAreaField("What went wrong?")
    answer_by = RadioField(
        "May we answer you?",
        choices=[SelectChoice(answer, label) for answer, label in ANSWERS.items()],
        validate_choice=False,
    )
    ring = StringField("A number that is safe to ring")
    write_to = TextAreaField("A postal or e-mail address that is safe to write to")
    phone = StringField("The number you asked for a call with")

    def validate_words(self, field: Field) -> None:
        typed = _clean(field.data)
        if not typed:
            raise ValidationError("Tell us what went wrong")
        if len(typed) > WORDS_MAX_CHARS:
            raise ValidationError(f"Use {WORDS_MAX_CHARS:,} characters or fewer")

    def validate_answer_by(self, field: Field) -> None:
        """Nothing chosen is no answer, unless they went on to say where."""
        is_somewhere = bool(_clean(self.ring.data) or _clean(self.write_to.data))
        if not field.data and is_somewhere:
            raise ValidationError("Choose whether we may answer you")
        if field.data and field.data not in list(AnswerBy):
            raise ValidationError(_SAY_HOW)

    def validate_ring(self, field: Field) -> None:
        if self.answer_by.data == AnswerBy.PHONE:
            _number(field.data, ringable)

    def validate_write_to(self, field: Field) -> None:
        typed = _clean(field.data)
        if self.answer_by.data != AnswerBy.WRITING:
            return
        if not typed:
            raise ValidationError("Enter where we may write to you")
        if len(typed) > ANSWER_TO_MAX_CHARS:
            raise ValidationError(f"Use {ANSWER_TO_MAX_CHARS} characters or fewer")

    def validate_phone(self, field: Field) -> None:
        if _clean(field.data):
            _number(field.data, known)

    @property
    def key(self) -> str:
        """The key that the form came with, or a new one where somebody changed it."""
        sent = self.submission_key.data or ""
        return sent if is_key(sent) else new_key()

    def told(self) -> Told:
        """What was sent, once the form is valid."""
        answer_by = AnswerBy(self.answer_by.data or AnswerBy.NONE)
        answer_to = {
            AnswerBy.NONE: lambda: None,
            AnswerBy.PHONE: lambda: ringable(self.ring.data or "").e164,
            AnswerBy.WRITING: lambda: _clean(self.write_to.data),
        }[answer_by]()
        asked_from = known(self.phone.data or "").e164 if _clean(self.phone.data) else None
        return Told(_clean(self.words.data) or "", answer_by, answer_to, asked_from)


class WrittenDownForm(ComplaintForm):
    """A complaint that came by phone, by post or in person."""

    came_on = DateField("The day it came")

    def validate_came_on(self, field: Field) -> None:
        if field.data is None:
            field.errors = []  # WTForms' own sentence
            raise ValidationError(CAME_WHEN)


class AcknowledgedForm(BlamedForm):
    """How and when somebody was told that we have their complaint."""

    how = RadioField("How were they told that we have it?", validate_choice=False)
    on = DateField("On which day?")

    def offer(self, answer_by: AnswerBy) -> None:
        """Show the ways that they allowed."""
        ways = ways_to_acknowledge(answer_by)
        self.how.choices = [SelectChoice(way, HOW[way]) for way in ways]

    def chosen(self) -> Acknowledged | None:
        """The way that was chosen, if it is one."""
        return next((way for way in Acknowledged if way == self.how.data), None)


def _number(typed: str | None, read: Callable[[str], Phone]) -> None:
    """Raise ValidationError unless ``read`` takes it for a number."""
    try:
        read(typed or "")
    except BadInput as bad:
        raise ValidationError(bad.message) from bad


def _clean(typed: str | None) -> str | None:
    return (typed or "").replace("\r\n", "\n").replace("\x00", "").strip() or None
