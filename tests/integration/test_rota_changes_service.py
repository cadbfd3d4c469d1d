"""Stored changes of the rota: what they do, what is refused, and what they would break."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Offer, OfferEnding
from callback_service.models.plan import PlanTrigger
from callback_service.models.rota_change import ChangeKind, RotaChange, RotaChangeSpan
from callback_service.models.staff import Staff
from callback_service.services import rota, rota_changes
from callback_service.services.cover import cover_between
from callback_service.services.promises import windows_with_room
from callback_service.services.rota_preview import (
    change_line,
    coming_changes,
    open_shifts,
    what_would_break,
)
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    mobile,
    offer,
    plan,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ADD, REMOVE, REPLACE = OverrideKind
TOMORROW = local("2026-11-26 09:00"), local("2026-11-26 17:00")


def make(session: Session, change: Change, *, now: datetime = NOW) -> RotaChange:
    return rota_changes.make_change(session, change, actor_id=None, now=now, tz=LONDON)


def person(session: Session, name: str, start: str = "09:00", end: str = "17:00") -> Staff:
    staff = make_staff(session, name=name)
    make_pattern(session, staff, start, end)
    return staff


def whole_day(session: Session) -> list[tuple[str | None, str, str, str]]:
    """Who works on the day after NOW, in wall time, and from what."""
    start = local("2026-11-26 00:00")
    return [
        (s.person.name if s.person else None, clock(s.start), clock(s.end), s.source.value)
        for s in rota.shifts_between(session, start, start + DAY, tz=LONDON)
    ]


def clock(instant: datetime) -> str:
    return f"{instant.astimezone(LONDON):%H:%M}"


def ill(session: Session, staff: Staff, until: datetime, *, now: datetime = NOW) -> RotaChange:
    return rota_changes.sick_from_now(
        session, staff.id, until=until, actor_id=staff.id, now=now, tz=LONDON
    )


def test_everything_sees_a_change_through_the_one_resolver(session: Session) -> None:
    staff = person(session, "Amira", "16:00", "08:00")
    assert rota.on_now(session, now=NOW, tz=LONDON)
    assert windows_with_room(session, now=NOW, tz=LONDON)[0].start == TONIGHT.start
    make(session, Leave(staff.id, NOW, NOW + 20 * DAY, LeaveReason.ANNUAL))
    assert rota.on_now(session, now=NOW, tz=LONDON) == []
    assert windows_with_room(session, now=NOW, tz=LONDON) == []
    [stretch] = cover_between(session, NOW, NOW + DAY, tz=LONDON)
    assert stretch.on_shift == 0


def test_a_change_is_audited_without_its_reason_and_asks_for_a_plan(session: Session) -> None:
    staff, manager = person(session, "Amira"), make_manager(session)
    leave = Leave(staff.id, *TOMORROW, LeaveReason.SICK)
    row = rota_changes.make_change(session, leave, actor_id=manager.id, now=NOW, tz=LONDON)
    [entry] = session.scalars(select(AuditEntry))
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "rota.change_made",
        manager.id,
        row.id,
    )
    assert "sick" not in str(entry.detail)
    assert session.scalars(select(PlanTrigger.reason)).all() == ["rota"]


def test_an_added_a_removed_and_a_replaced_shift(session: Session) -> None:
    amira, ben = person(session, "Amira"), person(session, "Ben", "18:00", "22:00")
    cara = make_staff(session, name="Cara")
    make(session, Override(REPLACE, amira.id, *TOMORROW, by_id=cara.id))
    make(session, Override(REMOVE, ben.id, local("2026-11-26 20:00"), local("2026-11-26 23:00")))
    late = local("2026-11-26 22:00"), local("2026-11-26 23:30")
    make(session, Override(ADD, cara.id, *late))
    assert whole_day(session) == [
        ("Cara", "09:00", "17:00", "override"),
        ("Ben", "18:00", "20:00", "pattern"),
        ("Cara", "22:00", "23:30", "override"),
    ]


def test_who_stands_in_still_does_when_the_other_account_is_disabled(session: Session) -> None:
    amira, ben = person(session, "Amira"), make_staff(session, name="Ben")
    make(session, Override(REPLACE, amira.id, *TOMORROW, by_id=ben.id))
    amira.is_active = False
    session.flush()
    assert whole_day(session) == [("Ben", "09:00", "17:00", "override")]


def test_a_shift_given_to_a_disabled_account_is_no_cover(session: Session) -> None:
    amira, ben = person(session, "Amira"), make_staff(session, name="Ben")
    make(session, Override(REPLACE, amira.id, *TOMORROW, by_id=ben.id))
    ben.is_active = False
    session.flush()
    assert whole_day(session) == []
    assert [line.is_idle for line in coming_changes(session, now=NOW, tz=LONDON)] == [True]


OVERLAP = r"Amira is away \(annual leave\), Thursday 26 November 09:00 to 17:00"


def test_an_overlap_is_refused_with_a_sentence_that_names_the_other(session: Session) -> None:
    amira, ben = person(session, "Amira"), person(session, "Ben", "12:00", "20:00")
    make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    inside = local("2026-11-26 12:00"), local("2026-11-26 13:00")
    with pytest.raises(Refused, match=OVERLAP):
        make(session, Leave(amira.id, *inside, LeaveReason.TRAINING))
    with pytest.raises(Refused, match=OVERLAP):
        make(session, Override(ADD, amira.id, *inside))
    with pytest.raises(Refused, match=OVERLAP):
        make(session, Override(REPLACE, ben.id, *inside, by_id=amira.id))
    assert len(session.scalars(select(RotaChange)).all()) == 1


def test_changes_that_touch_do_not_overlap(session: Session) -> None:
    amira = person(session, "Amira")
    start, end = TOMORROW
    make(session, Leave(amira.id, start, start + HOUR, LeaveReason.OTHER))
    make(session, Leave(amira.id, start + HOUR, end, LeaveReason.OTHER))
    assert whole_day(session) == []


def test_the_database_itself_refuses_an_overlap(session: Session) -> None:
    amira = person(session, "Amira")
    row = make(session, Leave(amira.id, *TOMORROW, LeaveReason.OTHER))
    start, end = TOMORROW
    later = make(session, Leave(amira.id, end, end + HOUR, LeaveReason.OTHER))
    session.commit()
    session.add(
        RotaChangeSpan(change_id=row.id, staff_id=amira.id, starts_at=start, ends_at=start + HOUR)
    )
    with pytest.raises(IntegrityError, match="ex_rota_change_span_person"):
        session.flush()
    session.rollback()
    later.spans[0].starts_at = end - HOUR
    with pytest.raises(IntegrityError, match="ex_rota_change_span_person"):
        session.flush()


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (NOW - 2 * HOUR, NOW, "end"),
        (NOW - 2 * DAY, NOW + DAY, "start"),
        (NOW, NOW + 6 * 366 * DAY, "end"),
        (NOW, NOW + 400 * DAY, "end"),
    ],
)
def test_a_span_that_cannot_be_meant_is_refused(
    session: Session, start: datetime, end: datetime, field: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        make(session, Leave(make_staff(session).id, start, end, LeaveReason.OTHER))
    assert refusal.value.fields.keys() == {field}


def test_only_those_who_may_have_the_duty_are_given_it(session: Session) -> None:
    administrator = make_staff(session, role=Role.ADMINISTRATOR)
    counsellor, gone = person(session, "Amira"), make_staff(session)
    gone.is_active = False
    session.flush()
    for change, field in (
        (Override(ADD, administrator.id, *TOMORROW), "staff_id"),
        (Override(ADD, counsellor.id, *TOMORROW, Duty.DUTY_LEAD), "staff_id"),
        (Override(REPLACE, counsellor.id, *TOMORROW, by_id=gone.id), "by_id"),
        (Leave(gone.id, *TOMORROW, LeaveReason.OTHER), "staff_id"),
        (Leave(4242, *TOMORROW, LeaveReason.OTHER), "staff_id"),
    ):
        with pytest.raises(BadInput) as refusal:
            make(session, change)
        assert refusal.value.fields.keys() == {field}, change


def test_nobody_is_put_on_two_shifts_at_once(session: Session) -> None:
    amira, ben = person(session, "Amira"), person(session, "Ben", "16:00", "20:00")
    with pytest.raises(
        BadInput, match="Ben has a shift then already: Thursday 26 November 16:00 to 20:00"
    ):
        make(session, Override(REPLACE, amira.id, *TOMORROW, by_id=ben.id))
    with pytest.raises(BadInput, match="Amira has a shift then already"):
        make(session, Override(ADD, amira.id, *TOMORROW))


def test_only_a_shift_that_is_there_is_taken_off_or_replaced(session: Session) -> None:
    amira, ben = person(session, "Amira", "18:00", "22:00"), make_staff(session)
    for change in (
        Override(REMOVE, amira.id, *TOMORROW),
        Override(REPLACE, amira.id, *TOMORROW, by_id=ben.id),
    ):
        with pytest.raises(BadInput, match="no shift"):
            make(session, change)


def test_a_cancelled_change_never_was(session: Session) -> None:
    amira = person(session, "Amira")
    row = make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    rota_changes.cancel_change(session, row.id, actor_id=None, now=NOW)
    assert whole_day(session) == [("Amira", "09:00", "17:00", "pattern")]
    assert session.get(RotaChange, row.id) is not None
    make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    with pytest.raises(Refused, match="cancelled already"):
        rota_changes.cancel_change(session, row.id, actor_id=None, now=NOW)
    with pytest.raises(NotFound):
        rota_changes.cancel_change(session, 4242, actor_id=None, now=NOW)


def test_a_change_that_runs_is_ended_and_stays_on_record(session: Session) -> None:
    amira = person(session, "Amira")
    row = make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    noon = local("2026-11-26 12:00")
    rota_changes.cancel_change(session, row.id, actor_id=None, now=noon)
    assert whole_day(session) == [("Amira", "12:00", "17:00", "pattern")]
    make(session, Leave(amira.id, noon, TOMORROW[1], LeaveReason.OTHER), now=noon)
    with pytest.raises(NotFound):
        change_line(session, row.id, now=noon, tz=LONDON)


def test_sickness_ends_the_shift_that_runs(session: Session) -> None:
    amira = person(session, "Amira", "16:00", "08:00")
    row = ill(session, amira, NOW + HOUR)
    assert rota.on_now(session, now=NOW, tz=LONDON) == []
    assert row.ends_at == local("2026-11-26 08:00")


def test_sickness_frees_what_its_person_was_to_do_by_other_changes(session: Session) -> None:
    amira, ben = person(session, "Amira"), make_staff(session, name="Ben")
    make(session, Override(REPLACE, amira.id, *TOMORROW, by_id=ben.id))
    evening = local("2026-11-26 18:00"), local("2026-11-26 20:00")
    opened = make(session, OpenShift(*evening))
    rota_changes.take_open_shift(session, opened.id, staff_id=ben.id, now=NOW, tz=LONDON)
    make(session, Override(ADD, ben.id, evening[1], evening[1] + HOUR))
    ill(session, ben, local("2026-11-26 19:00"), now=local("2026-11-26 12:00"))
    assert whole_day(session) == [
        ("Ben", "09:00", "12:00", "override"),
        (None, "18:00", "20:00", "open"),
        ("Ben", "20:00", "21:00", "override"),
    ]


def test_sickness_stops_where_its_person_is_away_anyhow(session: Session) -> None:
    amira = person(session, "Amira", "16:00", "22:00")
    make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    assert ill(session, amira, NOW + 3 * DAY).ends_at == TOMORROW[0]
    with pytest.raises(Refused, match=r"is away \(ill\)"):
        ill(session, amira, NOW + 3 * DAY, now=NOW + HOUR)


def test_who_falls_ill_gives_back_the_request_and_the_offer_they_have(session: Session) -> None:
    amira = make_shift(session, name="Amira")
    held = make_request(session)
    accept(session, held, amira)
    ben = make_shift(session, name="Ben")
    make_request(session, mobile(2))
    assert offer(session) == 1
    for staff in (amira, ben):
        ill(session, staff, NOW + DAY)
    assert (held.state, held.assigned_to_id) == (RequestState.WAITING, None)
    endings = session.scalars(select(Offer.ending).where(Offer.counsellor_id == ben.id)).all()
    assert endings == [OfferEnding.RELEASED]


def test_leave_that_is_to_come_takes_no_call_away(session: Session) -> None:
    amira = make_shift(session)
    held = make_request(session)
    accept(session, held, amira)
    make(session, Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL))
    assert held.assigned_to_id == amira.id


def test_an_open_shift_is_taken_and_then_held(session: Session) -> None:
    amira = make_staff(session, name="Amira")
    row = make(session, OpenShift(*TOMORROW))
    assert whole_day(session) == [(None, "09:00", "17:00", "open")]
    assert [line.change_id for line in open_shifts(session, now=NOW, tz=LONDON)] == [row.id]
    for _ in range(2):  # pressed twice
        rota_changes.take_open_shift(session, row.id, staff_id=amira.id, now=NOW, tz=LONDON)
    assert whole_day(session) == [("Amira", "09:00", "17:00", "override")]
    assert open_shifts(session, now=NOW, tz=LONDON) == []
    with pytest.raises(Refused, match="Amira took this shift first"):
        rota_changes.take_open_shift(
            session, row.id, staff_id=make_staff(session).id, now=NOW, tz=LONDON
        )


def test_an_open_shift_goes_to_those_who_are_able(session: Session) -> None:
    row = make(session, OpenShift(*TOMORROW))
    busy, away = person(session, "Busy", "16:00", "20:00"), make_staff(session, name="Away")
    make(session, Leave(away.id, *TOMORROW, LeaveReason.ANNUAL))
    administrator = make_staff(session, role=Role.ADMINISTRATOR)
    for staff, why in (
        (busy, "Busy has a shift then already"),
        (away, "Away is away"),
        (administrator, "Your account may not do this"),
    ):
        with pytest.raises((BadInput, Refused, Forbidden), match=why):
            rota_changes.take_open_shift(session, row.id, staff_id=staff.id, now=NOW, tz=LONDON)
    assert session.get_one(RotaChange, row.id).staff_id is None


def test_what_is_over_cancelled_or_no_open_shift_is_not_taken(session: Session) -> None:
    amira = make_staff(session)
    row = make(session, OpenShift(*TOMORROW))
    added = make(session, Override(ADD, make_staff(session).id, *TOMORROW))
    for change_id in (added.id, 4242):
        with pytest.raises(NotFound):
            rota_changes.take_open_shift(session, change_id, staff_id=amira.id, now=NOW, tz=LONDON)
    with pytest.raises(Refused, match="no longer open"):
        rota_changes.take_open_shift(session, row.id, staff_id=amira.id, now=TOMORROW[1], tz=LONDON)
    rota_changes.cancel_change(session, row.id, actor_id=None, now=NOW)
    with pytest.raises(Refused, match="no longer open"):
        rota_changes.take_open_shift(session, row.id, staff_id=amira.id, now=NOW, tz=LONDON)


def test_who_is_on_now_is_never_nobody_by_an_open_shift(session: Session) -> None:
    make(session, OpenShift(NOW, NOW + HOUR))
    assert rota.on_now(session, now=NOW, tz=LONDON) == []
    assert cover_between(session, NOW, NOW + HOUR, tz=LONDON)[0].on_shift == 0


def test_the_preview_names_the_gaps_a_change_opens_and_no_others(session: Session) -> None:
    amira = person(session, "Amira")
    person(session, "Ben", "12:00", "14:00")
    leave = Leave(amira.id, *TOMORROW, LeaveReason.ANNUAL)
    breakage = what_would_break(session, leave, now=NOW, tz=LONDON)
    assert breakage.gaps == [
        "Thursday 26 November, 09:00 to 12:00: nobody on shift, 1 needed",
        "Thursday 26 November, 14:00 to 17:00: nobody on shift, 1 needed",
    ]
    assert session.scalars(select(RotaChange)).all() == []


def test_the_preview_speaks_of_the_duty_lead_too(session: Session) -> None:
    lead = make_manager(session, is_duty_lead=True)
    leave = Leave(lead.id, *TOMORROW, LeaveReason.ANNUAL)
    assert what_would_break(session, leave, now=NOW, tz=LONDON).gaps == [
        "Duty lead: Thursday 26 November, 09:00 to 17:00: nobody on shift, 1 needed"
    ]


def test_the_preview_lists_the_promises_that_would_be_lost(session: Session) -> None:
    amira = make_shift(session, name="Amira")
    window = make_request(session, mobile(1), window=TONIGHT)
    soon = make_request(session, mobile(2))
    leave = Leave(amira.id, NOW, NOW + 12 * HOUR, LeaveReason.SICK)
    breakage = what_would_break(session, leave, now=NOW, tz=LONDON)
    assert {lost.reference for lost in breakage.lost} == {window.reference, soon.reference}
    [oversold] = breakage.oversold
    assert (oversold.window, oversold.promised, oversold.places) == (TONIGHT, 1, 0)
    assert not breakage.is_harmless


def test_the_preview_counts_what_moves_to_somebody_else(session: Session) -> None:
    amira = make_shift(session, name="Amira")
    make_request(session)
    cara = make_staff(session, name="Cara")
    stand_in = Override(REPLACE, amira.id, NOW, NOW + 12 * HOUR, by_id=cara.id)
    breakage = what_would_break(session, stand_in, now=NOW, tz=LONDON)
    assert breakage.is_harmless
    assert breakage.moved == 1


def test_a_change_moves_the_plan(session: Session) -> None:
    amira, ben = make_shift(session, name="Amira"), make_staff(session, name="Ben")
    make_request(session)
    plan(session)
    make(session, Override(REPLACE, amira.id, NOW, NOW + 12 * HOUR, by_id=ben.id))
    session.flush()
    assert plan(session) == 1
    assert offer(session) == 1
    assert session.scalars(select(Offer.counsellor_id)).all() == [ben.id]


def test_the_list_says_what_is_to_come_and_what_cancelling_means(session: Session) -> None:
    amira = make_staff(session, name="Amira")
    make(session, Override(ADD, amira.id, *TOMORROW))
    make(session, OpenShift(NOW - HOUR, NOW + HOUR))
    running, coming = coming_changes(session, now=NOW, tz=LONDON)
    assert (
        running.words
        == "Open shift as counsellor, held by nobody yet, Wednesday 25 November 19:00 to 21:00"
    )
    assert (running.is_running, running.undoing()) == (True, None)
    assert coming.words == "Amira works as counsellor, Thursday 26 November 09:00 to 17:00"
    assert coming.undoing() == Override(REMOVE, amira.id, *TOMORROW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duty": None},
        {"reason": LeaveReason.SICK},
        {"staff_id": None},
        {"kind": ChangeKind.REPLACE},
        {"ends_at": TOMORROW[0]},
    ],
    ids=str,
)
def test_the_database_refuses_a_change_that_says_too_little_or_too_much(
    session: Session, wrong: dict[str, object]
) -> None:
    row = make(session, Override(ADD, make_staff(session).id, *TOMORROW))
    for name, value in wrong.items():
        setattr(row, name, value)
    with pytest.raises(IntegrityError):
        session.flush()
