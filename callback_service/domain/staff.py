"""Who works here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a staff account is for; ``domain/policy.py`` says what each may do.

    The duty lead is none of these: it is the manager who is on duty as such now.
    """

    COUNSELLOR = "counsellor"
    MANAGER = "manager"
    SAFEGUARDING_LEAD = "safeguarding_lead"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """The signed-in person, as views and services need them."""

    id: int
    name: str
    email: str
    role: Role
