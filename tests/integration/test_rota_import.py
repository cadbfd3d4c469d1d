"""Export and import of the rota, on both databases and through the commands."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.spans import joined
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import mask_from_weekdays
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import rota
from callback_service.services.rota import shifts_between
from callback_service.services.rota_calendar import export_rota, summary_of
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_apply import apply_import
from callback_service.services.rota_import_items import Item, Verdict
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.calendars import duty_of_each, events_of

HOST = "rota.example.org"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def exported(session: Session, **more: Duty) -> bytes:
    return export_rota(session, START, END, name="Rota", host=HOST, tz=LONDON, now=NOW, **more)


def planned(session: Session, content: bytes | str) -> list[Item]:
    content = content.encode() if isinstance(content, str) else content
    return plan_import(session, content, host=HOST, now=NOW, tz=LONDON)


def taken(session: Session, content: bytes | str) -> list[Item]:
    items = planned(session, content)
    apply_import(session, items, host="x.example", actor_id=None, now=NOW, tz=LONDON)
    session.commit()
    return items


def verdicts(items: list[Item]) -> list[Verdict]:
    return [item.verdict for item in items]


def zoe(session: Session) -> Staff:
    return make_staff(session, name="Zoë Khan", email="zoe@example.org")


def event(*lines: str, uid: str = "1@elsewhere.example", who: str = "zoe@example.org") -> str:
    """An event of another program, ``lines`` besides who it names."""
    body = [f"UID:{uid}", "SUMMARY:Helpline", f"ATTENDEE;CN=Zoe:MAILTO:{who}", *lines]
    return "\r\n".join(["BEGIN:VEVENT", *(line for line in body if line), "END:VEVENT"])


def calendar(*events: str) -> str:
    """An .ics file of another program."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", *events, "END:VCALENDAR", ""]
    return "\r\n".join(lines)


NIGHTS = (
    "DTSTART;TZID=Europe/London:20261130T200000",
    "DTEND;TZID=Europe/London:20261201T080000",
)
WEEKDAY_NIGHTS = "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"


def a_full_rota(session: Session) -> None:
    """Lines of every sort, over both clock changes."""
    person, manager = zoe(session), make_staff(session, role=Role.MANAGER, name="Priya Shah")
    make_pattern(session, person, "20:00", "08:00", frozenset({4, 5, 6}))
    make_pattern(session, person, "09:00", "13:30", frozenset({1}), until_on=date(2026, 12, 2))
    make_pattern(session, make_staff(session), "01:30", "01:30", from_on=date(2026, 3, 24))
    make_pattern(session, make_staff(session), "00:00", "01:30", from_on=date(2027, 1, 1))
    make_pattern(session, manager, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    session.commit()


def lines_of(session: Session) -> set[tuple[object, ...]]:
    rows = [line for row in session.scalars(select(ShiftPattern)) for line in rota.lines_of(row)]
    return {
        (one.staff_id, one.duty, one.weekdays, one.start, one.end, one.until_on) for one in rows
    }


def test_another_program_sees_everybody_on_duty_exactly_when_they_are(session: Session) -> None:
    """A line that meets itself when the clocks go back is two events there, and one duty here."""
    a_full_rota(session)
    spans: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for shift in shifts_between(session, START, END, tz=LONDON):
        spans[summary_of(shift.person, shift.duty)].append((shift.start, shift.end))
    on_duty = {summary: joined(own) for summary, own in spans.items()}
    assert duty_of_each(exported(session), START, END) == on_duty


def test_an_export_can_be_of_one_duty(session: Session) -> None:
    a_full_rota(session)
    events = events_of(exported(session, duty=Duty.DUTY_LEAD))
    assert {str(one["SUMMARY"]) for one in events} == {"Priya Shah (duty lead)"}


def test_reading_an_export_back_changes_nothing(session: Session) -> None:
    a_full_rota(session)
    assert verdicts(planned(session, exported(session))) == [Verdict.UNCHANGED] * 5


def test_an_export_makes_the_same_rota_anew(session: Session) -> None:
    a_full_rota(session)
    content, lines = exported(session), lines_of(session)
    before = shifts_between(session, START, END, tz=LONDON)
    session.execute(delete(ShiftPattern))
    session.commit()
    assert verdicts(taken(session, content)) == [Verdict.ADDED] * 5
    assert lines_of(session) == lines
    after = shifts_between(session, START, END, tz=LONDON)
    assert [(one.person, one.duty, one.start, one.end) for one in after] == [
        (one.person, one.duty, one.start, one.end) for one in before
    ]


def test_an_event_keeps_its_name_from_export_to_export(session: Session) -> None:
    a_full_rota(session)
    names = [str(one["UID"]) for one in events_of(exported(session))]
    assert [str(one["UID"]) for one in events_of(exported(session))] == names


@pytest.mark.parametrize(
    ("rule", "weekdays", "until_on"),
    [
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", range(5), None),
        ("RRULE:FREQ=WEEKLY", [0], None),
        ("RRULE:FREQ=DAILY", range(7), None),
        ("RRULE:FREQ=DAILY;BYDAY=MO,SA", [0, 5], None),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,SU;WKST=SU;INTERVAL=1", [0, 6], None),
        ("RRULE:FREQ=WEEKLY;UNTIL=20270301T235959Z", [0], date(2027, 3, 1)),
        ("RRULE:FREQ=WEEKLY;UNTIL=20270301T195959Z", [0], date(2027, 2, 28)),
        ("RRULE:FREQ=WEEKLY;UNTIL=20270301", [0], date(2027, 2, 28)),
        ("RRULE:FREQ=WEEKLY;COUNT=3", [0], date(2026, 12, 14)),
        ("RRULE:FREQ=WEEKLY;UNTIL=20991231T000000Z", [0], date(2099, 12, 30)),
        ("RRULE:FREQ=YEARLY;BYDAY=MO,TU", [0, 1], None),
        ("RRULE:FREQ=WEEKLY\r\nRRULE:FREQ=WEEKLY;BYDAY=WE", [0, 2], None),
    ],
)
@pytest.mark.one_database
def test_a_weekly_event_becomes_a_line_however_its_rule_is_spelled(
    session: Session, rule: str, weekdays: list[int], until_on: date | None
) -> None:
    person = zoe(session)
    session.commit()
    assert verdicts(taken(session, calendar(event(*NIGHTS, rule)))) == [Verdict.ADDED]
    row = session.scalars(select(ShiftPattern)).one()
    assert (row.staff_id, row.duty, row.weekdays) == (
        person.id,
        Duty.COUNSELLING,
        mask_from_weekdays(weekdays),
    )
    assert (row.starts, row.ends, row.from_on, row.until_on) == (
        time(20), time(8), date(2026, 11, 30), until_on,
    )  # fmt: skip
    again = planned(session, calendar(event(*NIGHTS, rule)))
    assert verdicts(again) == [Verdict.UNCHANGED]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((NIGHTS[0], "RRULE:FREQ=WEEKLY"), "does not last"),
        (
            ("DTSTART:20261130T200030", "DTEND:20261130T210000", "RRULE:FREQ=WEEKLY"),
            "not whole minutes",
        ),
        ((*NIGHTS, "RRULE:FREQ=WEEKLY", "STATUS:CANCELLED"), "is cancelled"),
        ((*NIGHTS, "RRULE:FREQ=SECONDLY;COUNT=1000000000"), "more often than once an hour"),
        ((*NIGHTS, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "too long to work out"),
        ((*NIGHTS, "RRULE:FREQ=WEEKLY;INTERVAL=0"), "too long to work out"),
        ((*NIGHTS, "RRULE:FREQ=WEEKLY", "EXRULE:FREQ=DAILY"), "EXRULE"),
        ((*NIGHTS, "RRULE:FREQ=OFTEN"), "its RRULE cannot be read"),
        (("RRULE:FREQ=WEEKLY",), "says no start"),
        (("DTSTART:99991231T200000Z", "DURATION:PT8H"), "its start cannot be meant"),
        (("DTSTART;TZID=Moon/Crater:20261130T200000", "DURATION:PT8H"), "Moon/Crater"),
    ],
)
@pytest.mark.one_database
def test_what_can_be_no_shift_is_named_with_the_reason(
    session: Session, lines: tuple[str, ...], reason: str
) -> None:
    zoe(session)
    [item] = taken(session, calendar(event(*lines)))
    assert item.verdict is Verdict.NOT_UNDERSTOOD
    assert reason in item.words
    assert session.scalars(select(ShiftPattern)).all() == []


@pytest.mark.one_database
def test_a_rule_that_is_no_line_is_taken_date_by_date_up_to_a_date_that_is_named(
    session: Session,
) -> None:
    zoe(session)
    [rule, *dates] = taken(session, calendar(event(*NIGHTS, "RRULE:FREQ=MONTHLY;BYDAY=1MO")))
    assert rule.verdict is Verdict.BY_DATE
    assert rule.words == (
        "Helpline, Zoë Khan: it recurs neither on the same days of each week nor after so many "
        "weeks or days, so each of its dates up to 4 December 2028 is taken by itself"
    )
    assert set(verdicts(dates)) == {Verdict.DATE_ADDED}
    assert dates[-1].words == "Zoë Khan, Monday 4 December 2028, 20:00 to 08:00"


def test_times_without_a_zone_are_those_of_the_service(session: Session) -> None:
    zoe(session)
    lines = ("DTSTART:20261130T200000", "DURATION:PT12H", WEEKDAY_NIGHTS)
    assert verdicts(taken(session, calendar(event(*lines)))) == [Verdict.ADDED]


def test_unknown_people_are_named_and_the_rest_is_taken(session: Session) -> None:
    zoe(session)
    stranger = event(*NIGHTS, WEEKDAY_NIGHTS, uid="2", who="ben@example.org")
    items = taken(session, calendar(event(*NIGHTS, WEEKDAY_NIGHTS), stranger))
    assert verdicts(items) == [Verdict.ADDED, Verdict.UNKNOWN_PERSON]
    assert "ben@example.org" in items[1].words


def test_people_without_an_account_in_use_or_the_role_are_not_taken(session: Session) -> None:
    zoe(session).is_active = False
    make_staff(session, role=Role.ADMINISTRATOR, email="admin@example.org")
    counsellor = make_staff(session, email="ben@example.org")
    lead = event(*NIGHTS, WEEKDAY_NIGHTS, "CATEGORIES:Duty lead", uid="3", who=counsellor.email)
    admin = event(*NIGHTS, WEEKDAY_NIGHTS, uid="2", who="admin@example.org")
    items = planned(session, calendar(event(*NIGHTS, WEEKDAY_NIGHTS), admin, lead))
    assert verdicts(items) == [Verdict.UNKNOWN_PERSON] * 3


def test_an_event_that_names_nobody_is_not_taken(session: Session) -> None:
    lines = event(*NIGHTS, WEEKDAY_NIGHTS).replace("ATTENDEE;CN=Zoe:MAILTO:zoe@example.org\r\n", "")
    [item] = planned(session, calendar(lines))
    assert (item.verdict, "names nobody" in item.words) == (Verdict.NOT_UNDERSTOOD, True)


def test_an_event_of_two_people_is_a_line_for_each(session: Session) -> None:
    zoe(session)
    make_staff(session, email="ben@example.org")
    both = event(*NIGHTS, WEEKDAY_NIGHTS, "ATTENDEE:mailto:Ben@Example.org")
    assert verdicts(taken(session, calendar(both))) == [Verdict.ADDED] * 2


def test_overlaps_are_named_with_what_they_overlap(session: Session) -> None:
    make_pattern(session, zoe(session), "07:00", "15:00", frozenset({1}))
    twice = [event(*NIGHTS, WEEKDAY_NIGHTS), event(*NIGHTS, "RRULE:FREQ=WEEKLY;BYDAY=SU", uid="2")]
    twice.append(event(*NIGHTS, "RRULE:FREQ=DAILY", uid="3"))
    items = taken(session, calendar(*twice))
    expected = [Verdict.OVERLAP, Verdict.ADDED, Verdict.OVERLAP, Verdict.OVERLAP]
    assert verdicts(items) == expected
    assert "overlaps Tuesday, 07:00 to 15:00" in items[0].words


def test_overlaps_inside_the_file_are_named(session: Session) -> None:
    zoe(session)
    longer = (NIGHTS[0], "DURATION:PT13H")
    content = calendar(
        event(*NIGHTS, WEEKDAY_NIGHTS),
        event(*longer, "RRULE:FREQ=WEEKLY;COUNT=2", uid="2"),
        event(*longer, uid="3"),
    )
    items = taken(session, content)
    assert verdicts(items) == [Verdict.ADDED, Verdict.OVERLAP, Verdict.OVERLAP]
    assert "overlaps a shift they have, Monday 30 November 2026, 20:00 to 08:00" in items[2].words


def test_a_single_date_is_added_for_that_date(session: Session) -> None:
    zoe(session)
    content = calendar(event(*NIGHTS))
    [item] = taken(session, content)
    assert item.verdict is Verdict.DATE_ADDED
    assert item.words == "Zoë Khan, Monday 30 November 2026, 20:00 to 08:00"
    assert session.scalars(select(ShiftPattern)).all() == []
    assert verdicts(planned(session, content)) == [Verdict.UNCHANGED]


def test_a_single_date_that_is_on_the_rota_already_is_unchanged(session: Session) -> None:
    make_pattern(session, zoe(session), "20:00", "08:00")
    assert verdicts(planned(session, calendar(event(*NIGHTS)))) == [Verdict.UNCHANGED]


def test_a_series_is_taken_with_its_exceptions(session: Session) -> None:
    zoe(session)
    series = event(*NIGHTS, WEEKDAY_NIGHTS, "EXDATE;TZID=Europe/London:20261225T200000")
    moved = event(
        "RECURRENCE-ID;TZID=Europe/London:20261231T200000",
        "DTSTART;TZID=Europe/London:20261231T180000",
        "DTEND;TZID=Europe/London:20270101T080000",
    )
    called_off = event(
        "RECURRENCE-ID;TZID=Europe/London:20270101T200000",
        "DTSTART;TZID=Europe/London:20270101T200000",
        "DTEND;TZID=Europe/London:20270102T080000",
        "STATUS:CANCELLED",
    )
    content = calendar(series, moved, called_off)
    [line, *dates] = taken(session, content)
    assert line.verdict is Verdict.ADDED
    assert [(item.verdict, item.words.removeprefix("Zoë Khan, ")) for item in dates] == [
        (Verdict.DATE_REMOVED, "Friday 25 December 2026, 20:00 to 08:00: left out"),
        (Verdict.DATE_ADDED, "Thursday 31 December 2026, 18:00 to 08:00: on this date only"),
        (Verdict.DATE_REMOVED, "Thursday 31 December 2026, 20:00 to 08:00: left out"),
        (Verdict.DATE_REMOVED, "Friday 1 January 2027, 20:00 to 08:00: left out"),
    ]
    assert set(verdicts(planned(session, content))) == {Verdict.UNCHANGED}


def test_a_line_that_was_edited_in_an_export_is_changed_from_today(session: Session) -> None:
    old = make_pattern(session, zoe(session), "20:00", "08:00", frozenset({0, 1}))
    session.commit()
    edited = exported(session).replace(b"BYDAY=MO,TU", b"BYDAY=MO,WE")
    edited = edited.replace(b"SUMMARY:Zo", b"SUMMARY:Zzo")
    items = taken(session, edited)
    assert verdicts(items)[0] is Verdict.CHANGED
    assert old.until_on == date(2026, 11, 24)
    new = session.scalars(select(ShiftPattern).where(ShiftPattern.id != old.id)).one()
    assert (new.weekdays, new.from_on) == (mask_from_weekdays([0, 2]), date(2026, 11, 25))
    assert verdicts(planned(session, edited))[0] is Verdict.UNCHANGED


def test_an_import_is_taken_whole_or_not_at_all(session: Session) -> None:
    """The plan was made, and then somebody else was faster."""
    person = zoe(session)
    items = planned(session, calendar(event(*NIGHTS, WEEKDAY_NIGHTS)))
    make_pattern(session, person, "20:00", "08:00")
    with pytest.raises(Exception, match="Nothing was taken"):
        apply_import(session, items, host="x.example", actor_id=None, now=NOW, tz=LONDON)


# The commands


@pytest.mark.one_database
def test_the_command_exports_what_the_command_imports(
    cli: FlaskCliRunner, session: Session, tmp_path: Path
) -> None:
    a_full_rota(session)
    lines, file = lines_of(session), tmp_path / "rota.ics"
    result = cli.invoke(args=["rota", "export", "--from", "2026-01-01", "--to", "2027-06-01"])
    assert result.exit_code == 0
    file.write_bytes(result.stdout_bytes)
    session.execute(delete(ShiftPattern))
    session.commit()
    dry = cli.invoke(args=["rota", "import", str(file)])
    assert "5 added\nNothing is changed: use --apply for that." in dry.output
    assert session.scalars(select(ShiftPattern)).all() == []
    session.rollback()
    applied = cli.invoke(args=["rota", "import", str(file), "--apply"])
    assert applied.exit_code == 0, applied.output
    assert "The rota is changed." in applied.output
    assert lines_of(session) == lines
    session.rollback()
    again = cli.invoke(args=["rota", "import", str(file), "--apply"])
    assert "5 unchanged\nThere is nothing to change." in again.output
    rows = json.loads(cli.invoke(args=["rota", "import", str(file), "--format", "json"]).output)
    assert {row["verdict"] for row in rows} == {"unchanged"}


@pytest.mark.one_database
def test_an_export_reaches_four_weeks_back_and_half_a_year_ahead(
    cli: FlaskCliRunner, session: Session
) -> None:
    today = datetime.now(UTC).date()
    person = zoe(session)
    for days, hour in ((-40, 8), (-10, 10), (170, 12), (200, 14)):
        day = today + timedelta(days=days)
        times = f"{hour:02}:00", f"{hour + 1:02}:00"
        make_pattern(session, person, *times, from_on=day, until_on=day)
    session.commit()
    content = cli.invoke(args=["rota", "export"]).stdout_bytes
    assert {one["DTSTART"].dt.hour for one in events_of(content)} == {10, 12}


@pytest.mark.one_database
@pytest.mark.parametrize("arguments", [["--from", "2026-02-01", "--to", "2026-01-01"]])
def test_a_range_that_cannot_be_meant_is_refused(cli: FlaskCliRunner, arguments: list[str]) -> None:
    result = cli.invoke(args=["rota", "export", *arguments])
    assert result.exit_code == 2
    assert "--to must be after --from." in result.output


@pytest.mark.one_database
def test_a_file_that_is_no_calendar_is_refused(cli: FlaskCliRunner, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    result = cli.invoke(args=["rota", "import", str(file), "--apply"])
    assert result.exit_code == 1
    assert "This is not an iCalendar file" in result.output


def test_a_line_that_is_over_is_known_by_its_shifts_where_its_name_is_another_lines_by_now(
    session: Session,
) -> None:
    person = zoe(session)
    over = make_pattern(
        session, person, "14:45", "11:45", from_on=date(2026, 3, 1), until_on=date(2026, 4, 1)
    )
    other = make_pattern(
        session, person, "09:00", "11:00", frozenset({2}), from_on=date(2026, 5, 1)
    )
    session.commit()
    names = f"pattern-{over.id}-s", f"pattern-{other.id}-s"
    content = exported(session).decode()
    for old, new in zip((*names, "swapped-s"), ("swapped-s", names[0], names[1]), strict=True):
        content = content.replace(old, new)
    assert verdicts(planned(session, content))[0] is Verdict.UNCHANGED
