"""The table of who may do what, asked by services: whatever a view forgot, a use case refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.staff import Role, StaffMember
from callback_service.errors import Forbidden
from callback_service.models.staff import Staff

P = ParamSpec("P")
R = TypeVar("R")
UseCase = Callable[Concatenate[Session, P], R]

#: Arguments that say who does it, the first that a use case has.
_WHO: Final = ("staff", "actor_id")


def allowed(action: Action, *, by: str | None = None) -> Callable[[UseCase[P, R]], UseCase[P, R]]:
    """Have a use case refuse whoever may not do ``action``, before it does anything.

    Who does it is its argument ``by``: a StaffMember, the id of one, or None for the service itself
    (the scheduler, a command).
    """

    def guard(use_case: UseCase[P, R]) -> UseCase[P, R]:
        signature = inspect.signature(use_case)
        who = by or next(name for name in _WHO if name in signature.parameters)

        def guarded(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(session, *args, **kwargs).arguments
            check(session, action, given.get(who))
            return use_case(session, *args, **kwargs)

        update_wrapper(guarded, use_case)
        guarded.allows = action  # type: ignore[attr-defined]  # for the test of completeness
        return guarded

    return guard


def check(session: Session, action: Action, who: StaffMember | int | None) -> None:
    """Raise Forbidden unless ``who`` may do ``action`` at all; None is the service itself."""
    if who is not None and not may(session, action, who):
        raise Forbidden("Your account may not do this.")


def may(session: Session, action: Action, who: StaffMember | int) -> bool:
    """Whether ``who`` may do ``action`` at all. Whoever is disabled may do nothing."""
    role = who.role if isinstance(who, StaffMember) else _role_of(session, who)
    return role is not None and policy.may(role, action)


def _role_of(session: Session, staff_id: int) -> Role | None:
    staff = session.get(Staff, staff_id)
    return staff.role if staff is not None and staff.is_active else None
