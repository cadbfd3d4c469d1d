"""The lines of the rota that an .ics file asks for, compared with those there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain

from callback_service.domain.recurrence import first_day, is_held_by, is_same, times_of
from callback_service.domain.rota import Pattern, first_clash
from callback_service.domain.wall_time import full_date, weekly_in_words
from callback_service.gateways.ical_reader import Found, Run
from callback_service.models.staff import Staff
from callback_service.services.rota_calendar import series_uid
from callback_service.services.rota_import_items import (
    Item,
    Rota,
    Share,
    Verdict,
    end_before,
    uid_key,
    why_no_shift,
    why_not,
)


@dataclass(slots=True)
class Judged:
    """What becomes of the rules of one event.

    ``told`` are the runs, each with the address of a person, whose dates need no word of their own.
    """

    items: list[Item] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    told: set[tuple[int | None, str | None]] = field(default_factory=set)


def judge_rules(found: Found, rota: Rota) -> Judged:
    """Each line that the rules of an event ask for, and why others are none."""
    judged = Judged()
    if found.fault is not None:
        words = f"{found.said.summary}: {found.fault}"
        judged.items.append(Item(Verdict.NOT_UNDERSTOOD, found.uid, words))
    judged.items += _declined(found, rota)
    for number, run in enumerate(found.runs):
        if not run.is_cancelled:
            _judge_run(found, number, run, rota, judged)
    return judged


def _declined(found: Found, rota: Rota) -> list[Item]:
    """Who said of some date that they will not come, so that they are not put on shift."""
    said = [found.said, *(run.said for run in found.runs)]
    said += [one.said for one in found.happenings]
    names = dict.fromkeys((one.summary, email) for one in said for email in one.declined)
    return [
        Item(
            Verdict.DECLINED,
            found.uid,
            f"{summary}: {rota.people[email].name if email in rota.people else email} has declined",
        )
        for summary, email in names
    ]


def _judge_run(found: Found, number: int, run: Run, rota: Rota, judged: Judged) -> None:
    if isinstance(run.line, str):
        spans = [one.span for one in found.happenings if one.run == number]
        if why := next(filter(None, map(why_no_shift, spans[:1])), None):
            words = f"{run.said.summary}: {why}"
            _tell(judged, Verdict.NOT_UNDERSTOOD, found, words, number, *run.said.emails, None)
            return
    if not (run.said.emails or run.said.declined or run.is_single):
        words = f"{run.said.summary}: it names nobody, so nobody would be on shift"
        _tell(judged, Verdict.NOT_UNDERSTOOD, found, words, number, None)
    for email in run.said.emails:
        staff = rota.people.get(email)
        if why := why_not(email, staff, run.said.duty):
            words = f"{run.said.summary}: {why}"
            _tell(judged, Verdict.UNKNOWN_PERSON, found, words, number, email)
        elif staff is not None and isinstance(run.line, Pattern):
            _judge_line(found, email, staff, run.line, rota, judged)
        elif staff is not None and not run.is_single:
            words = f"{run.said.summary}, {staff.name}: {run.line}, so {_dates_in_words(found)}"
            judged.items.append(Item(Verdict.BY_DATE, found.uid, words))


def _tell(
    judged: Judged, verdict: Verdict, found: Found, words: str, number: int, *emails: str | None
) -> None:
    judged.items.append(Item(verdict, found.uid, words))
    judged.told.update((number, email) for email in emails)


def _dates_in_words(found: Found) -> str:
    if not found.goes_on or found.looked_at is None:
        return "each of its dates is taken by itself"
    return f"each of its dates up to {full_date(found.looked_at[1])} is taken by itself"


def _judge_line(
    found: Found, email: str, staff: Staff, line: Pattern, rota: Rota, judged: Judged
) -> None:
    line = replace(line, staff_id=staff.id)
    item = _compared(found, staff, line, rota)
    ids = {line.id for line in _same_times(line, rota.lines[staff.id, line.duty])}
    since = None
    if item.verdict is Verdict.UNCHANGED and not is_held_by(line, _all_of(line, rota)):
        since = rota.today
    if item.pattern is not None:
        number = -1 - sum(map(len, rota.taken.values()))
        ids.add(number)
        if item.verdict is Verdict.CHANGED:
            since = max(line.from_on, rota.today)
            _end_old(item, line, since, rota)
        rota.taken[staff.id, line.duty].append(
            replace(line, id=number, from_on=since or line.from_on)
        )
    is_taken = item.pattern is not None or item.verdict is Verdict.UNCHANGED
    judged.items.append(item)
    judged.shares.append(Share(email, line, is_taken, frozenset(ids), since))


def _all_of(line: Pattern, rota: Rota) -> list[Pattern]:
    post = line.staff_id, line.duty
    return [*rota.lines[post], *rota.taken[post]]


def _same_times(line: Pattern, others: Iterable[Pattern]) -> list[Pattern]:
    return [other for other in others if times_of(other) == times_of(line)]


def _end_old(item: Item, line: Pattern, since: date, rota: Rota) -> None:
    """Let the line that another takes the place of end in what dates are compared with."""
    lines = rota.lines[line.staff_id, line.duty]
    end_before(next(one for one in lines if one.id == item.replaces_id), since, lines)


def _compared(found: Found, staff: Staff, line: Pattern, rota: Rota) -> Item:
    """What becomes of one line of one person, given the lines there are."""
    words = f"{staff.name}, {weekly_in_words(line)}"
    own = rota.lines[staff.id, line.duty]
    named = _named(found, line, own, rota)
    if _is_there(line, named, own, rota):
        return Item(Verdict.UNCHANGED, found.uid, words)
    others = (one for one in own if one is not named and not _may_go(one, found, rota))
    taken = rota.taken[staff.id, line.duty]
    if is_held_by(line, taken):
        return Item(Verdict.UNCHANGED, found.uid, f"{words}: the file says so twice")
    if clash := first_clash(line, chain(others, taken)):
        words = f"{words}: overlaps {weekly_in_words(clash)}"
        return Item(Verdict.OVERLAP, found.uid, words)
    if named is None:
        return Item(Verdict.ADDED, found.uid, words, line)
    words = f"{words}; it was {weekly_in_words(named)}"
    return Item(Verdict.CHANGED, found.uid, words, line, named.id)


def _named(found: Found, line: Pattern, own: Iterable[Pattern], rota: Rota) -> Pattern | None:
    """The line that the event is about: exported under its name, or read from it before."""
    alone = [one for one in own if one.id not in rota.rotations]
    exported = [one for one in alone if found.uid == series_uid(one, rota.host)]
    read = [one for one in alone if _may_go(one, found, rota)]
    same = [one for one in read if is_same(line, one, since=rota.today)]
    going_on = [one for one in read if first_day(one, rota.today) is not None]
    named = next(iter([*exported, *same, *going_on]), None)
    if named is not None and named.id is not None:
        rota.claimed.add(named.id)
    return named


def _may_go(line: Pattern, found: Found, rota: Rota) -> bool:
    """Whether a line was read from this event before, and nothing in the file is it so far."""
    return line.id not in rota.claimed and rota.imported.get(line.id or 0) == uid_key(found.uid)


def _is_there(line: Pattern, named: Pattern | None, own: Iterable[Pattern], rota: Rota) -> bool:
    """Whether the rota has these shifts; of a line that the file names, those from today on."""
    if named is None:
        return is_held_by(line, own)
    own = list(own)
    if any(is_same(line, one) for one in own):
        return True  # whichever line: what a file calls a line by may be another's by now
    if first_day(line, rota.today) is not None:
        return any(is_same(line, one, since=rota.today) for one in own)
    return first_day(named, rota.today) is None and is_held_by(line, own)
