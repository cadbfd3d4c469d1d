"""The use cases that ask the table of who may do what, found by looking at the services."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

from callback_service import services
from callback_service.domain.policy import Action
from tests.support.settings import ROOT

WHO = ("staff", "actor_id", "staff_id")


def guarded() -> Iterator[tuple[Callable[..., Any], Action]]:
    """Every guarded use case with what it allows."""
    for module in pkgutil.iter_modules(services.__path__):
        loaded = importlib.import_module(f"callback_service.services.{module.name}")
        for found in vars(loaded).values():
            if hasattr(found, "allows") and found.__module__ == loaded.__name__:
                yield found, found.allows


def called_by_views() -> set[str]:
    """``room.use_case`` of services that some view calls and that are told who does it."""
    return {
        f"{room}.{name}"
        for path in sorted((ROOT / "callback_service/web").glob("*.py"))
        for room, name in _calls(ast.parse(path.read_text(encoding="utf-8")))
        if _is_told_who(room, name)
    }


def _calls(view: ast.Module) -> Iterator[tuple[str, str]]:
    """Room and name of each service that a module calls."""
    rooms, functions = _imported(view)
    for node in ast.walk(view):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id in functions:
            yield functions[called.id]
        if isinstance(called, ast.Attribute):
            room = called.value.id if isinstance(called.value, ast.Name) else ""
            if room in rooms:
                yield rooms[room], called.attr


def _imported(view: ast.Module) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The rooms and the single functions of services, by the names they have in a module."""
    rooms: dict[str, str] = {}
    functions: dict[str, tuple[str, str]] = {}
    for node in ast.walk(view):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        for alias in node.names:
            if node.module == "callback_service.services":
                rooms[alias.asname or alias.name] = alias.name
            elif node.module.startswith("callback_service.services."):
                room = node.module.rpartition(".")[2]
                functions[alias.asname or alias.name] = (room, alias.name)
    return rooms, functions


def _is_told_who(room: str, name: str) -> bool:
    source = (ROOT / f"callback_service/services/{room}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            return not arguments.isdisjoint(WHO)
    return False
