"""The ticks: each a run that is safe anywhere and any time, and how often it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from flask import Flask

from callback_service import sender
from callback_service.domain.auditing import is_well
from callback_service.domain.ticks import TickName
from callback_service.extensions import (
    current_settings,
    database_now,
    db,
    reading,
    transaction,
    truncate_log,
)
from callback_service.gateways.audit_log import write_lines
from callback_service.gateways.base import RecordRemover
from callback_service.gateways.heartbeat import send_heartbeat
from callback_service.gateways.twilio_lookup import TwilioLookup
from callback_service.gateways.voice_base import VoiceGateway
from callback_service.services import (
    audit_export,
    auditor,
    call_checks,
    cover_warnings,
    decoys,
    erasure_runs,
    escalation,
    form_posts,
    gateway_records,
    handover,
    lines,
    offers,
    own_erasures,
    planning,
    retention,
    silent_staff,
    swaps,
    text_alarms,
)

logger = logging.getLogger(__name__)

#: Calls asked about in one run.
CALLS_AT_ONCE: Final = 20
#: Numbers asked about in one run.
LOOKUPS_AT_ONCE: Final = 20
#: Records deleted at the gateway in one run.
RECORDS_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Tick:
    """One kind of run: safe anywhere and any time. ``run`` tells how many rows moved.

    What it decides it decides by one ``now``, that of the database.
    """

    name: str
    run: Callable[[Flask], int]
    every: timedelta


def plan_when_called(app: Flask) -> int:
    """Plan at once when something changed."""
    with reading() as session:
        if not planning.plan_is_called_for(session):
            return 0
    return plan_anyway(app)


def plan_anyway(app: Flask) -> int:
    """Plan whether or not something changed: time passes too."""
    with transaction() as session:
        return planning.run_plan(session, now=database_now(session), tz=_zone())


def _zone() -> ZoneInfo:
    return current_settings().service_time_zone


def offer(app: Flask) -> int:
    """Make the offers that are due, and end those that nobody took."""
    with reading() as session:
        now = database_now(session)
        if not offers.offers_are_due(session, now=now):
            return 0
    with transaction() as session:
        moved = offers.lapse_offers(session, now=now)
    with transaction() as session:
        return moved + offers.make_offers(session, now=now, tz=_zone())


def escalate(app: Flask) -> int:
    """Take what nobody has taken to the duty lead."""
    with reading() as session:
        now = database_now(session)
        if not escalation.escalation_is_due(session, now=now):
            return 0
    with transaction() as session:
        return escalation.escalate(session, now=now, tz=_zone())


def hand_over(app: Flask) -> int:
    """Return to the queue what was taken and not rung before a shift ended."""
    with reading() as session:
        now = database_now(session)
        if not handover.is_left_over(session, now=now, tz=_zone()):
            return 0
    with transaction() as session:
        return handover.return_left_over(session, now=now, tz=_zone())


def check_calls(app: Flask) -> int:
    """Ask about calls whose reports do not come, with no transaction open meanwhile."""
    gateway: VoiceGateway | None = app.extensions["voice_gateway"]
    with reading() as session:
        if gateway is None or not call_checks.checks_are_due(session, now=database_now(session)):
            return 0
    for checked in range(CALLS_AT_ONCE):
        if not _check_one_call(gateway):
            return checked
    return CALLS_AT_ONCE


def _check_one_call(gateway: VoiceGateway) -> bool:
    with transaction() as session:
        check = call_checks.claim_check(session, now=database_now(session))
    if check is None:
        return False
    seen = call_checks.ask_gateway(gateway, check)
    with transaction() as session:
        call_checks.record_check(session, check, seen, now=database_now(session))
    return True


def look_numbers_up(app: Flask) -> int:
    """Ask what lines the numbers are that texts wait to go to, where that is set."""
    lookup: TwilioLookup | None = app.extensions["number_lookup"]
    if lookup is None:
        return 0
    for asked in range(LOOKUPS_AT_ONCE):
        if not _look_one_up(lookup):
            return asked
    return LOOKUPS_AT_ONCE


def _look_one_up(lookup: TwilioLookup) -> bool:
    with reading() as session:
        if not lines.question_is_due(session, now=database_now(session)):
            return False
    with transaction() as session:
        question = lines.next_question(session, now=database_now(session))
    if question is None:
        return False
    kind = lookup.line_of(question.e164)
    with transaction() as session:
        lines.take_answer(session, question, kind, now=database_now(session))
    return True


def notice_silent_staff(_app: Flask) -> int:
    """Notice whose own phone takes no texts any more, or takes them again."""
    with reading() as session:
        if not silent_staff.look_is_due(session):
            return 0
    with transaction() as session:
        return silent_staff.look(session, now=database_now(session))


def let_posts_in(app: Flask) -> int:
    """Let in the posts of the form that waited; while some still have to, a person is told."""
    with reading() as session:
        if not form_posts.is_any_waiting(session):
            return 0
    with transaction() as session:
        now, limits = database_now(session), current_settings().form_limits
        moved = form_posts.let_in_due(session, limits=limits, now=now, tz=_zone())
        if form_posts.is_any_late(session, now=now):
            text_alarms.tell_of_flood(session, now=now, tz=_zone())
        if form_posts.is_any_held(session, now=now):
            text_alarms.tell_of_held(session, now=now, tz=_zone())
    return moved


def erase(app: Flask) -> int:
    """Erase what callers wish gone by their links and what is kept no longer, and clear SQLite's
    log of what was erased by anybody."""
    erased, keeping = _erase_by_links(), current_settings().keeping
    with reading() as session:
        now = database_now(session)
        is_due = retention.erasure_is_due(session, now=now, keeping=keeping)
    if is_due:
        with transaction() as session:
            erased += retention.erase_old(session, now=now, keeping=keeping).total()
    clear_log()
    return erased


def _erase_by_links() -> int:
    """One wish in each transaction: nobody holds what somebody else waits for."""
    with reading() as session:
        waiting = own_erasures.waiting(session)
    done, keeping = 0, current_settings().keeping
    for submission_id in waiting:
        with transaction() as session:
            now = database_now(session)
            done += own_erasures.carry_out(session, submission_id, keeping, now=now, tz=_zone())
    return done


def clear_log() -> bool:
    """Take erased bytes out of SQLite's log; False while readers hold it: the next tick tries."""
    with reading() as session:
        run_id = erasure_runs.newest_uncleared(session)
        late_since = erasure_runs.uncleared_since(session, now=database_now(session))
    if run_id is None:
        return True
    if not truncate_log():
        if late_since is not None:
            logger.warning("readers hold the database's log: erased data is in it still")
        return False
    with transaction() as session:
        erasure_runs.note_cleared(session, run_id, now=database_now(session))
    return True


def delete_records(app: Flask) -> int:
    """Delete at the gateway what it keeps of erased requests, with no transaction open."""
    remover: RecordRemover | None = app.extensions["record_remover"]
    if remover is None:
        return 0
    for deleted in range(RECORDS_AT_ONCE):
        if not _delete_one_record(remover):
            return deleted
    return RECORDS_AT_ONCE


def _delete_one_record(remover: RecordRemover) -> bool:
    with reading() as session:
        if not gateway_records.is_due(session, now=database_now(session)):
            return False
    with transaction() as session:
        owed = gateway_records.claim(session, now=database_now(session))
    if owed is None:
        return False
    kept = gateway_records.remove(remover, owed)
    with transaction() as session:
        gateway_records.record(session, owed, kept, now=database_now(session))
    return True


def warn_of_gaps(app: Flask) -> int:
    """Tell the managers of gaps in the coming weeks, where a look is due."""
    with reading() as session:
        now = database_now(session)
        if not cover_warnings.look_is_due(session, now=now):
            return 0
    with transaction() as session:
        return cover_warnings.warn_of_gaps(session, now=now, tz=_zone())


def lapse_swaps(app: Flask) -> int:
    """Let swaps lapse that nobody agreed before the shift began."""
    with reading() as session:
        now = database_now(session)
        if not swaps.lapse_is_due(session, now=now):
            return 0
    with transaction() as session:
        return swaps.lapse_begun(session, now=now)


def audit(app: Flask) -> int:
    """Look for whom everybody else forgot; tell the world that all is well if it is."""
    with transaction() as session:
        now = database_now(session)
        report = auditor.audit(session, now=now, tz=_zone())
    if report is None:  # another scheduler is at it, and speaks for both
        return 0
    url = current_settings().heartbeat_url
    if url is not None and is_well(report.open_since, now=now):
        send_heartbeat(url)
    return report.acted_on


def tell_of_decoys(_app: Flask) -> int:
    """Tell those who may know that somebody looked at a decoy."""
    with reading() as session:
        if not decoys.is_telling_due(session):
            return 0
    with transaction() as session:
        return decoys.tell(session, now=database_now(session), tz=_zone())


def ship_audit(_app: Flask) -> int:
    """Write new audit entries to the log outside, where one is set; how many.

    Whatever was not written is tried again, so an entry may come twice and none is left out. A
    full or broken target is told of in our own log, and holds nothing up.
    """
    target, shipped = current_settings().audit_log, 0
    while target is not None:
        with reading() as session:
            after = audit_export.shipped_up_to(session)
            lines, position = audit_export.next_lines(session, after=after)
        if not lines:
            break
        try:
            write_lines(target, lines)
        except OSError as error:
            logger.error("audit entries wait, as they cannot be written: %s", error.strerror)  # noqa: TRY400 - the reason says all
            break
        with transaction() as session:
            audit_export.note_shipped(session, position)
        shipped += len(lines)
    return shipped


TEXTS: Final = Tick(TickName.TEXTS, sender.send_due, timedelta(seconds=0.5))
TICKS: Final = (
    Tick(TickName.PLAN, plan_when_called, timedelta(seconds=0.4)),
    Tick(TickName.REPLAN, plan_anyway, timedelta(seconds=30)),
    Tick(TickName.OFFERS, offer, timedelta(seconds=1)),
    Tick(TickName.ESCALATION, escalate, timedelta(seconds=5)),
    Tick(TickName.HANDOVER, hand_over, timedelta(seconds=5)),
    Tick(TickName.LOOKUPS, look_numbers_up, timedelta(seconds=0.5)),
    TEXTS,
    Tick(TickName.STAFF_TEXTS, notice_silent_staff, timedelta(seconds=15)),
    Tick(TickName.CALLS, check_calls, timedelta(seconds=2)),
    Tick(TickName.FORM_POSTS, let_posts_in, timedelta(seconds=2)),
    Tick(TickName.RETENTION, erase, timedelta(seconds=30)),
    Tick(TickName.RECORDS, delete_records, timedelta(seconds=5)),
    Tick(TickName.COVER, warn_of_gaps, timedelta(seconds=15)),
    Tick(TickName.SWAPS, lapse_swaps, timedelta(seconds=15)),
    Tick(TickName.AUDIT, audit, timedelta(seconds=30)),
    Tick(TickName.SHIPPING, ship_audit, timedelta(seconds=2)),
    Tick(TickName.DECOYS, tell_of_decoys, timedelta(seconds=2)),
)


def run_tick(app: Flask, tick: Tick) -> bool:
    """Run one tick; whether it succeeded. A failure is logged, and the next run tries again."""
    with app.app_context():
        try:
            moved = tick.run(app)
        except Exception:  # whatever it is, one tick must not stop the others
            logger.exception("tick %s failed", tick.name)
            return False
        finally:
            db.session.remove()
    if moved:
        logger.info("tick %s moved %d", tick.name, moved)
    return True
