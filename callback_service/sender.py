"""The sender: claims texts, hands them over on a few threads, and records what came of each.

Any number of senders may run. No transaction is open while the gateway is called, and one that dies
at any point loses nothing: its texts are looked up at the gateway once their lease has ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from flask import Flask
from sqlalchemy.exc import IntegrityError

from callback_service import clock, sender_marks
from callback_service.config import Settings
from callback_service.domain.text_limits import (
    FAILURES_TO_OPEN,
    failures_in_a_row,
    in_hand_next,
)
from callback_service.extensions import current_settings, database_now, db, reading, transaction
from callback_service.gateways.base import SmsUnclearError, TextGateway
from callback_service.services import outbox_claims, outbox_due, outbox_results, receipts
from callback_service.services.outbox_claims import Claim
from callback_service.services.outbox_due import AT_ONCE
from callback_service.services.outbox_hand_over import NotBegun, Result, hand_over
from callback_service.services.outbox_results import Outcome, wait_for_all, went_well

logger = logging.getLogger(__name__)

#: Texts handed over at the same time. Most of it is waiting.
THREADS: Final = 16
#: Texts claimed first in a run, before it is known how fast they go.
FIRST: Final = 2 * THREADS
#: Results recorded in one transaction at most, and how long the first of them waits for others.
RECORDED_AT_ONCE: Final = 25
RECORDED_WITHIN: Final = timedelta(seconds=1)
#: A run ends after this time though more be due, so that a stop does not wait for a backlog.
RUN_LASTS: Final = timedelta(seconds=5)


@dataclass
class Batch:
    """Some texts on their way, and whether it is still worth beginning with one more of them."""

    gateway: TextGateway
    settings: Settings
    begin_by: float  # seconds of ``clock.running``
    now: datetime
    failures: int = 0  # in a row
    is_held: bool = False  # the gateway asked us to wait, with whatever text
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hand_over(self, claim: Claim) -> Result:
        """Hand one text over, unless time is up, or the gateway wants to be left alone."""
        if clock.running() > self.begin_by or self._is_gateway_left_alone:
            return NotBegun()
        receipts_at = receipts.receipts_address(self.settings.public_base_url, claim.uid)
        result = hand_over(
            self.gateway, claim, receipts_at=receipts_at, begin_by=self.begin_by, now=self.now
        )
        with self.lock:
            self.failures = failures_in_a_row(self.failures, [went_well(result)])
            self.is_held = self.is_held or bool(wait_for_all(result))
        return result

    @property
    def _is_gateway_left_alone(self) -> bool:
        """It asked for that, or fails again and again. What has begun meanwhile still goes."""
        return self.is_held or self.failures >= FAILURES_TO_OPEN


def send_due(app: Flask) -> int:
    """Send what is due, the most urgent first, for a few seconds at most; how many were handled."""
    gateway: TextGateway = app.extensions["text_gateway"]
    if not _texts_are_due():
        return 0
    with sender_marks.at_work(db.engine) as mark:
        return _send_for_a_while(gateway, mark)


def _send_for_a_while(gateway: TextGateway, mark: int) -> int:
    end_at = clock.running() + RUN_LASTS.total_seconds()
    handled, most = 0, FIRST
    while (begun_at := clock.running()) < end_at and _texts_are_due():
        results = _send_some(gateway, current_settings(), mark, most)
        begun = sum(not isinstance(result, NotBegun) for result in results)
        took = timedelta(seconds=clock.running() - begun_at)
        most = in_hand_next(begun, took, least=THREADS, most=AT_ONCE)
        handled += begun
    return handled


def _texts_are_due() -> bool:
    with reading() as session:
        return outbox_due.texts_are_due(
            session,
            current_settings().text_limits,
            at_work=sender_marks.at_work_now(session),
            now=database_now(session),
        )


def _send_some(gateway: TextGateway, settings: Settings, mark: int, most: int) -> list[Result]:
    """Claim up to ``most`` texts, hand them over, and record each soon after it went."""
    begin_by = clock.running() + settings.text_limits.begin_within.total_seconds()
    with transaction() as session:
        now = database_now(session)
        claims = outbox_claims.claim(
            session,
            settings.text_limits,
            mark=mark,
            at_work=sender_marks.at_work_now(session),
            most=most,
            now=now,
            tz=settings.service_time_zone,
        )
    batch = Batch(gateway, settings, begin_by, now)
    results: list[Result] = []
    for outcomes in _in_groups(_hand_over_all(batch, claims)):
        _record(outcomes, gateway, settings)
        results += [result for _, result in outcomes]
    return results


def _hand_over_all(batch: Batch, claims: Sequence[Claim]) -> Iterator[Outcome]:
    """What came of each claim, in the order they ended."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sender") as pool:
        at_work = {pool.submit(batch.hand_over, claim): claim for claim in claims}
        for done in as_completed(at_work):
            claim, error = at_work[done], done.exception()
            if error is None:
                yield claim, done.result()
                continue
            logger.error("text %d was not handed over", claim.message_id, exc_info=error)
            yield claim, SmsUnclearError("Something unforeseen went wrong.")


def _in_groups(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    """Gather what ends at about the same time: a transaction for each would take longer."""
    group: list[Outcome] = []
    first_at = 0.0
    for outcome in outcomes:
        first_at = first_at if group else clock.running()
        group.append(outcome)
        waited = clock.running() - first_at
        if len(group) >= RECORDED_AT_ONCE or waited >= RECORDED_WITHIN.total_seconds():
            yield group
            group = []
    if group:
        yield group


def _record(outcomes: list[Outcome], gateway: TextGateway, settings: Settings) -> None:
    try:
        with transaction() as session:
            outbox_results.record(
                session,
                outcomes,
                settings.text_limits,
                is_live=gateway.is_live,
                now=database_now(session),
                tz=settings.service_time_zone,
            )
    except IntegrityError:  # two senders found the same text at the gateway at the same time
        if len(outcomes) == 1:
            raise
        for outcome in outcomes:
            _record([outcome], gateway, settings)
