"""One rota with everything in it, across the October change, is the same wherever it is looked at.

Other schedulers have two resolvers that disagree: grafana/oncall issues 1296, 2785 and 4755,
target/goalert issues 4306 and 4362.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise

import recurring_ical_events
from flask import Flask
from flask.testing import FlaskCliRunner
from icalendar import Calendar
from sqlalchemy.orm import Session

from callback_service.domain.cover import DEFAULT_NEED
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.spans import joined
from callback_service.domain.staff import Role, StaffMember
from callback_service.domain.wall_time import EVERY_DAY, Span, every_weeks
from callback_service.models.calendar import FeedScope
from callback_service.models.staff import Staff
from callback_service.services import (
    feeds,
    roster,
    rota_changes,
    shift_patterns,
    swap_offers,
    swaps,
)
from callback_service.services.api_tokens import make_token
from callback_service.services.rota_calendar import export_rota
from callback_service.services.swap_offers import Offer
from tests.rota_builders import LONDON, a_pattern, local, make_pattern
from tests.support.builders import make_staff

#: When the rota is made and looked at: a Thursday in summer time.
THEN = datetime(2026, 10, 15, 9, tzinfo=UTC)
FIRST, DAYS = date(2026, 10, 19), 14
START, END = local("2026-10-19 00:00"), local("2026-11-02 00:00")
Duties = dict[str, list[Span]]


def a_rota(session: Session) -> StaffMember:
    """Nights in turns of a week, days, every second weekend, and a change of each kind."""
    ana, ben, cy, dee = (make_staff(session, name=name) for name in ("Ana", "Ben", "Cy", "Dee"))
    manager = make_staff(session, name="Mo", role=Role.MANAGER)
    nights = tuple(Turn(frozenset({one.id}), 7) for one in (ana, ben))
    rotation = Rotation(
        None, Duty.COUNSELLING, EVERY_DAY, time(20), time(8), FIRST, None, FIRST,
        CountedIn.DAYS, nights,
    )  # fmt: skip
    weekends = replace(
        a_pattern(dee, "10:00", "18:00", frozenset({5, 6}), from_on=FIRST),
        cycle=every_weeks(2, FIRST),
    )
    for line in (rotation, weekends):
        shift_patterns.add_pattern(session, line, actor_id=None, now=THEN)
    make_pattern(session, cy, "08:00", "20:00")
    for change in _changes(cy, dee):
        rota_changes.make_change(session, change, actor_id=None, now=THEN, tz=LONDON)
    _swap(session, ana, dee, manager)
    session.commit()
    return StaffMember(manager.id, manager.name, manager.email, manager.role)


def _changes(cy: Staff, dee: Staff) -> list[Leave | Override | OpenShift]:
    day = local("2026-10-20 08:00"), local("2026-10-20 20:00")
    return [
        Leave(cy.id, local("2026-10-22 00:00"), local("2026-10-23 00:00"), LeaveReason.ANNUAL),
        OpenShift(local("2026-10-22 08:00"), local("2026-10-22 20:00")),
        Override(OverrideKind.REPLACE, cy.id, *day, by_id=dee.id),
    ]


def _swap(session: Session, ana: Staff, dee: Staff, manager: Staff) -> None:
    """The night in which the clocks go back: 13 hours."""
    night = local("2026-10-24 20:00"), local("2026-10-25 08:00")
    offer = Offer(ana.id, Duty.COUNSELLING, night, dee.id)
    swap = swap_offers.offer_shift(session, offer, actor_id=ana.id, now=THEN, tz=LONDON)
    swaps.take_swap(
        session, swap.id, staff_id=dee.id, actor_id=dee.id, needs_approval=True, now=THEN, tz=LONDON
    )
    swaps.approve(session, swap.id, actor_id=manager.id, now=THEN, tz=LONDON, rest_reason="Agreed")


def by_name(spans: Iterable[tuple[str, datetime, datetime]]) -> Duties:
    """Each name with when it is on, inside the range; "Open shift" for nobody."""
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for name, start, end in spans:
        if max(start, START) < min(end, END):
            span = max(start, START).astimezone(UTC), min(end, END).astimezone(UTC)
            found[name].append(span)
    return {name: joined(sorted(own)) for name, own in found.items()}


def in_calendar(content: bytes) -> Duties:
    """What another program makes of an .ics file."""
    return by_name(
        (str(event["SUMMARY"]), event["DTSTART"].dt, event["DTEND"].dt)
        for event in recurring_ical_events.of(Calendar.from_ical(content)).between(START, END)
        if event["STATUS"] != "CANCELLED"
    )


def test_pages_commands_api_feed_and_export_show_the_same_rota(
    app: Flask, cli: FlaskCliRunner, session: Session
) -> None:
    manager = a_rota(session)
    span = {"from": "2026-10-19", "to": "2026-11-02"}
    arguments = ["--from", span["from"], "--to", span["to"], "--format", "json"]
    shifts, cover = (
        json.loads(cli.invoke(args=["rota", what, *arguments]).output)
        for what in ("shifts", "cover")
    )
    sources = {one["source"] for one in shifts}
    assert sources == {"pattern", "override", "swap", "open"}
    assert {
        (one["start"], one["end"], one["counsellor"]["name"])
        for one in shifts
        if one["source"] == "swap"
    } == {("2026-10-24T19:00:00Z", "2026-10-25T08:00:00Z", "Dee")}
    printed = by_name(
        (
            one["counsellor"]["name"] if one["counsellor"] else "Open shift",
            datetime.fromisoformat(one["start"]),
            datetime.fromisoformat(one["end"]),
        )
        for one in shifts
    )
    assert printed.keys() == {"Ana", "Ben", "Cy", "Dee", "Open shift"}
    check_api(app, session, manager, span, shifts, cover)
    check_page(session, printed, cover)
    feed = feeds.feed_by_token(
        session, feeds.make_link(session, manager, FeedScope.WHOLE_ROTA, now=THEN)
    )
    feeds.remember(session, feed, now=THEN, tz=LONDON)
    shown = feeds.feed_as_ical(
        session, feed, service_name="x", host="x.example", now=THEN, tz=LONDON
    )
    assert in_calendar(shown) == printed
    sent = export_rota(session, START, END, name="x", host="x.example", tz=LONDON, now=THEN)
    assert in_calendar(sent) == printed


def check_api(
    app: Flask,
    session: Session,
    manager: StaffMember,
    span: dict[str, str],
    shifts: list[dict[str, object]],
    cover: list[dict[str, object]],
) -> None:
    token = make_token(session, manager.id, "x", now=THEN)
    session.commit()
    head = {"Authorization": f"Bearer {token}"}
    for what, said in (("shifts", shifts), ("cover", cover)):
        path = f"/api/v1/rota/{what}"
        assert app.test_client().get(path, query_string=span, headers=head).json == said


def check_page(session: Session, printed: Duties, cover: list[dict[str, object]]) -> None:
    """What the views are made of: who works when, and the gap of a day off that nobody took."""
    board = roster.boards(session, FIRST, DAYS, tz=LONDON, duties=[Duty.COUNSELLING])[0]
    on_page = by_name(
        (line.person.name if line.person else "Open shift", shift.start, shift.end)
        for line in board.lines
        for shift in line.shifts
    )
    assert on_page == printed
    figures = [(row["required"], row["on_shift"], row["short"]) for row in cover]
    assert [(one.required, one.on_shift, one.short) for one in board.cover] == figures
    assert all(one["end"] == later["start"] for one, later in pairwise(cover))
    gaps = [(row["start"], row["end"]) for row in cover if row["short"] == DEFAULT_NEED]
    assert gaps == [
        ("2026-10-18T23:00:00Z", "2026-10-19T07:00:00Z"),  # before the first of the nights
        ("2026-10-22T07:00:00Z", "2026-10-22T19:00:00Z"),
    ]
