"""Prism on loopback, serving Twilio's own description of its API."""

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
DOCUMENTS = MODULES / "@twilio/cli-core/src/services/twilio-api"
#: The lists that the service asks for.
LISTS = [f"/2010-04-01/Accounts/{{AccountSid}}/{kind}.json" for kind in ("Messages", "Calls")]
NUMBER = "/v2/PhoneNumbers/{PhoneNumber}"
INSTALL_SECONDS = 300
START_SECONDS = 90


@pytest.fixture(scope="session")
def twilio_document(twilio_documents: Path) -> dict[str, Any]:
    """Return Twilio's OpenAPI document of texts and calls."""
    document: dict[str, Any] = json.loads((twilio_documents / "twilio_api_v2010.json").read_text())
    return document


@pytest.fixture(scope="session")
def lookup_document(twilio_documents: Path) -> dict[str, Any]:
    """Return Twilio's OpenAPI document of look-ups."""
    found = (twilio_documents / "twilio_lookups_v2.json").read_text()
    document: dict[str, Any] = json.loads(found)
    return document


@pytest.fixture(scope="session")
def twilio_documents() -> Path:
    """Return the folder of Twilio's documents, fetched with npm where it is missing."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed to serve Twilio's API description; neither is faked")
    if _is_stale():
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            check=True,
            timeout=INSTALL_SECONDS,
        )
    return DOCUMENTS


@pytest.fixture(scope="session")
def prism(
    twilio_document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Serve the document on loopback, refusing whatever breaks it; the value is the address."""
    with _served(_mended(twilio_document), tmp_path_factory.mktemp("prism")) as url:
        yield url


@pytest.fixture(scope="session")
def lookup_prism(
    lookup_document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Serve the document of look-ups on loopback; the value is the address."""
    with _served(_with_one_line(lookup_document), tmp_path_factory.mktemp("lookups")) as url:
        yield url


@contextmanager
def _served(document: dict[str, Any], folder: Path) -> Iterator[str]:
    served = folder / "document.json"
    served.write_text(json.dumps(document))
    port = _free_port()
    command = [
        str(MODULES / ".bin" / "prism"),
        "mock",
        "--errors",
        *("-h", "127.0.0.1"),
        *("-p", str(port)),
        str(served),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            _wait_until_it_listens(process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def _is_stale() -> bool:
    """Tell whether what is installed is not what the lock file asks for."""
    installed = MODULES / ".package-lock.json"
    lock = HERE / "package-lock.json"
    return not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one fault of its own mended, and one word said that Prism needs.

    A field that repeats is an array by OpenAPI's own default; Prism reads it so only where it is
    told. Twilio answers a list with addresses relative to its host, in the document's example too,
    while the schema calls them absolute: Prism would refuse the document's own example.
    """
    document = json.loads(json.dumps(document))
    paths = document["paths"]
    asked = paths[LISTS[1]]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    asked.setdefault("encoding", {})["StatusCallbackEvent"] = {"style": "form", "explode": True}
    for path in LISTS:
        answer = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        for field in answer["schema"]["properties"].values():
            if field.get("format") == "uri":
                field["format"] = "uri-reference"
    return document


def _with_one_line(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one example only, that of a line, and without its nulls.

    Of what was not asked for Twilio says null, in the document's examples too, while the schema
    calls each an object: Prism would refuse them all.
    """
    document = json.loads(json.dumps(document))
    answer = document["paths"][NUMBER]["get"]["responses"]["200"]["content"]["application/json"]
    example = answer["examples"]["fetchLineTypeIntelligence"]["value"]
    answer["examples"] = {"fetchLineTypeIntelligence": {"value": _without_nulls(example)}}
    return document


def _without_nulls(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in content.items()
        if value is not None
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Read Prism's log up to the line that says so, then let a thread read on."""
    log: IO[str] | None = process.stdout
    assert log is not None
    limit = threading.Timer(START_SECONDS, process.kill)
    limit.start()
    said = []
    for line in log:
        said.append(line)
        if "Prism is listening" in line:
            break
    else:
        pytest.fail("Prism did not start: " + "".join(said[-20:]))
    limit.cancel()
    threading.Thread(target=log.read, daemon=True).start()
