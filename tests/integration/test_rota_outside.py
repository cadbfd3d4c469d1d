"""Schedules of other places with published answers, by commands and API as a stranger would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service import create_app
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.staff import Staff
from callback_service.services import account_changes
from callback_service.services.api_tokens import make_token
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import stored
from tests.support.settings import make_settings

pytestmark = pytest.mark.one_database
Row = tuple[str, str, str | None]
ANA, BEN = "ATTENDEE:mailto:ana@example.org", "ATTENDEE:mailto:ben@example.org"


class Installation:
    """The service in one zone, as its commands and its API show it."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self._app, self._folder = app, folder

    def run(self, *arguments: str) -> str:
        """What ``flask --app wsgi`` prints."""
        result = self._app.test_cli_runner().invoke(args=[*arguments])
        assert result.exit_code == 0, result.output
        return result.output

    def import_events(self, *events: str) -> None:
        """Apply an .ics file of these events; each is its lines parted by spaces."""
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//outside//EN"]
        for number, event in enumerate(events):
            uid = [] if "UID:" in event else [f"UID:{number}"]
            lines += ["BEGIN:VEVENT", *uid, *event.split(), "END:VEVENT"]
        file = self._folder / "rota.ics"
        file.write_text("\r\n".join([*lines, "END:VCALENDAR", ""]))
        said = json.loads(self.run("rota", "import", str(file), "--apply", "--format", "json"))
        assert {one["uid"] for one in said} == _uids(lines), "each event was looked at"
        assert not [one for one in said if one["verdict"].startswith("not ")]

    def shifts(self, start: str, end: str) -> list[Row]:
        """``rota shifts``: start, end, and first name or None. The API must say the same."""
        found = self._said("shifts", start, end)
        assert found == sorted(found, key=lambda one: (one["start"], one["end"]))
        return [
            (one["start"], one["end"], one["counsellor"] and one["counsellor"]["name"])
            for one in found
        ]

    def cover(self, start: str, end: str, *step: str) -> list[dict[str, Any]]:
        """``rota cover``: rows that tile, each with the shortfall of its figures."""
        rows = self._said("cover", start, end, *step)
        assert rows, "there is no time that nothing is said of"
        assert all(one["end"] == later["start"] for one, later in pairwise(rows))
        assert all(row["short"] == max(row["required"] - row["on_shift"], 0) for row in rows)
        return rows

    def _said(self, what: str, start: str, end: str, *step: str) -> list[dict[str, Any]]:
        every = ["--step", *step] if step else []
        span = ["--from", start, "--to", end]
        said = json.loads(self.run("rota", what, *span, *every, "--format", "json"))
        with stored(self._app) as session:
            token = make_token(session, make_staff(session, role=Role.MANAGER).id, "x", now=NOW)
        answer = self._app.test_client().get(
            f"/api/v1/rota/{what}",
            query_string={"from": start, "to": end, **({"step": step[0]} if step else {})},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.json == said
        return list(said)

    def disable(self, email: str) -> None:
        """End an account, as an administrator does."""
        with stored(self._app) as session:
            staff = session.scalars(select(Staff).where(Staff.email == email)).one()
            lead = make_staff(session, role=Role.ADMINISTRATOR)
            account_changes.disable(session, staff.id, actor_id=lead.id, now=NOW)


def _uids(lines: list[str]) -> set[str]:
    return {line.removeprefix("UID:") for line in lines if line.startswith("UID:")}


Install = Callable[[str], Installation]


@pytest.fixture
def install(database_url: str, tmp_path: Path) -> Iterator[Install]:
    """``install(zone)``: the service with Ana and Ben in it."""
    apps = []

    def made(zone: str) -> Installation:
        apps.append(create_app(make_settings(database_url, tmp_path, SERVICE_TIME_ZONE=zone)))
        place = Installation(apps[-1], tmp_path)
        for name in ("ana", "ben"):
            person = ["--email", f"{name}@example.org", "--name", name.title()]
            place.run("create-staff", *person, "--role", "counsellor")
        return place

    yield made
    for app in apps:
        with app.app_context():
            db.engine.dispose()


# The examples of RFC 5545, section 3.8.5.3: a first date, a rule, and the dates it prints. All are
# at nine in New York.
RFC_EXAMPLES = {
    "daily for 10 occurrences": (
        "19970902", "FREQ=DAILY;COUNT=10",
        "1997: 9/2 9/3 9/4 9/5 9/6 9/7 9/8 9/9 9/10 9/11",
    ),
    "every 10 days, 5 occurrences": (
        "19970902", "FREQ=DAILY;INTERVAL=10;COUNT=5",
        "1997: 9/2 9/12 9/22 10/2 10/12",
    ),
    "weekly until December 24": (
        "19970902", "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        """1997: 9/2 9/9 9/16 9/23 9/30 10/7 10/14 10/21 10/28 11/4 11/11 11/18 11/25
        12/2 12/9 12/16 12/23""",
    ),
    "weekly on Tuesday and Thursday for five weeks": (
        "19970902", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        "1997: 9/2 9/4 9/9 9/11 9/16 9/18 9/23 9/25 9/30 10/2",
    ),
    "every other week on three days until December 24": (
        "19970901", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        """1997: 9/1 9/3 9/5 9/15 9/17 9/19 9/29 10/1 10/3 10/13 10/15 10/17 10/27 10/29 10/31
        11/10 11/12 11/14 11/24 11/26 11/28 12/8 12/10 12/12 12/22""",
    ),
    "every other week on Tuesday and Thursday, 8 occurrences": (
        "19970902", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997: 9/2 9/4 9/16 9/18 9/30 10/2 10/14 10/16",
    ),
    "monthly on the first Friday": (
        "19970905", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997: 9/5 10/3 11/7 12/5 1998: 1/2 2/6 3/6 4/3 5/1 6/5",
    ),
    "every other month on the first and last Sunday": (
        "19970907", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997: 9/7 9/28 11/2 11/30 1998: 1/4 1/25 3/1 3/29 5/3 5/31",
    ),
    "monthly on the second-to-last Monday": (
        "19970922", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997: 9/22 10/20 11/17 12/22 1998: 1/19 2/16",
    ),
    "monthly on the first and last day": (
        "19970930", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997: 9/30 10/1 10/31 11/1 11/30 12/1 12/31 1998: 1/1 1/31 2/1",
    ),
    "every Friday the 13th": (
        "19970902",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13 EXDATE;TZID=America/New_York:19970902T090000",
        "1998: 2/13 3/13 11/13 1999: 8/13",
    ),
    "the third Tuesday, Wednesday or Thursday of the month": (
        "19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997: 9/4 10/7 11/6",
    ),
    "weeks from Monday": (
        "19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "1997: 8/5 8/10 8/19 8/24",
    ),
    "weeks from Sunday": (
        "19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "1997: 8/5 8/17 8/19 8/31",
    ),
}  # fmt: skip


@pytest.mark.parametrize("example", RFC_EXAMPLES)
def test_the_examples_of_the_standard_have_the_dates_it_prints(
    install: Install, example: str
) -> None:
    first, rule, printed = RFC_EXAMPLES[example]
    place = install("America/New_York")
    zoned = f"DTSTART;TZID=America/New_York:{first}T090000 DURATION:PT1H"
    place.import_events(f"{zoned} RRULE:{rule} {ANA}")
    wanted = [(zulu(at), zulu(at + timedelta(hours=1)), "Ana") for at in _printed(printed)]
    assert place.shifts("1997-01-01", "2000-01-01") == wanted


def _printed(text: str) -> Iterator[datetime]:
    year = 0
    for word in text.split():
        if word.endswith(":"):
            year = int(word[:-1])
            continue
        month, day = map(int, word.split("/"))
        yield datetime(year, month, day, 9, tzinfo=ZoneInfo("America/New_York"))


def zulu(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# A day on which the clocks change, in UTC; the night into it; and the hours of that day.
ZONES = [
    ("Europe/London", "2026-10-25", "10-24T23:00 10-26T00:00", "10-24T19:00 10-25T08:00", 25),
    ("Europe/London", "2026-03-29", "03-29T00:00 03-29T23:00", "03-28T20:00 03-29T07:00", 23),
    ("America/New_York", "2026-11-01", "11-01T04:00 11-02T05:00", "11-01T00:00 11-01T13:00", 25),
    ("Australia/Lord_Howe", "2026-04-05", "04-04T13:00 04-05T13:30", "04-04T09:00 04-04T21:30", 25),
    ("Australia/Lord_Howe", "2026-10-04", "10-03T13:30 10-04T13:00", "10-03T09:30 10-03T21:00", 24),
    ("America/Havana", "2026-03-08", "03-08T05:00 03-09T04:00", "03-08T01:00 03-08T12:00", 23),
    ("America/Havana", "2026-11-01", "11-01T04:00 11-02T05:00", "11-01T00:00 11-01T13:00", 25),
    ("Africa/Cairo", "2026-04-24", "04-23T22:00 04-24T21:00", "04-23T18:00 04-24T05:00", 23),
    ("Africa/Cairo", "2026-10-29", "10-28T21:00 10-29T22:00", "10-28T17:00 10-29T05:00", 25),
    ("Asia/Kathmandu", "2026-10-25", "10-24T18:15 10-25T18:15", "10-24T14:15 10-25T02:15", 24),
]


@pytest.mark.parametrize(("zone", "day", "bounds", "night", "hours"), ZONES)
def test_two_shifts_round_the_clock_leave_no_gap_on_the_day_of_a_clock_change(
    install: Install, zone: str, day: str, bounds: str, night: str, hours: int
) -> None:
    place = install(zone)
    after = f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}"
    start, end = _instants(bounds)
    [row] = place.cover(day, after)
    assert row == {"start": start, "end": end, "required": 1, "on_shift": 0, "short": 1}
    place.import_events(
        f"DTSTART;TZID={zone}:20260105T080000 DTEND;TZID={zone}:20260105T200000 "
        f"RRULE:FREQ=DAILY {ANA}",
        f"DTSTART;TZID={zone}:20260105T200000 DTEND;TZID={zone}:20260106T080000 "
        f"RRULE:FREQ=DAILY {BEN}",
    )
    assert place.shifts(day, after)[0] == (*_instants(night), "Ben")
    assert place.shifts(start, end) == place.shifts(day, after)
    assert [row["short"] for row in place.cover(day, after, "60")] == [0] * hours
    place.disable("ben@example.org")
    assert {name for *_, name in place.shifts(day, after)} == {"Ana"}
    assert [row["short"] for row in place.cover(day, after)] == [1, 0, 1]


def _instants(text: str) -> list[str]:
    return [f"2026-{at}:00Z" for at in text.split()]


def test_weeks_on_call_are_handed_over_with_an_override_between(install: Install) -> None:
    """As services for on-call write a final schedule: no rule, in UTC, cut where one stands in."""
    place = install("Europe/London")
    place.import_events(
        f"DTSTART:20261019T080000Z DTEND:20261021T080000Z {ANA}",
        f"DTSTART:20261021T080000Z DTEND:20261021T160000Z {BEN}",
        f"DTSTART:20261021T160000Z DTEND:20261026T090000Z {ANA}",
        f"DTSTART:20261026T090000Z DTEND:20261102T090000Z {BEN}",
        "DTSTART:20261027T090000Z DTEND:20261027T120000Z",
    )
    assert place.shifts("2026-10-19", "2026-11-03") == [
        ("2026-10-19T08:00:00Z", "2026-10-21T08:00:00Z", "Ana"),
        ("2026-10-21T08:00:00Z", "2026-10-21T16:00:00Z", "Ben"),
        ("2026-10-21T16:00:00Z", "2026-10-26T09:00:00Z", "Ana"),
        ("2026-10-26T09:00:00Z", "2026-11-02T09:00:00Z", "Ben"),
        ("2026-10-27T09:00:00Z", "2026-10-27T12:00:00Z", None),
    ]
    [row] = place.cover("2026-10-19T09:00+01:00", "2026-11-02T09:00Z")
    assert (row["on_shift"], row["short"]) == (1, 0)
    assert place.shifts("2026-11-02T09:00Z", "2026-11-03") == []


def test_an_edited_series_across_the_october_change_is_what_it_says(install: Install) -> None:
    """Moved, cancelled, given to a colleague, and from a date on at another time."""
    place = install("Europe/London")
    zone = "TZID=Europe/London"
    place.import_events(
        f"UID:s DTSTART;{zone}:20261005T090000 DTEND;{zone}:20261005T170000 "
        f"RRULE:FREQ=WEEKLY;COUNT=7 {ANA}",
        *(
            f"UID:s RECURRENCE-ID{later};{zone}:{of}T090000 DTSTART;{zone}:{start} "
            f"DTEND;{zone}:{end} {more}"
            for of, start, end, more, later in (
                ("20261012", "20261014T120000", "20261014T200000", ANA, ""),
                ("20261019", "20261019T090000", "20261019T170000", f"{ANA} STATUS:CANCELLED", ""),
                ("20261026", "20261026T090000", "20261026T170000", BEN, ""),
                ("20261102", "20261102T200000", "20261103T080000", ANA, ";RANGE=THISANDFUTURE"),
            )
        ),
    )
    assert place.shifts("2026-10-01", "2026-12-01") == [
        ("2026-10-05T08:00:00Z", "2026-10-05T16:00:00Z", "Ana"),
        ("2026-10-14T11:00:00Z", "2026-10-14T19:00:00Z", "Ana"),
        ("2026-10-26T09:00:00Z", "2026-10-26T17:00:00Z", "Ben"),
        ("2026-11-02T20:00:00Z", "2026-11-03T08:00:00Z", "Ana"),
        ("2026-11-09T20:00:00Z", "2026-11-10T08:00:00Z", "Ana"),
        ("2026-11-16T20:00:00Z", "2026-11-17T08:00:00Z", "Ana"),
    ]
