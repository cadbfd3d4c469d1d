"""Tasks that change hands, so that at one instant as many are served as can be served together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callback_service.domain.plan_run import Run


class Hands:
    """The tasks placed at one instant, which may still change hands."""

    __slots__ = ("_by_class", "_known", "_run", "at", "first")

    def __init__(self, run: Run, at: int) -> None:
        self._run, self.at = run, at
        self.first = self._known = len(run.places)
        self._by_class: dict[int, dict[int, list[int]]] = {}

    def free_by_changes(self, kind: int) -> int | None:
        """Somebody able, freed by tasks of this instant that change hands; None if that cannot be.

        The shortest chain: a task goes to somebody idle, whose place the next one takes, and so on.
        """
        self._note()
        able = self._run.facts.able
        came_by: dict[int, tuple[int, int] | None] = dict.fromkeys(able[kind])
        queue = list(came_by)
        for class_of in queue:
            for held in [
                held for held, places in self._by_class.get(class_of, {}).items() if places
            ]:
                for other in able[held]:
                    if other in came_by:
                        continue
                    came_by[other] = class_of, held
                    if (person := self._run.take_idle(other, self.at)) is not None:
                        return self._change(other, person, came_by)
                    queue.append(other)
        return None

    def _note(self) -> None:
        """Put those placed since last time where they are found by class and kind."""
        tasks, classes = self._run.facts.tasks, self._run.facts.people.classes
        for index in range(self._known, len(self._run.places)):
            class_of = classes[self._run.persons[index]]
            kind = tasks.kinds[self._run.places[index]]
            self._by_class.setdefault(class_of, {}).setdefault(kind, []).append(index)
        self._known = len(self._run.places)

    def _change(
        self, class_of: int, person: int, came_by: dict[int, tuple[int, int] | None]
    ) -> int:
        """Move each task of a chain to the person who is free for it; who is free at its end."""
        persons = self._run.persons
        while (step := came_by[class_of]) is not None:
            before, kind = step
            index = self._by_class[before][kind].pop()
            self._by_class.setdefault(class_of, {}).setdefault(kind, []).append(index)
            persons[index], person = person, persons[index]
            class_of = before
        return person
