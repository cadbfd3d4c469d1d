"""Files that are cut off, hostile or odd: a sentence each, and soon."""

from __future__ import annotations

import sys
from datetime import date
from time import process_time

import pytest

from callback_service.errors import BadInput
from callback_service.gateways.ical_reader import Found, read_ical
from callback_service.gateways.ical_times import TooMuchWorkError, within_seconds
from tests.rota_builders import LONDON

HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
TAIL = "END:VCALENDAR\r\n"
TIMES = "DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z"
OFTEN = "BYHOUR={}".format(",".join(map(str, range(24))))
MINUTES = "BYMINUTE={}".format(",".join(map(str, range(60))))


def event(*lines: str, uid: str = "1") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT", ""])


def read(content: str | bytes) -> list[Found]:
    content = content.encode() if isinstance(content, str) else content
    return read_ical(content, today=date(2026, 11, 25), tz=LONDON)


WHOLE = HEAD + event(TIMES, "SUMMARY:Zoë") + TAIL


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (HEAD + event(TIMES), "not a whole one"),
        (WHOLE[:60], "not a whole one"),
        (HEAD + "BEGIN:VEVENT\r\n" * 20_000 + TAIL, "not a whole one"),
        (WHOLE.encode("utf-16"), "not UTF-8"),
        (WHOLE.encode("latin-1"), "not UTF-8"),
        (b"x" * (8 * 1024 * 1024 + 1), "too large"),
    ],
)
def test_a_file_that_is_no_calendar_is_refused_with_the_reason(
    content: str | bytes, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        read(content)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["RRULE:FREQ=SECONDLY;COUNT=1000000000"], "more often than once an hour"),
        ([f"RRULE:FREQ=DAILY;{OFTEN};{MINUTES}"], "too long to work out"),
        (["RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"], "too long to work out"),
        (["RRULE:FREQ=DAILY;INTERVAL=-1"], "cannot be read"),
        (["RRULE:FREQ=WEEKLY;BYDAY=XX"], "RRULE cannot be read"),
        (["RRULE:FREQ=DAILY;UNTIL=SOON"], "RRULE cannot be read"),
        (["SEQUENCE:x"], "SEQUENCE cannot be read"),
        (["RECURRENCE-ID:x"], "RECURRENCE-ID cannot be read"),
        (["DTSTART:20260106T090000Z"], "cannot be read"),
    ],
)
def test_a_hostile_event_is_named_soon_and_the_others_are_read(
    lines: list[str], fault: str
) -> None:
    started = process_time()
    bad, good = read(HEAD + event(TIMES, *lines) + event(TIMES, uid="2") + TAIL)
    assert fault in (bad.fault or "")
    assert len(good.happenings) == 1
    assert process_time() - started < 10


def test_a_limit_that_is_lost_in_a_finaliser_is_kept_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow:
        def __del__(self) -> None:
            work_for(5)

    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: lost.append(one.exc_type))

    def work_through_it() -> None:
        Slow()
        work_for(5)

    with pytest.raises(TooMuchWorkError), within_seconds(0.1):
        work_through_it()
    assert lost == [TooMuchWorkError]


def work_for(seconds: float) -> None:
    end_at = process_time() + seconds
    while process_time() < end_at:
        pass


def test_a_file_of_hostile_events_is_given_up() -> None:
    never = "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
    events = "".join(event(TIMES, never, uid=str(number)) for number in range(50))
    with pytest.raises(BadInput, match="too long to work out"):
        read(HEAD + events + TAIL)


@pytest.mark.parametrize(
    "rule", ["COUNT=1000000000", "UNTIL=99991231T235959Z", "UNTIL=20260701T000000Z", "COUNT=9"]
)
def test_a_rule_may_count_or_reach_as_far_as_it_likes(rule: str) -> None:
    [found] = read(
        HEAD
        + event("DTSTART:20260105T090000", "DURATION:PT8H", f"RRULE:FREQ=DAILY;INTERVAL=3;{rule}")
        + TAIL
    )
    [run] = found.runs
    assert not isinstance(run.line, str)
    assert (run.line.until_on is None) is (rule.startswith(("COUNT=1", "UNTIL=9")))
    assert run.line.cycle is not None
    assert run.line.cycle.length == 3


def test_a_first_date_that_is_left_out_is_looked_at() -> None:
    rule = "RRULE:FREQ=WEEKLY\r\nEXDATE:20260105T090000"
    [found] = read(HEAD + event("DTSTART:20260105T090000", "DURATION:PT8H", rule) + TAIL)
    assert found.looked_at is not None
    assert found.looked_at[0] <= date(2026, 1, 5) <= found.looked_at[1]
