"""What a view says of itself: who may open it. A view that says nothing is closed to everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask

from callback_service.domain.signing_in import Stage
from callback_service.domain.staff import Role, StaffMember

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "access_mark"
_FRESH = "access_fresh"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who may open a route: everybody, or staff of these roles; by a token, or by signing in.

    With ``stages``, only those who have come so far in signing in and no further.
    """

    is_public: bool
    roles: frozenset[Role] = frozenset()
    by_token: bool = False
    stages: frozenset[Stage] = frozenset()

    def admits(self, staff: StaffMember | None) -> bool:
        """Whether ``staff``, or somebody who is not signed in, may pass."""
        return self.is_public or (staff is not None and staff.role in self.roles)


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    setattr(view, _MARK, Mark(is_public=True))
    return view


def requires(*roles: Role) -> Callable[[View], View]:
    """Mark a view as open to signed-in staff of ``roles``, and to nobody else."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, roles=frozenset(roles)))
        return view

    return mark


def during(*stages: Stage) -> Callable[[View], View]:
    """Mark a view as a step of signing in, open to who has come to one of ``stages`` only."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, stages=frozenset(stages)))
        return view

    return mark


def fresh(view: View) -> View:
    """Mark a view as a sensitive act: a second factor must have been given just now."""
    setattr(view, _FRESH, True)
    return view


def token(*roles: Role) -> Callable[[View], View]:
    """Mark a view as open to programs that bring a token of staff of ``roles``; to no browser."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, roles=frozenset(roles), by_token=True))
        return view

    return mark


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
