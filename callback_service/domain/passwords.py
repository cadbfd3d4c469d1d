"""Which passwords staff may choose: long, not easy, and not made of their own particulars.

Length does most of the work, as NIST SP 800-63B and OWASP ASVS 5.0 (6.2) advise: no rules on kinds
of characters, no forced change. On top, whatever a guesser tries first is crossed out (common words
and phrases, also spelt with digits, runs of the alphabet or keyboard, years, repetitions), and
enough must be left. One word of a list of stolen passwords and frequent words is refused, and two
in a row, also spelt with digits, or with digits and signs around them.

What this does not do: it measures no entropy. A long password that somebody used elsewhere and lost
there, and that few others have, passes.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

from callback_service.domain.known_passwords import known_passwords

MIN_CHARS = 15
MAX_CHARS = 128
#: Characters that must be left when everything easy is crossed out.
MIN_LEFT = 8
MIN_DISTINCT = 6
#: Shorter stretches of a keyboard row or a name turn up in honest words.
MIN_RUN = 4
MIN_OWN_WORD = 4

TOO_SHORT = f"Use at least {MIN_CHARS} characters. Four unrelated words work well."
TOO_LONG = f"Use at most {MAX_CHARS} characters."
OWN_WORDS = "Leave out your name, your e-mail address and the name of this service."
TOO_EASY = "This is easy to guess. Try four unrelated words instead."
KNOWN = "This is one or two words that guessers try first. Try four unrelated words instead."

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "!qaz@wsx",
    "qazwsxedcrfvtgbyhnujm",
    "qweasdzxc",
)
_RUNS = tuple(row[::step] for row in _ROWS for step in (1, -1))

_COMMON = frozenset(
    """
    password passwort passphrase passcode letmein welcome iloveyou admin administrator manager
    counsellor counselor helpline callback support volunteer charity secret login signin default
    changeme temporary temp1234 access master superuser user guest test trustno football
    baseball liverpool arsenal chelsea everton manchester united rangers celtic england scotland
    wales ireland london britain monkey dragon princess sunshine shadow superman batman starwars
    pokemon charlie michael jordan thomas jessica hello freedom whatever computer internet
    google facebook microsoft windows summer autumn winter spring january february march april
    june july august september october november december monday tuesday wednesday thursday
    friday saturday sunday christmas birthday please thankyou goodmorning
    """.split()  # noqa: SIM905 - a list of words is read and sorted more easily like this
)

_PHRASES = frozenset(
    """
    correcthorsebatterystaple thequickbrownfoxjumpsoverthelazydog thequickbrownfox
    tobeornottobethatisthequestion tobeornottobe maytheforcebewithyou twinkletwinklelittlestar
    youllneverwalkalone godsavetheking godsavethequeen onceuponatime
    supercalifragilisticexpialidocious happybirthdaytoyou iloveyousomuch keepcalmandcarryon
    maryhadalittlelamb humptydumptysatonawall ringaringoroses rowrowrowyourboat bohemianrhapsody
    allyouneedislove livelaughlove thisismypassword mypasswordis idontknowmypassword
    iforgotmypassword passwordsarestupid opensesame winteriscoming ihatepasswords
    allworkandnoplay beammeupscotty neverwalkalone nevergonnagiveyouup
    """.split()  # noqa: SIM905 - a list of words is read and sorted more easily like this
)
_EASY_WORDS = _COMMON | _PHRASES

_SPELT_WITH_DIGITS = (
    str.maketrans("0134578@$!", "oieastbasi"),
    str.maketrans("0134578@$!", "oleastbasi"),
)
_AROUND = string.digits + string.punctuation
_SEPARATORS = re.compile(r"[\s\-_.,;:'/]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_REPEATED_CHARACTER = re.compile(r"(.)\1{2,}")


def normalised(password: str) -> str:
    """``password`` as it is hashed: in NFKC, as devices differ in how they write a character."""
    return unicodedata.normalize("NFKC", password)


def fault_of(password: str, *, about: Iterable[str]) -> str | None:
    """The sentence that says why ``password`` cannot be used, or None when it can.

    ``about`` holds what a guesser knows of this person: name, e-mail address, the service's name.
    Length is counted in characters (code points after NFKC).
    """
    text = normalised(password)
    if len(text) < MIN_CHARS:
        return TOO_SHORT
    if len(text) > MAX_CHARS:
        return TOO_LONG
    folded = _folded(text)
    if any(word in spelling for spelling in _spellings(folded) for word in _own_words(about)):
        return OWN_WORDS
    if len(set(folded)) < MIN_DISTINCT or _hard_characters(folded) < MIN_LEFT:
        return TOO_EASY
    return KNOWN if any(_is_known(core) for core in _cores(folded)) else None


def _folded(text: str) -> str:
    """Lower case, without accents and separators."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c)
    )
    return _SEPARATORS.sub("", plain)


def _spellings(folded: str) -> tuple[str, ...]:
    return (folded, *(folded.translate(table) for table in _SPELT_WITH_DIGITS))


def _cores(folded: str) -> Iterator[str]:
    """``folded`` without digits and signs around it, and without repetitions, in each spelling."""
    for text in (folded, folded.strip(_AROUND)):
        for spelling in _spellings(text):
            yield spelling
            if period := _period(spelling):
                yield spelling[:period]


def _is_known(core: str) -> bool:
    """Whether ``core`` is a known password or word, or two of them in a row."""
    known = _known()
    return core in known or any(
        core[:cut] in known and core[cut:] in known for cut in range(1, len(core))
    )


@cache
def _known() -> frozenset[str]:
    return frozenset(_folded(word) for word in known_passwords())


def _own_words(about: Iterable[str]) -> frozenset[str]:
    words = (word for text in about for word in re.split(r"[\W\d_]+", text.lower()))
    return frozenset(folded for word in words if len(folded := _folded(word)) >= MIN_OWN_WORD)


def _hard_characters(folded: str) -> int:
    """How many characters are left when every easy stretch is crossed out."""
    easy: set[int] = set()
    for start, end in _easy_stretches(folded):
        easy.update(range(start, end))
    return len(folded) - len(easy)


def _easy_stretches(folded: str) -> Iterator[tuple[int, int]]:
    """Half-open spans ``[start, end)`` of ``folded`` that a guesser tries early."""
    for spelling in _spellings(folded):
        for word in _EASY_WORDS:
            yield from (match.span() for match in re.finditer(re.escape(word), spelling))
    yield from (match.span() for match in _YEAR.finditer(folded))
    yield from ((match.start() + 1, match.end()) for match in _REPEATED_CHARACTER.finditer(folded))
    yield from _runs(folded)
    if period := _period(folded):
        yield period, len(folded)


def _runs(folded: str) -> Iterator[tuple[int, int]]:
    """Stretches that follow the alphabet, the digits or the keyboard, either way."""
    for start in range(len(folded) - MIN_RUN + 1):
        end = start + MIN_RUN
        while end <= len(folded) and any(folded[start:end] in run for run in _RUNS):
            end += 1
        if end > start + MIN_RUN:
            yield start, end - 1


def _period(folded: str) -> int | None:
    """The length of the unit that makes up all of ``folded``, twice at least, if one does."""
    for unit in range(1, len(folded) // 2 + 1):
        if all(folded[i] == folded[i - unit] for i in range(unit, len(folded))):
            return unit
    return None
