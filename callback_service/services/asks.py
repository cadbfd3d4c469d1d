"""What somebody asked for, by whatever way it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.models.sealing import keyring

ANY_MESSAGE: Final = SafeContact(may_text=True, may_leave_voicemail=True)


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody sent. ``window`` None is "as soon as you can". ``key`` came with their form."""

    key: str
    phone: Phone
    name: str | None
    window: Window | None
    safe_contact: SafeContact
    note: str | None
    consent_version: str
    wishes: Wishes = NO_WISHES
    wishes_same_counsellor: bool = False
    network: str | None = None  # that a form was posted from; kept for a day, as an index only
    wants_reminder: bool = False  # by text, before the window
    at_most: SafeContact = ANY_MESSAGE  # what may be left behind at this number, whatever was said

    @property
    def allowed(self) -> SafeContact:
        """What may be left behind: as was said, and no more than is safe at this number."""
        return self.safe_contact.stricter(self.at_most)

    @property
    def fingerprint(self) -> bytes:
        """Tells the same post sent again from another one with the same key."""
        parts = (
            self.phone.e164, self.name, self.window, self.safe_contact, self.note, self.wishes,
            self.wishes_same_counsellor, self.wants_reminder,
        )  # fmt: skip
        return keyring().blind_index("submission", repr(parts))
