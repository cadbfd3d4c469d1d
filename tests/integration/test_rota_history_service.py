"""The history of the rota: what is kept of an edit, undoing it, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import Window
from callback_service.domain.rota import Pattern, clip
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.plan import PlanTrigger
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange, RotaChangeSpan
from callback_service.models.rota_revision import RotaRevision, RotaRevisionRow
from callback_service.models.staff import Staff
from callback_service.services import (
    cover_requirements,
    pattern_edits,
    rest_checks,
    rota,
    rota_changes,
    shift_patterns,
)
from callback_service.services.pattern_edits import PatternEdit
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota_edits import latest_revision, rota_edit
from callback_service.services.rota_history import Difference, list_revisions
from callback_service.services.rota_meanwhile import (
    CONCERNS_OF_REQUIREMENTS,
    ChangedMeanwhile,
    concerns_of,
    concerns_of_change,
    concerns_of_line,
    refuse_if_changed,
)
from callback_service.services.rota_snapshots import KEPT, stored
from callback_service.services.rota_undo import preview_undo, undo
from tests.rota_builders import LONDON, a_pattern, a_requirement, local
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager, make_request

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.date()
ADD, REMOVE, REPLACE = OverrideKind
TOMORROW = local("2026-11-26 09:00"), local("2026-11-26 17:00")
EVENING = local("2026-12-01 18:00"), local("2026-12-01 20:00")
State = list[object]


class Office:
    """Two managers and three counsellors; Amira works from nine to five, Ben through the night."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.manager, self.other = make_manager(session), make_manager(session)
        self.manager.name, self.other.name = "Mo Lane", "Sam Reed"
        self.amira, self.ben, self.cara = (
            make_staff(session, name=name) for name in ("Amira", "Ben", "Cara")
        )
        self.now = NOW - 3 * DAY
        self.days = self.add(a_pattern(self.amira))
        self.nights = self.add(a_pattern(self.ben, "18:00", "06:00"))
        self.needed = cover_requirements.add_requirement(
            session, a_requirement(), actor_id=self.manager.id, now=self.now
        )
        self.now = NOW
        session.commit()

    def add(self, line: Pattern | Rotation, by: Staff | None = None) -> ShiftPattern:
        actor_id = (by or self.manager).id
        return shift_patterns.add_pattern(self.session, line, actor_id=actor_id, now=self.now)

    def end(self, row: ShiftPattern, last_on: date, by: Staff | None = None) -> None:
        shift_patterns.end_pattern(
            self.session, row.id, last_on=last_on, actor_id=(by or self.manager).id,
            now=self.now, tz=LONDON,
        )  # fmt: skip

    def make(self, change: Change, by: Staff | None = None) -> RotaChange:
        actor_id = (by or self.manager).id
        return rota_changes.make_change(
            self.session, change, actor_id=actor_id, now=self.now, tz=LONDON
        )

    def cancel(self, row: RotaChange) -> None:
        rota_changes.cancel_change(self.session, row.id, actor_id=self.manager.id, now=self.now)

    def take(self, row: RotaChange) -> None:
        rota_changes.take_open_shift(
            self.session, row.id, staff_id=self.cara.id, now=self.now, tz=LONDON
        )

    def undo(
        self, revision_id: int | None = None, reason: str | None = "As it was"
    ) -> RotaRevision:
        """Undo an edit, the newest unless told; the revision of the undo.

        Ben and Amira work every day, so that hardly anything comes back without a reason.
        """
        wanted = revision_id or latest_revision(self.session)
        made = undo(
            self.session, wanted, reason=reason, actor_id=self.other.id, now=self.now, tz=LONDON
        )
        self.session.commit()
        return made

    def differences(self) -> list[Difference]:
        """What the newest edit changed, in words."""
        [line, *_] = list_revisions(self.session, now=self.now, tz=LONDON).lines
        return list(line.differences)

    def state(self) -> State:
        """All that holds, with its ids, but for what is allowed."""
        self.session.commit()
        rows: State = []
        for name, model in KEPT.items():
            if model is RestAllowance:
                continue
            ids = self.session.scalars(select(model.__table__.c.id)).all()
            rows += [
                row
                for _, row in sorted(stored(self.session, name, ids).items())
                if row.get("cancelled_at") is None
            ]
        spans = self.session.scalars(select(RotaChangeSpan))
        rows += sorted((one.change_id, one.staff_id, one.starts_at, one.ends_at) for one in spans)
        return rows

    def shifts(self, start: datetime, end: datetime) -> list[object]:
        """Who is on duty when, and which shifts are open; pieces that touch are one."""
        found, _ = rota.resolve(self.session, start, end, tz=LONDON)
        pieces: dict[tuple[object, ...], list[tuple[datetime, datetime]]] = {}
        for shift in clip(found, start, end):
            whole = pieces.setdefault((shift.staff_id, shift.duty), [])
            if whole and whole[-1][1] == shift.start:
                whole[-1] = whole[-1][0], shift.end
            else:
                whole.append((shift.start, shift.end))
        return sorted(pieces.items(), key=str)


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


def rotation(office: Office) -> Rotation:
    turns = (Turn(frozenset({office.amira.id}), 7), Turn(frozenset({office.cara.id}), 7))
    line = a_pattern(office.amira, "19:00", "21:00", from_on=TODAY + DAY)
    return Rotation(
        None, line.duty, line.weekdays, line.start, line.end, line.from_on, None,
        line.from_on, CountedIn.DAYS, turns,
    )  # fmt: skip


def leave(office: Office, staff: Staff | None = None, *, reason: str = "annual") -> Leave:
    """Away for all of the day after tomorrow and the next, on which Amira and Ben work."""
    start = local("2026-11-27 00:00")
    return Leave((staff or office.amira).id, start, start + 2 * DAY, LeaveReason(reason))


def replacement(office: Office) -> Override:
    start = local("2026-11-27 00:00")
    return Override(REPLACE, office.amira.id, start, start + 2 * DAY, by_id=office.cara.id)


def open_shift() -> OpenShift:
    start = local("2026-11-27 10:00")
    return OpenShift(start, start + 30 * HOUR)


def sickness_of_who_stands_in(office: Office) -> None:
    office.make(replacement(office))
    office.session.commit()
    office.make(replace(leave(office, office.cara, reason="sick"), start=local("2026-11-27 12:00")))


def cancelled(office: Office) -> None:
    row = office.make(replacement(office))
    office.session.commit()
    office.cancel(row)


def taken(office: Office) -> None:
    row = office.make(open_shift())
    office.session.commit()
    office.take(row)


def removed(office: Office) -> None:
    row = office.add(rotation(office))
    office.session.commit()
    office.end(row, TODAY)


def requirement_removed(office: Office) -> None:
    cover_requirements.remove_requirement(
        office.session, office.needed.id, actor_id=office.manager.id, now=NOW, tz=LONDON
    )


def several_at_once(office: Office) -> None:
    with rota_edit(office.session, "rota.imported", actor_id=office.manager.id, now=NOW):
        office.end(office.days, TODAY)
        office.add(a_pattern(office.amira, "08:00", "16:00", from_on=TODAY + DAY))
        office.make(Override(ADD, office.cara.id, *TOMORROW))


EDITS: dict[str, Callable[[Office], object]] = {
    "a pattern": lambda office: office.add(a_pattern(office.cara, from_on=TODAY + DAY)),
    "a rotation": lambda office: office.add(rotation(office)),
    "an end": lambda office: office.end(office.days, TODAY + DAY),
    "a removal": removed,
    "leave": lambda office: office.make(leave(office)),
    "a replacement": lambda office: office.make(replacement(office)),
    "an open shift": lambda office: office.make(open_shift()),
    "a shift that is taken": taken,
    "a change that is cancelled": cancelled,
    "sickness": sickness_of_who_stands_in,
    "a requirement": lambda office: cover_requirements.add_requirement(
        office.session, a_requirement(3, "17:00", "19:00", from_on=TODAY + DAY),
        actor_id=office.manager.id, now=NOW,
    ),
    "a requirement that is removed": requirement_removed,
    "several edits in one": several_at_once,
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_undo_puts_everything_back_and_its_own_undo_does_it_again(
    office: Office, edit: Callable[[Office], object]
) -> None:
    edit(office)
    after, latest = office.state(), latest_revision(office.session)
    # What was before the last edit is what the edits before it left.
    revision = office.session.get_one(RotaRevision, latest)
    undone = office.undo()
    before = office.state()
    assert before != after
    by_place = {(row.table_name, row.row_id): row for row in revision.rows}
    for (name, row_id), row in by_place.items():
        now = stored(office.session, name, [row_id]).get(row_id)
        was_there = row.before is not None and row.before.get("cancelled_at") is None
        assert (now == row.before) if was_there else (now is None or now["cancelled_at"])
    again = office.undo(undone.id)
    assert office.state() == after
    assert again.undoes_id == undone.id
    office.undo(again.id)
    assert office.state() == before


@pytest.mark.one_database
@pytest.mark.parametrize("hours", [1, 40])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_undo_leaves_what_has_been_as_it_is(
    office: Office, edit: Callable[[Office], object], hours: int
) -> None:
    """From 21:00 on the same day, and from noon of the second day after, when most have begun."""
    edit(office)
    office.session.commit()
    later, long_ago = NOW + hours * HOUR, NOW - 4 * DAY
    done, to_come = office.shifts(long_ago, later), office.shifts(later + DAY, later + 9 * DAY)
    office.now = later
    undone = office.undo()
    assert office.shifts(long_ago, later) == done
    office.now = later + HOUR
    done = office.shifts(long_ago, office.now)
    office.undo(undone.id)
    assert office.shifts(long_ago, office.now) == done
    assert office.shifts(later + DAY, later + 9 * DAY) == to_come


def test_an_undo_of_leave_that_runs_brings_them_back_from_now_on(office: Office) -> None:
    office.make(leave(office))
    office.now = local("2026-11-27 12:00")
    office.undo()
    [row] = office.session.scalars(select(RotaChange))
    assert (row.ends_at, row.cancelled_at) == (office.now, None)
    office.now += HOUR
    office.undo()
    _, again = office.session.scalars(select(RotaChange).order_by(RotaChange.id))
    assert (again.starts_at, again.ends_at) == (office.now, local("2026-11-29 00:00"))
    assert again.reason is LeaveReason.ANNUAL


def test_a_line_that_ended_a_while_ago_goes_on_without_the_days_between(office: Office) -> None:
    office.end(office.days, TODAY)
    office.now = NOW + 5 * DAY
    office.undo()
    rows = office.session.scalars(
        select(ShiftPattern).where(ShiftPattern.staff_id == office.amira.id)
    )
    assert {(row.from_on, row.until_on) for row in rows} == {
        (date(2026, 1, 5), TODAY),
        (TODAY + 6 * DAY, None),  # the shift of the fifth day began before
    }


def test_what_was_changed_again_is_undone_in_order(office: Office) -> None:
    row = office.make(leave(office))
    first = latest_revision(office.session)
    rota_changes.cancel_change(office.session, row.id, actor_id=office.other.id, now=NOW + HOUR)
    sentence = "Sam Reed changed this again on Wednesday 25 November at 21:00. Undo that first."
    with pytest.raises(Refused, match=sentence):
        office.undo(first)
    office.undo()
    office.undo(first)
    assert row.cancelled_at is not None
    with pytest.raises(Refused, match="changed this again"):
        office.undo(first)


@pytest.mark.parametrize(
    ("edit", "since", "sentence"),
    [
        (cancelled, lambda office: office.make(leave(office)), "Amira is away"),
        (
            lambda office: office.end(office.days, TODAY),
            lambda office: office.add(
                a_pattern(office.amira, "10:00", "11:00", from_on=TODAY + DAY)
            ),
            "This overlaps a pattern they already have: every day, 10:00 to 11:00",
        ),
        (
            requirement_removed,
            lambda office: cover_requirements.add_requirement(
                office.session, a_requirement(5, from_on=TODAY), actor_id=None, now=NOW
            ),
            "already have a requirement, of 5",
        ),
        (
            lambda office: office.end(office.days, TODAY),
            lambda office: setattr(office.amira, "is_active", False),
            "Choose somebody who has an active account.",
        ),
    ],
)
def test_what_does_not_fit_any_more_is_not_put_back(
    office: Office,
    edit: Callable[[Office], object],
    since: Callable[[Office], object],
    sentence: str,
) -> None:
    edit(office)
    wanted = latest_revision(office.session)
    since(office)
    before = office.state()
    with pytest.raises(Refused, match=f"This cannot be undone now.*{sentence}"):
        office.undo(wanted)
    office.session.rollback()
    assert office.state() == before


def test_what_is_over_stays_on_record(office: Office) -> None:
    office.make(Override(ADD, office.cara.id, *TOMORROW))
    office.now = TOMORROW[1]
    with pytest.raises(Refused, match="what has been worked stays on record"):
        office.undo()
    [line, *_] = list_revisions(office.session, now=office.now, tz=LONDON).lines
    assert not line.can_undo
    with pytest.raises(NotFound):
        office.undo(4242)


def test_an_undo_is_audited_and_asks_for_a_plan(office: Office) -> None:
    office.make(leave(office))
    undone = latest_revision(office.session)
    triggers = len(office.session.scalars(select(PlanTrigger)).all())
    made = office.undo()
    entry = office.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "rota.undone", office.other.id, undone,
    )  # fmt: skip
    assert (made.undoes_id, made.actor_id) == (undone, office.other.id)
    assert len(office.session.scalars(select(PlanTrigger)).all()) > triggers


def test_a_preview_says_what_an_undo_would_do_and_does_nothing(office: Office) -> None:
    office.make(Override(ADD, office.cara.id, local("2026-11-27 06:00"), local("2026-11-27 09:00")))
    before = office.state()
    told = preview_undo(
        office.session, latest_revision(office.session), actor_id=office.other.id, now=NOW,
        tz=LONDON,
    )  # fmt: skip
    assert told.differences == [
        Difference("Cara works as counsellor, Friday 27 November 06:00 to 09:00", None)
    ]
    assert told.gaps == ["Friday 27 November, 06:00 to 09:00: nobody on shift, 1 needed"]
    assert told.lost == []
    assert office.state() == before


def test_a_preview_names_the_promises_that_only_the_edit_keeps(office: Office) -> None:
    start = local("2026-11-27 06:00")
    office.make(Override(ADD, office.cara.id, start, start + 3 * HOUR))
    request = make_request(office.session, window=Window(start, start + 2 * HOUR))
    told = preview_undo(
        office.session, latest_revision(office.session), actor_id=office.other.id, now=NOW,
        tz=LONDON,
    )  # fmt: skip
    assert told.lost == [f"{request.reference}: Friday 27 November 06:00 to 08:00"]


def test_several_edits_in_one_are_one_revision_in_words(office: Office) -> None:
    count = latest_revision(office.session)
    several_at_once(office)
    assert latest_revision(office.session) == count + 1
    assert office.differences() == [
        Difference(
            "Amira works as counsellor: every day, 09:00 to 17:00, from 5 January 2026",
            "Amira works as counsellor: every day, 09:00 to 17:00, from 5 January 2026 "
            "until 25 November 2026",
        ),
        Difference(
            None, "Amira works as counsellor: every day, 08:00 to 16:00, from 26 November 2026"
        ),
        Difference(None, "Cara works as counsellor, Thursday 26 November 09:00 to 17:00"),
    ]


def test_a_revision_keeps_ids_and_its_words_follow_the_names(office: Office) -> None:
    office.add(rotation(office))
    kept = str([(row.before, row.after) for row in office.session.scalars(select(RotaRevisionRow))])
    assert "Amira" not in kept
    office.amira.name = "Amira Khan"
    assert office.differences() == [
        Difference(
            None,
            "every day, 19:00 to 21:00, from 26 November 2026, in turns from 26 November 2026, "
            "as counsellor: Amira Khan, 1 week; Cara, 1 week",
        )
    ]


def test_nothing_is_kept_of_an_edit_that_fails_or_changes_nothing(office: Office) -> None:
    count = latest_revision(office.session)
    with pytest.raises(BadInput):
        office.end(office.add(replace(a_pattern(office.cara), until_on=TODAY)), TODAY + DAY)
    office.session.rollback()
    with rota_edit(office.session, "rota.imported", actor_id=None, now=NOW):
        pass
    office.session.commit()
    assert latest_revision(office.session) == count


def test_the_history_of_one_person_is_found_by_pages(office: Office) -> None:
    for number in range(27):
        start = TOMORROW[0] + number * DAY
        office.make(Leave(office.cara.id, start, start + HOUR, LeaveReason.TRAINING))
        office.session.commit()
    office.make(leave(office))
    first = list_revisions(office.session, staff_id=office.cara.id, now=NOW, tz=LONDON)
    assert (len(first.lines), first.older_than) == (25, first.lines[-1].id)
    rest = list_revisions(
        office.session, staff_id=office.cara.id, older_than=first.older_than, now=NOW, tz=LONDON
    )
    assert (len(rest.lines), rest.older_than) == (2, None)
    assert all("Cara" in str(line.differences) for line in [*first.lines, *rest.lines])


def check(office: Office, seen: int, concerns: set[str] | frozenset[str]) -> None:
    """As the manager who opened the page when ``seen`` was the newest."""
    refuse_if_changed(
        office.session, seen, concerns, actor_id=office.manager.id, now=NOW, tz=LONDON
    )


def test_who_saves_is_told_what_somebody_else_changed_of_the_same_people(office: Office) -> None:
    seen, mine = latest_revision(office.session), concerns_of(leave(office))
    office.make(leave(office, office.ben), by=office.other)
    office.make(Override(ADD, office.amira.id, *EVENING))
    check(office, seen, mine)  # somebody else's rota, and a change of my own
    office.end(office.days, TODAY + DAY, by=office.other)
    with pytest.raises(ChangedMeanwhile) as refusal:
        check(office, seen, mine)
    assert refusal.value.message == (
        "Sam Reed changed the rota at 20:00 while you had this page open."
    )
    [line] = refusal.value.lines
    [difference] = line.differences
    assert difference.after is not None
    assert difference.after.endswith("until 26 November 2026")
    check(office, refusal.value.latest, mine)


def test_a_line_a_requirement_and_an_open_shift_are_watched_too(office: Office) -> None:
    seen = latest_revision(office.session)
    change = office.make(open_shift(), by=office.other)
    cover_requirements.remove_requirement(
        office.session, office.needed.id, actor_id=office.other.id, now=NOW, tz=LONDON
    )
    office.session.commit()
    for concerns in (
        concerns_of(open_shift()),
        concerns_of_change(office.session, change.id),
        CONCERNS_OF_REQUIREMENTS,
    ):
        with pytest.raises(ChangedMeanwhile):
            check(office, seen, concerns)
    check(office, seen, concerns_of(rotation(office)))
    check(office, seen, concerns_of_line(office.session, office.nights.id))


def early_after_late(office: Office) -> tuple[RotaChange, Change]:
    """Cara works a day, and an early shift after it that leaves her nine hours of rest."""
    late = office.make(Override(ADD, office.cara.id, *TOMORROW))
    early = local("2026-11-27 02:00"), local("2026-11-27 08:00")
    return late, Override(ADD, office.cara.id, *early)


def allowed(office: Office) -> list[str]:
    """The reasons of what is allowed now."""
    rows = office.session.scalars(select(RestAllowance).where(RestAllowance.cancelled_at.is_(None)))
    return [row.reason for row in rows if row.ends_at is None or row.ends_at > office.now]


def test_an_undo_that_breaks_a_rule_of_rest_needs_a_reason_as_every_edit_does(
    office: Office,
) -> None:
    late, early = early_after_late(office)
    office.cancel(late)
    cancelled = latest_revision(office.session)
    office.make(early)
    preview = preview_undo(office.session, cancelled, actor_id=office.other.id, now=NOW, tz=LONDON)
    assert preview.broken == [
        "Cara: 9 hours of rest in the 24 from Thursday 26 November, 09:00: 11 are due"
    ]
    before = office.state()
    with pytest.raises(RestBroken):
        office.undo(cancelled, None)
    office.session.rollback()
    assert office.state() == before
    office.undo(cancelled, "She asked for both")
    assert allowed(office) == ["She asked for both"]
    words = [one.after for one in office.differences()]
    assert "Cara may break a rule of rest (daily rest): She asked for both" in words
    office.undo(reason=None)
    assert office.state() == before
    assert allowed(office) == []


def test_what_was_allowed_for_a_change_goes_with_it_and_comes_back_with_it(office: Office) -> None:
    _, early = early_after_late(office)
    rest_checks.make_change(
        office.session, early, reason="Once", actor_id=office.manager.id, now=NOW, tz=LONDON
    )
    assert allowed(office) == ["Once"]
    undone = office.undo(reason=None)
    assert allowed(office) == []
    office.undo(undone.id, None)  # nobody is asked again for a reason that was given
    assert allowed(office) == ["Once"]


def test_cancelling_a_change_ends_what_was_allowed_for_it(office: Office) -> None:
    late, early = early_after_late(office)
    row = rest_checks.make_change(
        office.session, early, reason="Once", actor_id=office.manager.id, now=NOW, tz=LONDON
    )
    office.cancel(late)
    assert allowed(office) == ["Once"]
    office.cancel(row)
    assert allowed(office) == []


def test_what_was_allowed_for_a_line_that_has_begun_ends_with_its_undo(office: Office) -> None:
    early = PatternEdit(a_pattern(office.ben, "08:00", "12:00", from_on=TODAY))
    pattern_edits.save(
        office.session, early, reason="A while", actor_id=office.manager.id, now=NOW, tz=LONDON
    )
    made = latest_revision(office.session)
    assert set(allowed(office)) == {"A while"}
    office.now = NOW + 3 * DAY
    office.undo(made)
    assert "A while" not in allowed(office)
    rows = office.session.scalars(select(RestAllowance).where(RestAllowance.reason == "A while"))
    assert {(row.ends_at, row.cancelled_at) for row in rows} == {(office.now, None)}
