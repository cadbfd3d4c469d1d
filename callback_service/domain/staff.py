"""Who works here, and what each role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a staff account is for. An administrator runs accounts and sees no callers."""

    COUNSELLOR = "counsellor"
    MANAGER = "manager"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """The signed-in person, as views and services need them."""

    id: int
    name: str
    email: str
    role: Role
