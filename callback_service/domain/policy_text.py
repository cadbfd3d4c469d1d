"""The table of who may do what, as people read it: Markdown for ``docs/roles.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from callback_service.domain.looks import LOOK_LASTS, MORE_LOOKS
from callback_service.domain.policy import (
    FIELDS,
    RULES,
    Condition,
    Conditions,
    Rule,
    Sight,
    Sights,
)
from callback_service.domain.staff import Role

ROLES: Final[Mapping[Role, str]] = {
    Role.COUNSELLOR: "Counsellor",
    Role.MANAGER: "Manager",
    Role.SAFEGUARDING_LEAD: "Safeguarding lead",
    Role.ADMINISTRATOR: "Administrator",
}
_NO: Final = "no"
_MINUTES: Final = int(LOOK_LASTS.total_seconds()) // 60
_INTRODUCTION: Final = f"""\
# Who may do what, and who sees what

Printed by `flask --app wsgi policy` from `callback_service/domain/policy.py`; a test fails when
the two differ. What is not granted here is denied: at the gate, in pages and in services.

- **Duty lead** is no role of its own: it is the manager who is on duty as such now. Beyond what a
  manager may, the duty lead may go on past the day's budget of looks at requests that were
  escalated; such looks are marked.
- **A reason** opens one record for {_MINUTES} minutes. It is one audit row and one line on the
  managers' page *Looks*. `LOOKS_A_DAY` says how many a day; a colleague may allow {MORE_LOOKS} more
  at a time.
- **Who knows a caller** and said so at the desk finds nothing of that caller, whatever their role;
  a manager keeps the line in the queue, which says nothing of the person.
- **Callers** open their own pages by their link, and programs the API by a token of somebody's: a
  token may do what its owner's role may.

| Word | Meaning |
| --- | --- |
| own call | they hold the request, and it is open |
| in hand | somebody holds the request |
| on offer to them | the request was put to them, and the offer has not lapsed |
| own | their own account, time or shifts |
| urgent | somebody marked the request urgent |
| with a reason | they gave a reason in the last {_MINUTES} minutes, within the day's budget |
| for a colleague | never for themselves |
| second step | they gave a code or passkey in the last ten minutes |
| masked | of the number its last three digits; of the rest, that there is something |
"""


def as_markdown() -> str:
    """Both tables with what has to be known to read them."""
    return "\n".join([_INTRODUCTION, *_actions(), "", *_fields()]) + "\n"


def _actions() -> Iterator[str]:
    yield "## Actions\n"
    yield from _head("Action")
    for rule in RULES.values():
        yield _line([rule.words, *(_may(rule, role) for role in ROLES)])


def _fields() -> Iterator[str]:
    yield "## What is known of a caller\n"
    yield from _head("Field")
    for rule in FIELDS.values():
        yield _line([rule.words, *(_sees(rule.seen.get(role, ())) for role in ROLES)])


def _head(first: str) -> Iterator[str]:
    yield _line([first, *ROLES.values()])
    yield _line(["---"] * (1 + len(ROLES)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _may(rule: Rule, role: Role) -> str:
    needed = rule.may.get(role)
    if needed is None:
        return _NO
    return _in_words(needed) if needed else "yes"


def _sees(sights: Sights) -> str:
    return (
        "; ".join(
            f"{how_much}: {' / '.join(said)}" if said != [""] else how_much.value
            for how_much in (Sight.WHOLE, Sight.MASKED)
            if (said := [_in_words(needed) for needed, seen in sights if seen is how_much])
        )
        or _NO
    )


def _in_words(needed: Conditions) -> str:
    return ", ".join(one.value for one in Condition if one in needed)
