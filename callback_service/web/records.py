"""Records of requests for those who do not ring them, and looking behind their mask."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField

from callback_service.clock import utc_now
from callback_service.domain.looks import LOOK_REASONS, LookReason
from callback_service.domain.policy import Action, Field
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import legal_holds, looks, records
from callback_service.web.access import current_staff, requires
from callback_service.web.choices import SelectChoice
from callback_service.web.desk import ENDINGS, OUTCOMES

bp = Blueprint("records", __name__)

FLAGGED_AT_MOST: Final = 100
#: What is behind the mask, as its place says.
BEHIND_MASK: Final = {
    Field.NAME: "A name was given",
    Field.SAFE_CONTACT: "There is a note on what is safe",
    Field.NOTES: "There are notes of conversations",
    Field.TEXTS_IN: "They texted us",
}


class LookForm(FlaskForm):
    """Why somebody needs to see a record."""

    reason = RadioField(
        "Why do you need to see it?",
        choices=[SelectChoice(reason, label) for reason, label in LOOK_REASONS.items()],
        validate_choice=False,
    )
    words = StringField("The reason, in a few words")

    def chosen(self) -> LookReason:
        """The reason that was chosen; raises BadInput for none."""
        if self.reason.data not in list(LookReason):
            raise BadInput("There is a problem", {"reason": "Choose one of the reasons"})
        return LookReason(self.reason.data)


@bp.get("/desk/requests/<int:request_id>/record")
@requires(Action.SEE_RECORD)
def page(request_id: int) -> str:
    """The record of a request: masked, or whole for a while after a look."""
    return _page(request_id, LookForm(formdata=None))


@bp.post("/desk/requests/<int:request_id>/look")
@requires(Action.LOOK_BEHIND_MASK)
def look(request_id: int) -> ResponseReturnValue:
    """Have the whole record shown, for a reason."""
    form, settings = LookForm(), current_settings()
    try:
        with transaction() as session:
            looks.take_look(
                session,
                request_id,
                staff=current_staff(),
                reason=form.chosen(),
                words=form.words.data,
                a_day=settings.looks_a_day,
                now=utc_now(),
                tz=settings.service_time_zone,
            )
    except BadInput as bad:
        for name, reason in bad.fields.items():
            form[name].errors = [*form[name].errors, reason]
        return _page(request_id, form), bad.status
    except Refused as refusal:
        flash(refusal.message, "error")
    return redirect(url_for("records.page", request_id=request_id), code=303)


@bp.get("/flagged")
@requires(Action.SEE_FLAGGED)
def flagged() -> str:
    """Requests that were marked urgent."""
    with reading() as session:
        rows = records.flagged(session, staff=current_staff(), limit=FLAGGED_AT_MOST)
    return render_template(
        "manager/flagged.html", rows=rows, now=utc_now(), tz=current_settings().service_time_zone
    )


def _page(request_id: int, form: LookForm) -> str:
    now, settings = utc_now(), current_settings()
    with transaction() as session:  # a look at a caller's details is written down
        record = records.record(session, request_id, staff=current_staff(), now=now)
        hold = legal_holds.hold_of(
            session,
            request_id,
            actor_id=current_staff().id,
            now=now,
            tz=settings.service_time_zone,
        )
    return render_template(
        "manager/record.html",
        record=record,
        hold=hold,
        form=form,
        a_day=settings.looks_a_day,
        BEHIND_MASK=BEHIND_MASK,
        OUTCOMES=OUTCOMES,
        ENDINGS=ENDINGS,
        now=now,
        tz=settings.service_time_zone,
    )
