"""Everybody's telephones: what each does by itself when it rings, and what it is told to do."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

PicksUp = Literal["told", "at once", "never", "engaged", "failed"]


#: Among the keys of a phone: it is put down where a key is asked for.
PUT_DOWN = "put-down"


@dataclass
class Phone:
    """One telephone. ``keys`` are pressed one word each time a key is asked for.

    ``talks_seconds`` (of real time) after it is connected it hangs up by itself; None: when told.
    """

    picks_up: PicksUp = "told"
    keys: str = ""
    talks_seconds: float | None = None
    is_told_to_answer: bool = False
    is_told_to_hang_up: bool = False
    pressed: deque[str] = field(default_factory=deque)

    def begin_to_ring(self) -> None:
        """A new call: what it was told during the last one is over."""
        self.is_told_to_answer = self.is_told_to_hang_up = False
        self.pressed = deque(self.keys.split())

    @property
    def is_picked_up(self) -> bool:
        return self.picks_up == "at once" or self.is_told_to_answer


class Phones:
    """All phones by number; every change wakes whoever waits for one."""

    def __init__(self) -> None:
        self._phones: defaultdict[str, Phone] = defaultdict(Phone)
        self._changed = threading.Condition()
        self._is_over = False

    def of(self, number: str) -> Phone:
        """The phone of a number."""
        with self._changed:
            return self._phones[number]

    def set(self, number: str, phone: Phone) -> None:
        """Put another phone in the place of that number's."""
        with self._changed:
            self._phones[number] = phone
            self._changed.notify_all()

    def answer(self, number: str) -> None:
        """Pick up the phone that rings."""
        with self._changed:
            self._phones[number].is_told_to_answer = True
            self._changed.notify_all()

    def press(self, number: str, keys: str) -> None:
        """Press keys: at once if they are asked for, else as soon as they are."""
        with self._changed:
            self._phones[number].pressed.append(keys)
            self._changed.notify_all()

    def hang_up(self, number: str) -> None:
        """Put the phone down."""
        with self._changed:
            self._phones[number].is_told_to_hang_up = True
            self._changed.notify_all()

    def tell(self) -> None:
        """Wake whoever waits: something else has changed."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until something is so, or the time is up; whether it is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over or until(), seconds) and until()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
