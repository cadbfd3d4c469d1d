"""What waits for somebody about their own rota or that of all, as links with counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role, StaffMember
from callback_service.services import leave_requests, rota_notices, swap_lists


@dataclass(frozen=True, slots=True)
class RotaLink:
    """A link of the rota page; ``waiting`` things there want an answer."""

    label: str
    url: str
    waiting: int


def rota_links(session: Session, staff: StaffMember, *, now: datetime) -> list[RotaLink]:
    """The links for ``staff``; none for who has no shifts."""
    if staff.role is Role.ADMINISTRATOR:
        return []
    is_manager = staff.role is Role.MANAGER
    swaps_waiting = swap_lists.count_for(session, staff.id, now=now)
    leave_waiting = 0
    links = []
    if is_manager:
        swaps_waiting += swap_lists.count_for_manager(session, now=now)
        leave_waiting = leave_requests.count_asked(session)
        told = rota_notices.count_unseen(session)
        links.append(RotaLink("Sudden absences", url_for("rota_notices.notices"), told))
    return [
        *links,
        RotaLink("Swaps", url_for("swaps.swaps"), swaps_waiting),
        RotaLink("When you cannot work", url_for("availability.own"), 0),
        RotaLink("Leave", url_for("leave.requests"), leave_waiting),
    ]
