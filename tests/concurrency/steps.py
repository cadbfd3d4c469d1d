"""What processes of several races do, each step in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable

from callback_service.domain.staff import StaffMember
from callback_service.extensions import transaction
from callback_service.services import desk, intake, offers, planning
from callback_service.services.asks import Ask
from tests.rota_builders import LONDON
from tests.support.builders import NOW


def run_one(run: Callable[..., object], *given: object) -> object:
    """So that processes of one race may do different things."""
    return run(*given)


def ask_once(ask: Ask) -> str:
    with transaction() as session:
        return intake.take_request(session, ask, now=NOW, tz=LONDON)


def accept_once(request_id: int, staff: StaffMember) -> None:
    with transaction() as session:
        desk.accept(session, request_id, staff=staff, now=NOW, tz=LONDON)


def plan_and_offer(times: int) -> int:
    made = 0
    for _ in range(times):
        with transaction() as session:
            planning.run_plan(session, now=NOW, tz=LONDON)
        with transaction() as session:
            made += offers.make_offers(session, now=NOW, tz=LONDON)
    return made
