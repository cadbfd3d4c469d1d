"""What the double can be told to do wrong, for the next few calls or by chance."""

import random
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Scope = Literal["send", "find", "receipt", "call", "look", "report", "delete"]
#: What can be told to go wrong: sending and finding texts; making calls and asking about them. The
#: misdeeds of receipts are those of the reports of calls as well, told "on" call.
On = Literal["send", "find", "any", "call", "look", "delete"]


class Misdeed(StrEnum):
    """One way to go wrong. ``*_STORED`` and ``REPLY_LOST`` keep the text all the same."""

    ERROR_500 = "500"
    ERROR_503 = "503"
    ERROR_500_STORED = "500_stored"
    TOO_MANY_REQUESTS = "429"
    SLOW = "slow"  # waits, then takes the text: it may appear after the client has given up
    SLOW_REPLY = "slow_reply"  # takes the text, then waits before saying so
    RESET = "reset"
    REPLY_LOST = "reply_lost"
    GARBAGE = "garbage"  # takes the text and answers 201 with something that is no JSON
    RECEIPT_DUPLICATED = "receipt_duplicated"
    RECEIPT_REORDERED = "receipt_reordered"
    RECEIPT_DROPPED = "receipt_dropped"
    RECEIPT_DELAYED = "receipt_delayed"


@dataclass
class Rule:
    """One misdeed with how often it happens; ``seconds`` is its wait or its Retry-After."""

    misdeed: Misdeed
    scopes: frozenset[Scope]
    times_left: int | None
    probability: float
    seconds: float
    chance: random.Random = field(repr=False)

    def strikes(self) -> bool:
        """Decide for one call, and count it."""
        if self.times_left == 0 or self.chance.random() >= self.probability:
            return False
        if self.times_left is not None:
            self.times_left -= 1
        return True


class Rulebook:
    """The misdeeds in force; of those that fit a call, the first that strikes counts."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self,
        misdeed: Misdeed,
        *,
        times: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        seconds: float = 1.0,
        on: On = "send",
    ) -> None:
        """Misbehave for the next ``times`` calls (once if nothing else is said) or by chance."""
        is_receipt = misdeed.startswith("receipt")
        scopes: frozenset[Scope] = frozenset(
            ["report" if on == "call" else "receipt"]
            if is_receipt
            else ["send", "find"]
            if on == "any"
            else [on]
        )
        if times is None and probability is None:
            times = 1
        chance = random.Random(seed)  # noqa: S311 (a repeatable test, not a secret)
        rate = 1.0 if probability is None else probability
        with self._lock:
            self._rules.append(Rule(misdeed, scopes, times, rate, seconds, chance))

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._rules.clear()

    def take(self, scope: Scope) -> Rule | None:
        """Return the rule that strikes this call, if any."""
        with self._lock:
            return next((r for r in self._rules if scope in r.scopes and r.strikes()), None)
