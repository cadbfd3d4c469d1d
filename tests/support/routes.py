"""Rules of addresses compiled once a process, not once an app.

Werkzeug turns every rule into two small functions by way of Python's compiler, which is most of the
time that ``create_app`` takes. The functions know nothing of the app or the map they were made for:
they get the rule that they build an address of as their first argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


def compile_once() -> None:
    """Make every app of this process share the compiled rules; asked again, do nothing."""
    if not hasattr(Rule._compile_builder, "__wrapped__"):
        Rule._compile_builder = _remembered(Rule._compile_builder)  # type: ignore[method-assign]


def _remembered(compile_builder: Callable[..., Builder]) -> Callable[..., Builder]:
    kept: dict[tuple[Any, ...], Builder] = {}

    @wraps(compile_builder)
    def compile_or_take(rule: Rule, append_unknown: bool = True) -> Builder:
        if rule.defaults:  # put into the code by the rule's own converters
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    return compile_or_take
