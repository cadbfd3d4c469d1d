"""A small team for the tests of swaps, and what its people do."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Change
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import Span
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services import rota_changes, swap_lists, swap_offers, swaps
from callback_service.services.rota import resolve
from callback_service.services.swap_offers import Offer
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EARLY: Span = (local("2026-11-27 07:00"), local("2026-11-27 15:00"))
LATE: Span = (local("2026-11-28 14:00"), local("2026-11-28 22:00"))
SAME_DAY: Span = (local("2026-11-27 14:00"), local("2026-11-27 22:00"))


class Team:
    """Ana has the early shift on weekdays, Ben the late one on Saturdays, Cy none; Mo manages."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ana, self.ben, self.cy = (
            make_staff(session, name=name) for name in ("Ana", "Ben", "Cy")
        )
        self.mo = make_staff(session, name="Mo", role=Role.MANAGER)
        make_pattern(session, self.ana, "07:00", "15:00", frozenset(range(5)))
        make_pattern(session, self.ben, "14:00", "22:00", frozenset({5}))

    def offer(
        self, to: Staff | None = None, wanted: Span | None = None, *, by: Staff | None = None
    ) -> Swap:
        """An offer of the early shift on Friday; Ana's unless somebody else has it."""
        giver = by or self.ana
        offer = Offer(giver.id, Duty.COUNSELLING, EARLY, to.id if to else None, wanted)
        return swap_offers.offer_shift(self.session, offer, actor_id=giver.id, now=NOW, tz=LONDON)

    def offer_other(self) -> Swap:
        """Ana's early shift of the Monday after."""
        offer = Offer(self.ana.id, Duty.COUNSELLING, (EARLY[0] + 3 * DAY, EARLY[1] + 3 * DAY))
        return swap_offers.offer_shift(
            self.session, offer, actor_id=self.ana.id, now=NOW, tz=LONDON
        )

    def take(self, swap: Swap, who: Staff, *, needs_approval: bool = True) -> Swap:
        return swaps.take_swap(
            self.session, swap.id, staff_id=who.id, actor_id=who.id,
            needs_approval=needs_approval, now=NOW, tz=LONDON,
        )  # fmt: skip

    def approve(self, swap: Swap, rest_reason: str | None = None) -> Swap:
        return swaps.approve(
            self.session, swap.id, rest_reason=rest_reason, actor_id=self.mo.id, now=NOW, tz=LONDON
        )

    def agreed(self, who: Staff, wanted: Span | None = None, *, by: Staff | None = None) -> Swap:
        """A swap that holds, of the early shift on Friday."""
        return self.approve(self.take(self.offer(who, wanted, by=by), who), "Agreed")

    def undo(self, swap: Swap) -> None:
        swaps.undo(self.session, swap.id, actor_id=self.mo.id, now=NOW, tz=LONDON)

    def trouble_of(self, swap: Swap) -> str | None:
        """What the list says is wrong with a swap, to who offered it."""
        line = swap_lists.swap_line(
            self.session, swap.id, reader_id=swap.offered_by_id, now=NOW, tz=LONDON
        )
        return line.trouble

    def change(self, change: Change) -> RotaChange:
        return rota_changes.make_change(self.session, change, actor_id=None, now=NOW, tz=LONDON)

    def on_duty(self, who: Staff, day: str) -> list[Span]:
        start = local(f"{day} 00:00")
        shifts, _ = resolve(self.session, start, start + 24 * HOUR, tz=LONDON)
        return [(shift.start, shift.end) for shift in shifts if shift.staff_id == who.id]
