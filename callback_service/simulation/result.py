"""What a simulation came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from statistics import fmean, median
from typing import Final

from callback_service.domain.breaks import BREAK_SHARE
from callback_service.domain.escalation import Reason, Step
from callback_service.simulation.people import OnDuty, Request
from callback_service.simulation.scenario import Scenario

MINUTE: Final = timedelta(minutes=1)


class Result:
    """What happened, written down while it does, and the figures of it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.requests: list[Request] = []
        self.escalations: list[tuple[Step, Reason]] = []
        self.busy = timedelta()
        self.lapsed = 0  # offers
        self.overtaken = 0  # open promises that a later quote came before
        self.out_of_turn = 0  # first attempts that came before one that was promised earlier
        self.violations = 0
        self._duty = timedelta()
        self._unowned: dict[int, tuple[datetime, datetime]] = {}
        self._replanned = self._changes = 0
        self._last_plan: dict[int, int] = {}

    def on_duty(self, shift: OnDuty) -> None:
        """Somebody works a shift."""
        start, end = (
            max(shift.start, self.scenario.start),
            min(shift.end, self.scenario.end),
        )
        share = 1 - BREAK_SHARE if shift.break_from else 1
        self._duty += max(end - start, timedelta()) * share

    def quoted(self, due: datetime, ahead: Iterable[Request]) -> None:
        """A time was promised, with these open promises ahead of it."""
        self.overtaken += sum(one.due_at > due for one in ahead)

    def first_attempt(self, request: Request, ahead: Iterable[Request]) -> None:
        """A caller is rung for the first time, with these open promises of the same queue."""
        if not request.is_window:
            self.out_of_turn += any(one.due_at < request.due_at for one in ahead)

    def minute_passed(self, released: Iterable[Request]) -> None:
        """Another minute is over: whom each is planned for who waits to be rung."""
        last = self._last_plan
        self._last_plan = {
            one.id: one.planned_for for one in released if one.planned_for is not None
        }
        for request_id in last.keys() & self._last_plan.keys():
            self._replanned += 1
            self._changes += last[request_id] != self._last_plan[request_id]

    def forgotten(self, request: Request, now: datetime) -> None:
        """An open request has neither owner nor deadline."""
        self.violations += 1
        since, _ = self._unowned.get(request.id, (now, now))
        self._unowned[request.id] = since, now

    def end(self, open_requests: Iterable[Request]) -> None:
        """The time is over: what is promised for later is not judged."""
        left = {one.id: one for one in open_requests}
        self._lost = sum(one.disposition is None and one.id not in left for one in self.requests)
        undecided = {
            one.id
            for one in left.values()
            if one.first_attempt_at is None and one.promised.end > self.scenario.end
        }
        self._judged = [
            one
            for one in self.requests
            if one.id not in undecided and not self._was_withdrawn_in_time(one)
        ]

    @staticmethod
    def _was_withdrawn_in_time(one: Request) -> bool:
        return (
            one.first_attempt_at is None
            and one.closed_at is not None
            and one.closed_at <= one.promised.end
        )

    def figures(self) -> dict[str, object]:
        """The figures, in groups, for a file."""
        soon = [one for one in self._judged if not one.is_window]
        return {
            "requests": len(self.requests),
            "a_day": _round(len(self.requests) / self.scenario.days),
            "promises": _promises(soon),
            "windows": _kept([one for one in self._judged if one.holds_place]),
            "follow_ups": _kept([one for one in self._judged if one.is_follow_up]),
            "with_a_wish": _kept([one for one in soon if one.wishes.kinds()]),
            "with_a_language": _kept([one for one in soon if one.wishes.language]),
            "counsellors": {
                "use_percent": _percent(self.busy / MINUTE, self._duty / MINUTE),
                "offers_lapsed": self.lapsed,
                "plan_changes_percent": _percent(self._changes, self._replanned),
                "plan_changes_a_request": _round(self._changes / max(len(self.requests), 1), 2),
            },
            "escalations": self._escalated(),
            "closed": dict(
                sorted(
                    Counter(
                        str(one.disposition) for one in self.requests if one.disposition
                    ).items()
                )
            ),
            "overtaken_promises": self.overtaken,
            "out_of_turn_percent": _percent(self.out_of_turn, len(soon)),
            "unowned_minutes": _round(
                sum((end - since) / MINUTE for since, end in self._unowned.values())
            ),
            "violations": self.violations,
            "lost_requests": self._lost,
        }

    def _escalated(self) -> dict[str, object]:
        steps = Counter(step for step, _ in self.escalations)
        a_hundred = max(len(self.requests), 1) / 100
        return {
            "count": len(self.escalations),
            "a_hundred_requests": _round(len(self.escalations) / a_hundred),
            "to_the_duty_lead_a_hundred_requests": _round(steps[Step.DUTY_LEAD] / a_hundred),
            "reasons": _counted(reason for _, reason in self.escalations),
        }

    def by_hour(self) -> list[tuple[float, float]]:
        """Mean minutes promised and achieved for "as soon as you can", by local hour of asking."""
        hours: list[list[Request]] = [[] for _ in range(24)]
        for one in self._judged:
            if not one.is_window and one.first_attempt_at is not None:
                hours[one.asked_at.astimezone(self.scenario.tz).hour].append(one)
        return [
            (fmean(map(_promised, own)), fmean(map(_achieved, own))) if own else (0.0, 0.0)
            for own in hours
        ]


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(map(str, words)).items()))


def _promised(one: Request) -> float:
    return (one.promised.end - one.asked_at) / MINUTE


def _achieved(one: Request) -> float:
    """Minutes to the first attempt; for one that never came, to when that was certain."""
    at = one.first_attempt_at or one.closed_at or one.promised.end
    return (at - one.asked_at) / MINUTE


def _promises(soon: Sequence[Request]) -> dict[str, object]:
    rung = [one for one in soon if one.first_attempt_at is not None]
    promised, achieved = [_promised(one) for one in rung], [_achieved(one) for one in rung]
    left = [before - after for before, after in zip(promised, achieved, strict=True)]
    late = [-minutes for minutes in left if minutes < 0]
    return {
        "count": len(soon),
        "kept_percent": _percent(sum(one.is_kept for one in soon), len(soon)),
        "promised_minutes": _spread(promised, mean=True),
        "achieved_minutes": _spread(achieved, mean=True),
        "promised_minus_achieved_minutes": _spread(left),
        "promised_over_achieved": _round(sum(promised) / sum(achieved), 2) if achieved else None,
        "first_attempt_minutes": _spread(achieved, 99),
        "late_minutes": _round(fmean(late)) if late else 0.0,
        "latest_minutes": _round(max(late, default=0.0)),
    }


def _kept(some: Sequence[Request]) -> dict[str, object]:
    return {
        "count": len(some),
        "kept_percent": _percent(sum(one.is_kept for one in some), len(some)),
    }


def _spread(values: Sequence[float], *more: int, mean: bool = False) -> dict[str, float | None]:
    """Median, 90th and further percentiles, and the mean where asked for."""
    found = {"mean": _round(fmean(values)) if values else None} if mean else {}
    found["median"] = _round(median(values)) if values else None
    for percent in (90, *more):
        found[f"p{percent}"] = _round(percentile(values, percent)) if values else None
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of the values that so many per cent do not exceed."""
    return sorted(values)[max(ceil(percent / 100 * len(values)) - 1, 0)]


def _percent(part: float, whole: float) -> float | None:
    return _round(100 * part / whole, 2) if whole else None


def _round(value: float, digits: int = 1) -> float:
    return round(value, digits)
