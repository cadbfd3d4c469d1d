"""Rules of addresses compiled once a process, not once an app.

Werkzeug reads every rule with a regular expression and turns it into two small functions by way of
Python's compiler, which is most of the time that ``create_app`` takes. What comes of it depends on
the words of the rule and on the converters that they name; the functions get the rule that they
build an address of as their first argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


@dataclass(frozen=True)
class Compiled:
    """What a rule is once it was compiled."""

    parts: list[Any]
    trace: list[tuple[bool, str]]
    converters: dict[str, Any]
    arguments: frozenset[str]
    build: Builder
    build_unknown: Builder

    @classmethod
    def of(cls, rule: Rule) -> Compiled:
        """What the compiled ``rule`` has, without the rule."""
        return cls(
            rule._parts,
            rule._trace,
            rule._converters,
            frozenset(rule.arguments),
            rule._build.__func__,  # type: ignore[attr-defined]  # bound by hand to the rule
            rule._build_unknown.__func__,  # type: ignore[attr-defined]
        )

    def give_to(self, rule: Rule) -> None:
        """Leave ``rule`` as compiling it would."""
        rule._parts, rule._trace, rule._converters = self.parts, self.trace, self.converters
        rule.arguments |= self.arguments
        rule._build = self.build.__get__(rule, None)
        rule._build_unknown = self.build_unknown.__get__(rule, None)


def compile_once() -> None:
    """Make every app of this process share the compiled rules; asked again, do nothing."""
    if not hasattr(Rule.compile, "__wrapped__"):
        Rule.compile = _remembered(Rule.compile)  # type: ignore[method-assign, assignment]


def _remembered(compile_rule: Callable[[Rule], None]) -> Callable[[Rule], None]:
    kept: dict[tuple[Any, ...], Compiled] = {}

    @wraps(compile_rule)
    def compile_or_take(rule: Rule) -> None:
        if rule.defaults:  # put into the code by the rule's own converters
            compile_rule(rule)
            return
        key = _key(rule)
        if key in kept:
            kept[key].give_to(rule)
        else:
            compile_rule(rule)
            kept[key] = Compiled.of(rule)

    return compile_or_take


def _key(rule: Rule) -> tuple[Any, ...]:
    """All that compiling looks at."""
    kinds = rule.map.converters
    named = tuple(kinds.items()) if "<" in rule.rule else ()
    return rule.rule, rule.host, rule.subdomain, rule.merge_slashes, rule.map.host_matching, named
