"""What a guesser tries before anything else: passwords that were stolen elsewhere and published,
names, and the most frequent words.
"""

from __future__ import annotations

from collections.abc import Iterator


def known_passwords() -> Iterator[str]:
    """Some 94,000 of them, in lower case.

    Source: all lists of zxcvbn. Each entry stands in the one where it is most frequent, so only all
    together hold every frequent password. Read when the first password is set and not before: it
    takes half a second and 16 MB, which most processes never need.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    for words in FREQUENCY_LISTS.values():
        yield from words
