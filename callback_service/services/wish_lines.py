"""What becomes of each wish, by the rota as it is: for the desk, and for whoever made it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy.orm import Session

from callback_service.domain.reach import Reach
from callback_service.domain.wishes import (
    Step,
    Wishes,
    WishKind,
    asked_until,
    in_force,
    in_words,
    steps,
    widened_at,
)
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services.bonds import bonds
from callback_service.services.learning import learned
from callback_service.services.planning import whom_each_avoids
from callback_service.services.who_is_free import on_rota


@dataclass(frozen=True, slots=True)
class WishLine:
    """One wish in words ("a woman"), and ``until`` when it holds; None where it does not.

    ``is_in_vain`` says that it would, if somebody on the rota could meet it in time.
    """

    need: str  # as the plan knows it
    words: str
    until: datetime | None
    is_in_vain: bool


class _Asked(NamedTuple):
    """What is wished for, and the times of the request it is wished for."""

    wishes: Wishes
    request: CallbackRequest

    def steps(self, now: datetime) -> list[Step]:
        """By these times alone, from ``now`` on."""
        request = self.request
        found = steps(self.wishes, ring_from=request.ring_from, due_at=request.due_at)
        return in_force(found, now=now)


def wish_lines(
    session: Session, requests: Iterable[CallbackRequest], *, now: datetime, tz: tzinfo
) -> dict[int, list[WishLine]]:
    """By request: its wishes, in the order in which they are widened."""
    return _lines(
        session, [_Asked(request.wishes, request) for request in requests], now=now, tz=tz
    )


def own_wish_lines(
    session: Session, submission: Submission, *, now: datetime, tz: tzinfo
) -> list[WishLine]:
    """What this submission alone wished for: a language, and a woman or a man.

    Not the same counsellor: whether that person works now would tell whether we know the number.
    """
    own = Wishes(submission.wish_language, submission.wish_gender)
    [lines] = _lines(session, [_Asked(own, submission.request)], now=now, tz=tz).values()
    return lines


def _lines(
    session: Session, asked: Iterable[_Asked], *, now: datetime, tz: tzinfo
) -> dict[int, list[WishLine]]:
    by_time = [(one, one.steps(now)) for one in asked]
    needs = frozenset(need for _, steps in by_time for need in steps[0].needs)
    if not needs:
        return {one.request.id: _lines_of(one, steps, now) for one, steps in by_time}
    until = max(steps[-1].since for _, steps in by_time)
    bound = bonds(session)
    people = on_rota(
        session, until, under_way=bound.under_way, lengths=learned(session, now=now).lengths,
        needs=needs, now=now, tz=tz,
    )  # fmt: skip
    reach = Reach(people)
    avoid = whom_each_avoids(session, bound, now=now, tz=tz)
    return {
        one.request.id: _lines_of(
            one,
            reach.within(steps, avoid=avoid.get(one.request.id, frozenset()), now=now),
            now,
        )
        for one, steps in by_time
    }


def _lines_of(asked: _Asked, by_rota: list[Step], now: datetime) -> list[WishLine]:
    return [_line(asked, kind, by_rota, now) for kind in asked.wishes.kinds()]


def _line(asked: _Asked, kind: WishKind, by_rota: list[Step], now: datetime) -> WishLine:
    request, need = asked.request, asked.wishes.need_of(kind)
    name = request.wish_counsellor.name if request.wish_counsellor else None
    widened = widened_at(kind, ring_from=request.ring_from, due_at=request.due_at)
    until = asked_until(by_rota, need) if need in by_rota[0].needs else None
    words = in_words(asked.wishes, kind, counsellor=name)
    return WishLine(need, words, until, is_in_vain=until is None and now < widened)
