"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "callback_service").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FILE_LINES_MAX = 400
FUNCTION_LINES_P90 = 30

#: What our content security policy would block, so that it would fail only in a browser.
INLINE = re.compile(
    r"""<[a-z][^>]*\s(style|on[a-z]+)\s*=|<style\b|<script(?![^>]*\ssrc=)""", re.IGNORECASE
)

#: Names of whatever turns data into deeds: code, commands, pickled objects, templates of strings.
RUNS_DATA = {
    "SQLAlchemyJobStore", "dill", "eval", "exec", "from_string", "marshal", "os.popen", "os.system",
    "pickle", "render_template_string", "shelve", "subprocess",
}  # fmt: skip


#: Ways out to other machines. Whoever is given callers' data is named in the papers on privacy.
WAYS_OUT = {
    "aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "socket", "twilio",
    "urllib.request", "urllib3", "websocket", "xmlrpc",
}  # fmt: skip
#: What makes Twilio record or write down what is said.
RECORDS = {
    "Record", "Recording", "Siprec", "Stream", "Transcription", "record",
    "recording_status_callback", "recordings", "transcribe", "transcriptions",
}  # fmt: skip
GATEWAYS = {"heartbeat", "signature", "twiml"}  # and all that begin with twilio


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def function_lengths() -> Iterator[int]:
    """Lines of every function of the package, from ``def`` to its last."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_outgrows_its_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


def test_nine_functions_in_ten_fit_on_a_screen() -> None:
    lengths = sorted(function_lengths())
    assert lengths[len(lengths) * 9 // 10] <= FUNCTION_LINES_P90


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_holds_style_or_script(path: Path) -> None:
    found = INLINE.search(path.read_text(encoding="utf-8"))
    assert found is None


@pytest.mark.parametrize(
    "inline",
    ['<p style="x">', "<a href='/' onclick=go()>", "<style>", "<script>", '<script type="module">'],
)
def test_the_search_for_style_and_script_finds_them(inline: str) -> None:
    assert INLINE.search(inline)


@pytest.mark.parametrize(
    "allowed", ['<script defer src="/a.js">', '<p class="one">', "{{ on_shift }} = 3"]
)
def test_the_search_for_style_and_script_leaves_the_rest_alone(allowed: str) -> None:
    assert INLINE.search(allowed) is None


def names_in(code: str) -> set[str]:
    """Every name that ``code`` reads or imports, and ``os.system`` for what is read of ``os``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found |= {node.attr, f"{getattr(node.value, 'id', '')}.{node.attr}"}
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "").split("."), (alias.name for alias in node.names))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(part for alias in node.names for part in alias.name.split("."))
    return found


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_makes_code_commands_objects_or_templates_of_data(path: Path) -> None:
    assert names_in(path.read_text(encoding="utf-8")).isdisjoint(RUNS_DATA)


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from os import system as s", "import os\nos.system('')", "eval('1')",
     "from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore",
     "current_app.jinja_env.from_string('')"],
)  # fmt: skip
def test_the_search_for_such_names_finds_them(code: str) -> None:
    assert names_in(code) & RUNS_DATA


def imports_of(code: str) -> set[str]:
    """The modules that ``code`` imports, and the packages they are in."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found | {one.split(".")[0] for one in found}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_leaves_but_to_twilio_and_the_watch_from_outside(path: Path) -> None:
    is_gateway = path.parent.name == "gateways" and (
        path.stem in GATEWAYS or path.stem.startswith("twilio")
    )
    assert is_gateway or not imports_of(path.read_text(encoding="utf-8")) & WAYS_OUT


@pytest.mark.parametrize(
    "code", ["import requests", "from urllib.request import urlopen", "from http import client",
             "from twilio.rest import Client", "import urllib3.util"],
)  # fmt: skip
def test_the_search_for_ways_out_finds_them(code: str) -> None:
    assert imports_of(code) & WAYS_OUT


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_call_is_ever_recorded(path: Path) -> None:
    """Twilio records where it is asked to: by an argument, a verb or an address of its own."""
    code = path.read_text(encoding="utf-8")
    if path.parent.name == "gateways" or path.stem.startswith("twilio"):
        assert names_in(code).isdisjoint(RECORDS)
        assert arguments_in(code).isdisjoint(RECORDS)


def arguments_in(code: str) -> set[str]:
    """Every argument that is given by its name."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {given.arg for call in calls for given in call.keywords if given.arg}


@pytest.mark.parametrize(
    "code", ["Dial(record='record-from-answer')", "from twilio.twiml.voice_response import Record",
             "client.calls(sid).recordings.create()"],
)  # fmt: skip
def test_the_search_for_recording_finds_it(code: str) -> None:
    assert (names_in(code) | arguments_in(code)) & RECORDS


def test_journeys_are_where_make_test_looks_for_them() -> None:
    marked = re.compile(r"^(pytestmark = .*|@)pytest\.mark\.(journey|alone)\b", re.MULTILINE)
    found = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("test_*.py")
        if marked.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"journey", "faults"}
