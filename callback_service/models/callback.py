"""The callback request and all that belongs to it: windows, submissions, offers, attempts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.contact import LineKind, SafeContact
from callback_service.domain.escalation import Reason, Step
from callback_service.domain.lifecycle import (
    Disposition,
    LetGo,
    Outcome,
    RequestState,
    check_move,
)
from callback_service.domain.skills import Gender
from callback_service.domain.wishes import Wishes
from callback_service.models.base import Base
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid

_OPEN = text("state != 'closed'")
_IN_HAND = "state IN ('assigned', 'calling')"
_HELD = text("assigned_to_id IS NOT NULL")
_PLACE_HELD = text("place IS NOT NULL")
_OFFER_OPEN = text("ended_at IS NULL")
_LET_GO = "ending IN ('released', 'declined')"
_WINDOW_OPEN = text("ended_at IS NULL")
_ERASURE_ASKED = text("erasure_asked_at IS NOT NULL")


class CallbackRequest(Base):
    """A caller's ask to be rung. ``state`` changes only through ``move_to``."""

    __tablename__ = "callback_request"
    __table_args__ = (
        # One open request per phone number, whoever asks and however often at once.
        Index("uq_callback_request_open_phone", "phone_index", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        # One request per counsellor at a time.
        Index("uq_callback_request_holder", "assigned_to_id", unique=True,
              sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_callback_request_state_due_at", "state", "due_at"),
        CheckConstraint(f"({_IN_HAND}) = (assigned_to_id IS NOT NULL)", name="holder_set"),
        CheckConstraint(f"({_IN_HAND}) = (hold_until IS NOT NULL)", name="hold_set"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at_set"),
        CheckConstraint("(state = 'closed') = (disposition IS NOT NULL)", name="disposition_set"),
        CheckConstraint("state = 'closed' OR phone_index IS NOT NULL", name="open_has_phone"),
        CheckConstraint("ring_from <= due_at", name="ring_before_due"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    reference: Mapped[str] = mapped_column(
        String(8), unique=True
    )  # short, to be spoken; opens nothing
    phone_sealed: Mapped[bytes | None]  # E.164
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)
    phone_kind: Mapped[LineKind]
    name_sealed: Mapped[bytes | None]
    note_sealed: Mapped[bytes | None]  # what helps us ring safely
    closing_note_sealed: Mapped[bytes | None]
    may_text: Mapped[bool]
    may_leave_voicemail: Mapped[bool]
    wish_language: Mapped[str | None] = mapped_column(String(35))  # a BCP 47 tag
    wish_gender: Mapped[Gender | None]
    wish_counsellor_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    is_urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    follows_id: Mapped[int | None] = mapped_column(ForeignKey("callback_request.id"))
    state: Mapped[RequestState] = mapped_column(default=RequestState.WAITING)
    created_at: Mapped[datetime]
    ring_from: Mapped[datetime]  # not rung before this
    due_at: Mapped[datetime]  # the first attempt must be made by this
    is_window: Mapped[bool]  # ring_from to due_at is a window the caller chose
    agreed_from: Mapped[datetime | None]  # when to ring, as they last said while speaking
    tries: Mapped[int] = mapped_column(default=0)  # attempts in this window
    assigned_to_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    assigned_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]  # after this the hold is looked into
    round: Mapped[int] = mapped_column(
        default=1
    )  # offers and escalations start anew with each wait and each call
    first_attempt_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    disposition: Mapped[Disposition | None]

    phone = Sealed(by_request=True)
    name = Sealed(by_request=True)
    note = Sealed(by_request=True)
    closing_note = Sealed(by_request=True)

    request_key: Mapped[RequestKey | None] = relationship(
        primaryjoin="foreign(CallbackRequest.uid) == RequestKey.request_uid", viewonly=True
    )
    assigned_to: Mapped[Staff | None] = relationship(foreign_keys=assigned_to_id)
    wish_counsellor: Mapped[Staff | None] = relationship(foreign_keys=wish_counsellor_id)
    windows: Mapped[list[ContactWindow]] = relationship(
        back_populates="request", order_by="ContactWindow.starts_at"
    )
    attempts: Mapped[list[Attempt]] = relationship(
        back_populates="request", order_by="Attempt.number"
    )

    @property
    def safe_contact(self) -> SafeContact:
        """What may be left behind when nobody answers."""
        return SafeContact(self.may_text, self.may_leave_voicemail)

    @safe_contact.setter
    def safe_contact(self, allowed: SafeContact) -> None:
        self.may_text, self.may_leave_voicemail = allowed.may_text, allowed.may_leave_voicemail

    @property
    def wishes(self) -> Wishes:
        """Whom the caller would like to speak with."""
        return Wishes(self.wish_language, self.wish_gender, self.wish_counsellor_id)

    @wishes.setter
    def wishes(self, wished: Wishes) -> None:
        self.wish_language, self.wish_gender = wished.language, wished.gender
        self.wish_counsellor_id = wished.counsellor_id

    def move_to(self, target: RequestState) -> None:
        """Change state; raises Refused for a move that is not in the table."""
        check_move(self.state, target)
        self.state = target


class Submission(Base):
    """One posting of the form. Several may stand behind one request: asking again joins it.

    Its key is known only to the browser that was given the form, and opens the pages about it.
    """

    __tablename__ = "submission"
    __table_args__ = (
        Index("ix_submission_erasure_asked", "erasure_asked_at",
              sqlite_where=_ERASURE_ASKED, postgresql_where=_ERASURE_ASKED),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)  # SHA-256 of the key
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(16))  # blind index of what was sent
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    consent_version: Mapped[str] = mapped_column(String(16))
    consented_at: Mapped[datetime]
    may_text: Mapped[bool]  # as this person said; the request keeps the strictest
    may_leave_voicemail: Mapped[bool]
    wish_language: Mapped[str | None] = mapped_column(String(35))
    wish_gender: Mapped[Gender | None]
    wishes_same_counsellor: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    erasure_asked_at: Mapped[datetime | None]  # by its link, until that is carried out

    request: Mapped[CallbackRequest] = relationship()
    window: Mapped[ContactWindow] = relationship(back_populates="submission")


class ContactWindow(Base):
    """When one submission asked to be rung, and its promise: a first attempt by ``due_at``."""

    __tablename__ = "contact_window"
    __table_args__ = (
        # Two callers cannot hold the same place of one window.
        Index("uq_contact_window_place", "starts_at", "place", unique=True,
              sqlite_where=_PLACE_HELD, postgresql_where=_PLACE_HELD),
        Index("ix_contact_window_open", "request_id",
              sqlite_where=_WINDOW_OPEN, postgresql_where=_WINDOW_OPEN),
        CheckConstraint("starts_at <= due_at", name="starts_before_due"),
        CheckConstraint("place IS NULL OR (is_window AND ended_at IS NULL)", name="place_is_open"),
        CheckConstraint("(foreseen_seconds IS NULL) = (foreseen_sd_seconds IS NULL)",
                        name="forecast_whole"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), unique=True)
    is_window: Mapped[bool]  # False: "as soon as you can"
    starts_at: Mapped[datetime]
    due_at: Mapped[datetime]  # a window's end, or the time we quoted
    place: Mapped[int | None]  # which of the window's places it holds; None once it is given back
    ended_at: Mapped[datetime | None]  # withdrawn, or the request closed
    kept: Mapped[bool | None]  # whether the first attempt came by due_at
    foreseen_seconds: Mapped[int | None]  # the wait that the quote foresaw, on average
    foreseen_sd_seconds: Mapped[int | None]  # and its standard deviation

    request: Mapped[CallbackRequest] = relationship(back_populates="windows")
    submission: Mapped[Submission] = relationship(back_populates="window")


class OfferEnding(StrEnum):
    """How an offer ended."""

    ACCEPTED = "accepted"
    LAPSED = "lapsed"
    RELEASED = "released"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


class Offer(Base):
    """A request put to one counsellor until ``lapses_at``."""

    __tablename__ = "offer"
    __table_args__ = (
        Index("uq_offer_open_request", "request_id", unique=True,
              sqlite_where=_OFFER_OPEN, postgresql_where=_OFFER_OPEN),
        Index("uq_offer_open_counsellor", "counsellor_id", unique=True,
              sqlite_where=_OFFER_OPEN, postgresql_where=_OFFER_OPEN),
        CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name="ending_set"),
        CheckConstraint(f"reason IS NULL OR {_LET_GO}", name="reason_given"),
        CheckConstraint("words_sealed IS NULL OR reason = 'other'", name="words_of_other"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"))
    counsellor_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    round: Mapped[int]
    made_at: Mapped[datetime]
    lapses_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ending: Mapped[OfferEnding | None]
    reason: Mapped[LetGo | None]  # why they declined it or gave it back, if they said
    words_sealed: Mapped[bytes | None]  # the reason in their own words

    words = Sealed(by_request=True)

    request: Mapped[CallbackRequest] = relationship()
    counsellor: Mapped[Staff] = relationship()

    @property
    def uid(self) -> str | None:
        """What ties sealed words to this row: its key, once it is flushed."""
        return None if self.id is None else str(self.id)

    @property
    def request_key(self) -> RequestKey | None:
        """The key that its words are sealed with."""
        return self.request.request_key


class Attempt(Base):
    """One dial of the caller."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("request_id", "number"),
        CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="outcome_set"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    counsellor_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    number: Mapped[int]  # 1, 2, 3 ... in the life of the request
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]

    request: Mapped[CallbackRequest] = relationship(back_populates="attempts")
    counsellor: Mapped[Staff] = relationship()


class Escalation(Base):
    """A request was taken to the duty lead or to all managers. Each step once in each round."""

    __tablename__ = "escalation"
    __table_args__ = (UniqueConstraint("request_id", "round", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    round: Mapped[int]
    step: Mapped[Step]
    reason: Mapped[Reason]
    at: Mapped[datetime]
