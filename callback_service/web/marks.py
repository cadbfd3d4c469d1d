"""What a view says of itself: who may open it. A view that says nothing is closed to everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask

from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import Stage
from callback_service.domain.staff import Role, StaffMember

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "access_mark"
_FRESH = "access_fresh"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who may open a route: everybody, or staff who may do ``action``, by signing in or by token.

    With ``stages``, only those who have come so far in signing in and no further.
    """

    is_public: bool = False
    action: Action | None = None
    by_token: bool = False
    stages: frozenset[Stage] = frozenset()

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the table of who may do what lets pass."""
        return policy.roles_of(self.action) if self.action else frozenset()

    def admits(self, staff: StaffMember | None) -> bool:
        """Whether ``staff``, or somebody who is not signed in, may pass."""
        return self.is_public or (staff is not None and staff.role in self.roles)


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    return _marked(view, Mark(is_public=True))


def requires(action: Action) -> Callable[[View], View]:
    """Mark a view as open to signed-in staff who may do ``action``, and to nobody else."""
    return lambda view: _marked(view, Mark(action=Action(action)))


def token(action: Action) -> Callable[[View], View]:
    """Mark a view as open to programs with a token of staff who may; to no browser."""
    return lambda view: _marked(view, Mark(action=Action(action), by_token=True))


def during(*stages: Stage) -> Callable[[View], View]:
    """Mark a view as a step of signing in, open to who has come to one of ``stages`` only."""
    return lambda view: _marked(view, Mark(stages=frozenset(stages)))


def fresh(view: View) -> View:
    """Mark a view as a sensitive act: a second factor must have been given just now."""
    setattr(view, _FRESH, True)
    return view


def _marked(view: View, mark: Mark) -> View:
    setattr(view, _MARK, mark)
    return view


def mark_of(app: Flask, endpoint: str) -> Mark | None:
    """What the view of ``endpoint`` says; None if it says nothing."""
    mark: Mark | None = getattr(app.view_functions.get(endpoint), _MARK, None)
    return mark


def is_sensitive(app: Flask, endpoint: str) -> bool:
    """Whether the view of ``endpoint`` is marked ``fresh``."""
    return bool(getattr(app.view_functions.get(endpoint), _FRESH, False))


def needs_fresh(app: Flask) -> frozenset[str]:
    """The endpoints of sensitive acts."""
    return frozenset(name for name, view in app.view_functions.items() if hasattr(view, _FRESH))


def marks(app: Flask) -> dict[str, Mark | None]:
    """The mark of every endpoint with a route; None where it was forgotten, so nobody enters."""
    return {rule.endpoint: mark_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}
