"""The rest that a swap would take from the people in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from sqlalchemy.orm import Session

from callback_service.domain.rest import (
    LOOK_ON,
    Breach,
    Rule,
    Work,
    breach_in_words,
    rest_breaches,
)
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Override
from callback_service.domain.wall_time import ONE_DAY
from callback_service.models.staff import Staff
from callback_service.services.rota import shifts_between

#: Of the rules of rest, those that one shift more or less can break.
_RULES = frozenset({Rule.DAILY_REST, Rule.WEEKLY_REST})


def broken_rest(session: Session, parts: Sequence[Override], *, tz: tzinfo) -> list[str]:
    """The rest in a day and in a week that a swap takes from either of the two, with names.

    All its changes count together: who gives a shift away rests then.
    """
    found = []
    for staff_id in sorted({part.by_id for part in parts if part.by_id is not None}):
        name = session.get_one(Staff, staff_id).name
        before = _breaches(session, staff_id, parts, [], tz=tz)
        after = _breaches(session, staff_id, parts, parts, tz=tz)
        found += [f"{name}: {breach_in_words(one, tz=tz)}" for one in after if one not in before]
    return found


def _breaches(
    session: Session,
    staff_id: int,
    around: Sequence[Override],
    proposed: Sequence[Override],
    *,
    tz: tzinfo,
) -> list[Breach]:
    """Broken rest of one person about the time of some changes, as if ``proposed`` were made."""
    broken: list[Breach] = []
    for change in around:
        start, end = change.start - ONE_DAY, change.end + ONE_DAY
        held: list[Work] = list(
            shifts_between(
                session, start - LOOK_ON, end + LOOK_ON, tz=tz, duty=Duty.COUNSELLING,
                proposed=proposed, only={staff_id},
            )
        )  # fmt: skip
        found = rest_breaches(held, start, end, staff_id=staff_id, tz=tz, has_opted_out=True)
        broken += [one for one in found if one.rule in _RULES and one not in broken]
    return broken
