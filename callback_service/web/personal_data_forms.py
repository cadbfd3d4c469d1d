"""The forms of the pages about personal data."""

from __future__ import annotations

from typing import Final

from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, RadioField, StringField, TextAreaField

from callback_service.domain.contact import Phone
from callback_service.errors import BadInput
from callback_service.models.privacy import About
from callback_service.web.choices import SelectChoice
from callback_service.web.numbers import known, ringable

ABOUT: Final = {
    About.ACCESS: "They ask what we hold",
    About.ERASURE: "They ask us to erase it",
    About.CORRECTION: "Something is wrong and should be put right",
    About.COMPLAINT: "To look into a complaint",
    About.SAFEGUARDING: "Somebody's safety",
}


class BlamedForm(FlaskForm):
    """A form that shows what a service refused."""

    def blame(self, bad: BadInput) -> None:
        """Show what was refused at its fields, or above the form."""
        for name, reason in bad.fields.items():
            self[name].errors = [*self[name].errors, reason]
        if not bad.fields:
            self.form_errors.append(bad.message)


class FindForm(BlamedForm):
    """A number, typed in full, and why somebody looks."""

    phone = StringField("The full number")
    about = RadioField(
        "Why do you look?",
        choices=[SelectChoice(about, label) for about, label in ABOUT.items()],
        validate_choice=False,
    )
    words = TextAreaField("Who asks, and how do you know that it is them?")

    def read(self) -> tuple[Phone, About]:
        """What was given; raises BadInput that names the field."""
        fields = {}
        phone = None
        try:
            phone = known(self.phone.data or "")
        except BadInput as bad:
            fields["phone"] = bad.message
        if self.about.data not in list(About):
            fields["about"] = "Choose why you look"
        if not (self.words.data or "").strip():
            fields["words"] = "Say who asks and why"
        if phone is None or fields:
            raise BadInput("There is a problem", fields)
        return phone, About(self.about.data)


class ErasureForm(BlamedForm):
    """What they wish for afterwards."""

    stop_texts = BooleanField("They want no more texts")
    stop_calls = BooleanField("They never want to be rung again")


class HoldForm(BlamedForm):
    """Why a request is kept, and until when at first."""

    reason = TextAreaField("Why must it be kept?")
    review_on = DateField("When will somebody look at it again?")


class CorrectionForm(BlamedForm):
    """The right number or name of one request."""

    phone = StringField("The right number (leave empty if it is right)")
    name = StringField("The right name (leave empty if it is right)")

    def read(self) -> tuple[Phone | None, str | None]:
        """What was given, None for what stays; raises BadInput that names the field."""
        typed, name = (self.phone.data or "").strip(), " ".join((self.name.data or "").split())
        if not typed and not name:
            sentence = "Enter the right number or the right name"
            raise BadInput(sentence, {"phone": sentence})
        if not typed:
            return None, name
        try:
            phone = ringable(typed)
        except BadInput as bad:
            raise BadInput(bad.message, {"phone": bad.message}) from bad
        return phone, name or None
