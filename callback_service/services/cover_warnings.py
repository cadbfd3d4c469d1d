"""Telling the managers of gaps in the coming weeks: each once, again when it grows or is near."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Select, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.cover_words import who_in_words
from callback_service.domain.gap_warnings import Finding, Gap, Known, compare, whole_gaps
from callback_service.domain.policy import Action
from callback_service.domain.skills import Skill, SkillKind, parse_skill
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import day_in_words
from callback_service.domain.wording import clock_time
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.cover import CoverLook, CoverWarning
from callback_service.models.outbox import TextKind
from callback_service.models.staff import Staff
from callback_service.services import audit, texts
from callback_service.services.cover import LOOK_AHEAD, whole_cover
from callback_service.services.permission import allowed

#: Looked at this often though nothing was changed: time brings gaps nearer.
LOOK_EVERY: Final = timedelta(minutes=10)
#: A text that could not be sent within this time is not sent at night two days later.
TEXT_LASTS: Final = timedelta(hours=12)
#: Deeds, by the start of their names, after which cover may be another.
CHANGES: Final = (
    "rota.", "cover.requirement", "staff.disabled", "staff.enabled", "staff.skills", "demo.",
)  # fmt: skip
REASON_LENGTH: Final = 200


def look_is_due(session: Session, *, now: datetime) -> bool:
    """Whether the rota changed since the last look, or that is long ago; cheap, and takes no lock.

    Never while there is no manager: a gap would count as told, and nobody would know of it. A
    change that was committed late may be missed here; the next look of the clock sees it.
    """
    if session.scalar(_managers().limit(1)) is None:
        return False
    look = session.get(CoverLook, 1)
    if look is None or now - look.looked_at >= LOOK_EVERY:
        return True
    changed = or_(*(AuditEntry.action.startswith(name, autoescape=True) for name in CHANGES))
    news = select(AuditEntry.id).where(AuditEntry.id > look.seen_audit_id, changed).limit(1)
    return session.scalar(news) is not None


def warn_of_gaps(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Compare the gaps of the next four weeks with those known, and tell of news; how many.

    One text to each manager who gave a number, however many gaps are new. Cover counts active
    accounts only.
    """
    look = _locked_look(session, now)
    findings, gone = compare(_gaps_ahead(session, now, tz), _known(session), now=now)
    for one in gone:
        _row(session, one.id).closed_at = now
    told = [row for finding in findings if (row := _recorded(session, finding, now)) is not None]
    if told:
        _tell_managers(session, told, now=now, tz=tz)
    session.flush()
    look.looked_at = now
    look.seen_audit_id = session.scalar(select(func.max(AuditEntry.id))) or 0
    session.flush()
    return len(told)


def _locked_look(session: Session, now: datetime) -> CoverLook:
    look = session.get(CoverLook, 1, with_for_update=True)
    if look is not None:
        return look
    with suppress(IntegrityError), session.begin_nested():  # of two at once, the second waits here
        session.add(CoverLook(id=1, looked_at=now, seen_audit_id=0))
    return session.get_one(CoverLook, 1, with_for_update=True)


def _gaps_ahead(session: Session, now: datetime, tz: tzinfo) -> list[Gap]:
    until = now + LOOK_AHEAD
    return [
        gap
        for skill, stretches in whole_cover(session, now, until, tz=tz).of_each()
        for gap in whole_gaps(stretches, until=until, skill=skill)
    ]


def _open_rows(session: Session) -> Sequence[CoverWarning]:
    stated = select(CoverWarning).where(CoverWarning.closed_at.is_(None))
    return session.scalars(stated.order_by(CoverWarning.starts_at, CoverWarning.id)).all()


def _known(session: Session) -> list[Known]:
    return [
        Known(
            row.id,
            row.starts_at,
            row.ends_at,
            row.short,
            row.goes_on,
            row.is_told_near,
            row.muted_at is not None,
            _skill_of(row),
        )
        for row in _open_rows(session)
    ]


def _skill_of(row: CoverWarning) -> Skill | None:
    return parse_skill(row.skill) if row.skill else None


def _row(session: Session, warning_id: int) -> CoverWarning:
    row = session.get(CoverWarning, warning_id, with_for_update=True)
    if row is None or row.closed_at is not None:
        raise NotFound("That gap is no longer there.")
    return row


def _recorded(session: Session, finding: Finding, now: datetime) -> CoverWarning | None:
    """Bring the record of a gap up to date; the row if the managers are to be told of it."""
    row = _row(session, finding.keeps.id) if finding.keeps else _new_row(session, finding, now)
    gap = finding.gap
    # A gap that has begun keeps its beginning.
    row.starts_at = min(row.starts_at, gap.start) if gap.start <= now else gap.start
    row.ends_at, row.short, row.goes_on = gap.end, gap.short, gap.goes_on
    row.is_told_near = finding.is_told_near
    if not finding.is_muted:
        row.muted_at = row.muted_by_id = row.muted_reason = None
    if finding.is_told and finding.met:
        row.last_told_at = now
        row.times_told += 1
    session.flush()
    return row if finding.is_told else None


def _new_row(session: Session, finding: Finding, now: datetime) -> CoverWarning:
    """A record for a gap that has none; a part of a known one was told of when that one was."""
    gap = finding.gap
    row = CoverWarning(
        starts_at=gap.start,
        ends_at=gap.end,
        skill=str(gap.skill or ""),
        short=gap.short,
        goes_on=gap.goes_on,
        first_told_at=now,
        last_told_at=now,
        times_told=1,
        is_told_near=finding.is_told_near,
    )
    if finding.met:
        whole = session.get_one(CoverWarning, finding.met[0].id)
        row.first_told_at, row.last_told_at = whole.first_told_at, whole.last_told_at
        row.muted_at, row.muted_by_id = whole.muted_at, whole.muted_by_id
        row.muted_reason = whole.muted_reason
    session.add(row)
    return row


def _tell_managers(
    session: Session, told: list[CoverWarning], *, now: datetime, tz: tzinfo
) -> None:
    first = told[0]
    for row in told:
        audit.record(
            session, "cover.gap_told", subject="cover_warning", subject_id=row.id, now=now,
            starts_at=row.starts_at.isoformat(), ends_at=row.ends_at.isoformat(), short=row.short,
            skill=row.skill,
        )  # fmt: skip
    for manager in session.scalars(_managers()):
        texts.text_staff(
            session,
            manager,
            TextKind.GAP,
            once_key=f"gap:{first.id}:{first.times_told}:{manager.id}",
            expires_at=now + TEXT_LASTS,
            now=now,
            whom=_whom(told),
            when=_when(told, tz),
        )


def _managers() -> Select[Staff]:
    return select(Staff).where(Staff.role == Role.MANAGER, Staff.is_active).order_by(Staff.id)


def _when(told: list[CoverWarning], tz: tzinfo) -> str:
    """When the gaps are, inside a text: "at 3 times, first on Saturday 28 November at 5pm"."""
    start = min(row.starts_at for row in told)
    first = f"on {day_in_words(start.astimezone(tz).date())} from {clock_time(start, tz)}"
    return first if len(told) == 1 else f"at {len(told)} times, first {first}"


def _whom(told: list[CoverWarning]) -> str:
    """Who is missing, inside a text, which has to be short. A skill is not named there: it could be
    "alcohol".
    """
    missing = {_skill_of(row) for row in told}
    [skill, *others] = missing
    if skill is None or others:
        return "people"
    if skill.kind is SkillKind.SKILL:
        return "somebody with a skill"
    language = skill._replace(value=skill.value.partition("-")[0])
    return f"somebody {who_in_words(language)}"


@dataclass(frozen=True, slots=True)
class WarningLine:
    """A gap the managers know of, for the page."""

    id: int
    start: datetime
    end: datetime
    short: int
    goes_on: bool
    first_told_at: datetime
    last_told_at: datetime
    muted_reason: str | None
    skill: Skill | None


def known_gaps(session: Session, *, now: datetime) -> list[WarningLine]:
    """The gaps told of that are not over and were not filled when last looked at, in order."""
    return [_line(row) for row in _open_rows(session) if row.ends_at > now]


def known_gap(session: Session, warning_id: int) -> WarningLine:
    """One gap that was told of; raises NotFound when it is filled or over."""
    row = session.get(CoverWarning, warning_id)
    if row is None or row.closed_at is not None:
        raise NotFound("That gap is no longer there.")
    return _line(row)


def _line(row: CoverWarning) -> WarningLine:
    return WarningLine(
        row.id,
        row.starts_at,
        row.ends_at,
        row.short,
        row.goes_on,
        row.first_told_at,
        row.last_told_at,
        row.muted_reason,
        _skill_of(row),
    )


@allowed(Action.EDIT_COVER)
def mute_gap(
    session: Session, warning_id: int, *, reason: str, actor_id: int, now: datetime
) -> None:
    """Accept a gap as it is: nothing more is told of it, unless it grows."""
    reason = given_reason(reason)
    row = _row(session, warning_id)
    if row.muted_at is not None:
        raise Refused("This gap is muted already.")
    row.muted_at, row.muted_by_id, row.muted_reason = now, actor_id, reason
    session.flush()
    _record_mute(session, "cover.gap_muted", row, actor_id=actor_id, now=now)


@allowed(Action.EDIT_COVER)
def unmute_gap(session: Session, warning_id: int, *, actor_id: int, now: datetime) -> None:
    """Have a gap told of again when it comes near."""
    row = _row(session, warning_id)
    row.muted_at = row.muted_by_id = row.muted_reason = None
    session.flush()
    _record_mute(session, "cover.gap_unmuted", row, actor_id=actor_id, now=now)


def _record_mute(
    session: Session, action: str, row: CoverWarning, *, actor_id: int, now: datetime
) -> None:
    audit.record(
        session, action, subject="cover_warning", subject_id=row.id, actor_id=actor_id, now=now
    )


def given_reason(reason: str) -> str:
    """The reason without blanks around it; raises BadInput where there is none, or too much."""
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= REASON_LENGTH:
        sentence = f"Give a reason, in at most {REASON_LENGTH} characters."
        raise BadInput(sentence, {"reason": sentence})
    return reason
