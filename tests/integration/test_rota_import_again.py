"""A calendar that another program edited, read again: the rota is what it says now."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.errors import BadInput
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services import rota_changes
from callback_service.services.rota_edits import latest_revision
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_apply import import_calendar
from callback_service.services.rota_import_items import NOTHING_DONE, Item, Verdict
from callback_service.services.rota_undo import undo
from callback_service.services.swap_offers import Offer, offer_shift
from callback_service.services.swaps import take_swap
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.calendars import at, calendar, on_rota, people, read, said_by

pytestmark = pytest.mark.one_database
SOON = datetime(2026, 11, 27, tzinfo=UTC)
BEN = "ATTENDEE:mailto:ben@example.org"
ONCE = at("20261201T0900", "20261201T1700")
WEEKLY = f"{at('20261130T0900', '20261130T1700')} RRULE:FREQ=WEEKLY;BYDAY=MO,WE"
MONTHLY = f"{at('20261201T0900', '20261201T1700')} RRULE:FREQ=MONTHLY;UNTIL=20270601T230000Z"


def of(series: str, day: str, more: str) -> tuple[str, str]:
    """A series of which one date is other than its rule says."""
    return series, f"RECURRENCE-ID;TZID=Europe/London:{day}T090000 {more}"


LATER = of(MONTHLY, "20270101", at("20270101T1200", "20270101T2000"))
OTHER_DAY = of(MONTHLY, "20270101", at("20270102T0900", "20270102T1700"))
FEWER = f"{MONTHLY} EXDATE;TZID=Europe/London:20270201T090000"
BEN_FOR_ONE = of(WEEKLY, "20261207", f"{at('20261207T0900', '20261207T1700')} {BEN}")
CALLED_OFF = of(WEEKLY, "20261207", f"{at('20261207T0900', '20261207T1700')} STATUS:CANCELLED")
#: What the first reading finds, and what the second one does.
EDITS = {
    "another time": ([ONCE], [at("20261201T1000", "20261201T1900")]),
    "another day": ([ONCE], [at("20261203T0900", "20261203T1700")]),
    "another person": ([ONCE], [f"{ONCE} {BEN}"]),
    "one person more": ([ONCE], [f"{ONCE} {BEN} ATTENDEE:mailto:ana@example.org"]),
    "called off": ([ONCE], [f"{ONCE} STATUS:CANCELLED"]),
    "single, now weekly": ([ONCE], [WEEKLY]),
    "monthly, now a date moved": ([MONTHLY], LATER),
    "a date moved, now to another day": (LATER, OTHER_DAY),
    "a date moved, now back": (OTHER_DAY, [MONTHLY]),
    "monthly, now a date less": ([MONTHLY], [FEWER]),
    "monthly, now shorter": ([MONTHLY], [MONTHLY.replace("20270601", "20270301")]),
    "monthly, now by another": ([MONTHLY], [f"{MONTHLY} {BEN}"]),
    "monthly, now called off": ([MONTHLY], [f"{MONTHLY} STATUS:CANCELLED"]),
    "weekly, now shorter": ([WEEKLY], [f"{WEEKLY};UNTIL=20270115T230000Z"]),
    "weekly, now longer": ([f"{WEEKLY};UNTIL=20270115T230000Z"], [WEEKLY]),
    "weekly, now other days": ([WEEKLY], [WEEKLY.replace("MO,WE", "MO,TH")]),
    "weekly, now another time": ([WEEKLY], [WEEKLY.replace("T17", "T15")]),
    "weekly, now by another": ([WEEKLY], [f"{WEEKLY} {BEN}"]),
    "weekly, now monthly": ([WEEKLY], [MONTHLY]),
    "weekly, now one date by another": ([WEEKLY], BEN_FOR_ONE),
    "one date by another, now called off": (BEN_FOR_ONE, CALLED_OFF),
    "one date called off, now back": (CALLED_OFF, [WEEKLY]),
    "weekly, now called off": ([WEEKLY], [f"{WEEKLY} STATUS:CANCELLED"]),
}  # fmt: skip


def looked_at(session: Session, content: str, **limits: date) -> list[Item]:
    return plan_import(session, content.encode(), host="x.example", now=NOW, tz=LONDON, **limits)


def done(items: list[Item]) -> list[tuple[Verdict, str]]:
    """What a reading does, in words."""
    return [(item.verdict, item.words) for item in items if item.verdict not in NOTHING_DONE]


def named(session: Session, name: str) -> Staff:
    return session.scalars(select(Staff).where(Staff.name == name)).one()


@pytest.mark.parametrize("name", EDITS)
def test_the_rota_is_what_the_calendar_says_the_second_time(session: Session, name: str) -> None:
    people(session)
    first, second = (calendar(*events) for events in EDITS[name])
    read(session, first)
    end = SOON + timedelta(days=300)
    assert on_rota(session, SOON, end, LONDON) == said_by(first, SOON, end, LONDON)
    assert done(looked_at(session, first)) == []
    assert done(looked_at(session, second)) == done(read(session, second)) != []
    wanted = set() if "STATUS:CANCELLED" in second and len(EDITS[name][1]) == 1 else said_by(
        second, SOON, end, LONDON
    )  # fmt: skip
    assert on_rota(session, SOON, end, LONDON) == wanted
    assert done(looked_at(session, second)) == []


def test_the_dry_run_names_what_moves_and_what_goes(session: Session) -> None:
    people(session)
    read(session, calendar(MONTHLY))
    edited = calendar(*LATER).replace("20270601", "20270501")
    moved = (
        "Ana, Friday 1 January 2027, 12:00 to 20:00: on this date only; "
        "it was Friday 1 January 2027, 09:00 to 17:00"
    )
    assert done(looked_at(session, edited)) == [
        (Verdict.DATE_CHANGED, moved),
        (Verdict.DATE_GONE, "Ana works as counsellor, Tuesday 1 June 09:00 to 17:00"),
    ]


def test_an_event_that_the_file_does_not_have_stays(session: Session) -> None:
    """It may be the calendar of somebody else."""
    people(session)
    read(session, calendar(f"{ONCE} UID:one", f"{WEEKLY} UID:two"))
    other = calendar(f"{at('20261204T0900', '20261204T1700')} {BEN} UID:three")
    assert [verdict for verdict, _ in done(read(session, other))] == [Verdict.DATE_ADDED]


def test_dates_outside_the_range_that_is_read_stay(session: Session) -> None:
    people(session)
    read(session, calendar(MONTHLY))
    shorter = calendar(MONTHLY.replace("20270601", "20270301"))
    limited = looked_at(session, shorter, first=date(2027, 4, 1), last=date(2027, 5, 31))
    assert done(limited) == [
        (Verdict.DATE_GONE, f"Ana works as counsellor, {day} 09:00 to 17:00")
        for day in ("Thursday 1 April", "Saturday 1 May")
    ]


def test_what_has_begun_stays_on_record(session: Session) -> None:
    people(session)
    read(session, calendar(at("20261123T0900", "20261123T1700"), f"{ONCE} UID:2"))
    moved = calendar(at("20261123T1000", "20261123T1800"), f"{ONCE} UID:2")
    assert done(read(session, moved)) == []
    worked = datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2026, 11, 23, 17, tzinfo=UTC)
    assert on_rota(session, *worked, LONDON) == {("ana@example.org", *worked)}


def test_a_date_that_somebody_changed_here_since_stays_and_is_named(session: Session) -> None:
    people(session)
    read(session, calendar(ONCE))
    [row] = session.scalars(select(RotaChange))
    ana, half = named(session, "Ana").id, row.starts_at + timedelta(hours=4)
    rota_changes.make_change(
        session, Leave(ana, half, half + timedelta(days=2), LeaveReason.SICK),
        actor_id=None, now=NOW, tz=LONDON,
    )  # fmt: skip
    session.commit()
    later = calendar(at("20261201T1000", "20261201T1800"))
    [item] = looked_at(session, later)
    assert item.verdict is Verdict.OVERLAP
    assert "Ana is away (ill)" in item.words
    read(session, later)
    session.refresh(row)
    assert (row.cancelled_at, row.ends_at) == (None, half)


def test_who_took_an_open_shift_of_the_calendar_keeps_it(session: Session) -> None:
    people(session)
    content = calendar(ONCE).replace("ATTENDEE:mailto:ana@example.org\r\n", "")
    read(session, content)
    [row] = session.scalars(select(RotaChange))
    rota_changes.take_open_shift(
        session, row.id, staff_id=named(session, "Ben").id, now=NOW, tz=LONDON
    )
    session.commit()
    assert done(read(session, content)) == []
    assert row.staff_id == named(session, "Ben").id


def test_an_exported_change_that_was_moved_elsewhere_is_moved_here(session: Session) -> None:
    people(session)
    ana = named(session, "Ana").id
    read(session, calendar(ONCE))
    [row] = session.scalars(select(RotaChange))
    row.imported_uid = None  # as if it had been made here
    session.commit()
    name = f"UID:override-counselling-s{ana}-20261201T090000Z@x.example"
    moved = calendar(f"{at('20261201T1100', '20261201T1900')} {name}")
    assert [verdict for verdict, _ in done(read(session, moved))] == [Verdict.DATE_CHANGED]
    [kept] = session.scalars(select(RotaChange).where(RotaChange.cancelled_at.is_(None)))
    assert (kept.starts_at.hour, kept.imported_uid) == (11, None)


@pytest.mark.parametrize("first", [ONCE, WEEKLY])
def test_what_an_undo_puts_back_is_known_by_the_next_reading(session: Session, first: str) -> None:
    people(session)
    uid = "UID:" + "long" * 40
    read(session, calendar(f"{first} {uid}"))
    for _ in range(2):
        undo(session, latest_revision(session), reason="As it was", actor_id=None, now=NOW,
             tz=LONDON)  # fmt: skip
    session.commit()
    other = calendar(f"{first} {uid} {BEN}")
    read(session, other)
    assert {email for email, *_ in on_rota(session, SOON, SOON + timedelta(days=30), LONDON)} == {
        "ben@example.org"
    }


def test_a_line_that_was_made_here_is_not_ended_by_a_calendar(session: Session) -> None:
    people(session)
    read(session, calendar(WEEKLY))
    [row] = session.scalars(select(ShiftPattern))
    row.imported_uid = None
    session.commit()
    import_calendar(
        session, calendar(f"{WEEKLY} STATUS:CANCELLED").encode(), host="x.example",
        actor_id=None, now=NOW, tz=LONDON,
    )  # fmt: skip
    assert row.until_on is None


def hand_on(session: Session) -> None:
    """Ana's only shift of the calendar goes to Ben by a swap."""
    [row] = session.scalars(select(RotaChange))
    ana, ben = (named(session, name).id for name in ("Ana", "Ben"))
    offer = Offer(ana, Duty.COUNSELLING, (row.starts_at, row.ends_at))
    swap = offer_shift(session, offer, actor_id=ana, now=NOW, tz=LONDON)
    take_swap(
        session, swap.id, staff_id=ben, actor_id=ben, needs_approval=False, now=NOW, tz=LONDON
    )
    session.commit()


def test_a_shift_of_the_calendar_that_was_handed_on_since_is_unchanged(session: Session) -> None:
    people(session)
    read(session, calendar(ONCE))
    hand_on(session)
    held = on_rota(session, SOON, SOON + timedelta(days=30), LONDON)
    assert {email for email, *_ in held} == {"ben@example.org"}
    assert done(read(session, calendar(ONCE))) == []
    assert on_rota(session, SOON, SOON + timedelta(days=30), LONDON) == held


def test_an_exported_change_that_was_handed_on_since_is_unchanged(session: Session) -> None:
    people(session)
    read(session, calendar(ONCE))
    [row] = session.scalars(select(RotaChange))
    row.imported_uid = None  # as if it had been made here
    session.commit()
    hand_on(session)
    name = f"UID:override-counselling-s{named(session, 'Ana').id}-20261201T090000Z@x.example"
    assert done(read(session, calendar(f"{ONCE} {name}"))) == []


def test_a_shift_that_was_handed_on_is_not_ended_by_a_calendar_before_the_swap_is_undone(
    session: Session,
) -> None:
    people(session)
    read(session, calendar(ONCE))
    hand_on(session)
    held = on_rota(session, SOON, SOON + timedelta(days=30), LONDON)
    with pytest.raises(BadInput, match="Undo the swap instead"), session.begin_nested():
        import_calendar(
            session, calendar(f"{ONCE} STATUS:CANCELLED").encode(), host="x.example",
            actor_id=None, now=NOW, tz=LONDON,
        )  # fmt: skip
    assert on_rota(session, SOON, SOON + timedelta(days=30), LONDON) == held
