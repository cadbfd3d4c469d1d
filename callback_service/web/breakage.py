"""What an edit of the rota breaks, in the words of the pages that ask before saving."""

from __future__ import annotations

from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_preview import Breakage
from callback_service.web.weekly import zone

#: More lines than this say no more to anybody; the rest is counted.
MOST_LINES = 20

#: A title, its lines, and how many more lines there are.
Listed = tuple[str, list[str], int]


def breakage_in_words(breakage: Breakage) -> dict[str, object]:
    """What the macro ``what_breaks`` shows."""
    tz = zone()
    promises = [
        f"{lost.reference}: {span_in_words(lost.ring_from, lost.due_at, tz=tz)}"
        for lost in breakage.lost
    ]
    windows = [
        f"{span_in_words(sold.window.start, sold.window.end, tz=tz)}: "
        f"{sold.promised} promised, room for {sold.places}"
        for sold in breakage.oversold
    ]
    found = [
        listed("Gaps that open", breakage.gaps),
        listed("Promises that could not be kept", promises),
        listed("Windows promised more often than there is room", windows),
        listed("On duty when they cannot work", breakage.conflicts),
        listed("Gaps that close or get smaller", breakage.closed, most=5),
    ]
    return {"breakage": breakage, "costs": [one for one in found if one[1]]}


def listed(title: str, lines: list[str], *, most: int = MOST_LINES) -> Listed:
    """Lines under a title, cut to ``most``."""
    return title, lines[:most], max(0, len(lines) - most)
