"""Run the service on this machine: database, demo rota, web server and scheduler, until Ctrl-C.

What it makes is kept in ``instance/``, so the next run finds the same data and the same sign-ins.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
READY_WITHIN_S = 60
STOP_WITHIN_S = 10
LOOK_EVERY_S = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEMO_PASSWORD = "demo_password"  # nosec B105  # noqa: S105 - the file `seed-demo` leaves it in
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")
PAGES = {
    "Ask for a call": "/",
    "Sign in": "/sign-in",
    "Desk": "/desk",
    "Rota": "/rota",
    "Cover": "/cover",
}


class CannotRun(Exception):  # noqa: N818 - reads as what it is at every raise
    """One sentence on why the service does not run, or no longer does."""


@dataclass(frozen=True)
class Child:
    """A process of the service."""

    name: str
    process: subprocess.Popen[bytes]


def main() -> int:
    """Run until told to stop (0) or until something stops by itself (1)."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        run(dict(os.environ))
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was recorded is kept in the database.")
    return 0


def run(environ: dict[str, str]) -> None:
    """Prepare what is missing, start the processes, and watch them."""
    port = port_number("PORT", environ.get("PORT") or "8000")
    check_port_is_free(port)
    environ |= {"PORT": str(port), "DEMO": environ.get("DEMO") or "1"}
    environ.setdefault("PUBLIC_BASE_URL", f"http://{HOST}:{port}")
    environ.setdefault("LOG_LINES", "plain")  # somebody reads them as they come
    instance = Path(environ.get("INSTANCE_PATH") or ROOT / "instance").resolve()
    make_secrets(instance, environ)
    commands: dict[str, Sequence[str]] = {
        "The web server": (sys.executable, "-m", "gunicorn", "--log-level", "warning"),
        "The scheduler": (*FLASK, "scheduler"),
    }
    if environ.get("TEXTS") == "double":
        commands["The stand-in for Twilio"] = stand_in_for_twilio(environ, port)
    prepare(environ)
    with running(commands, environ) as children:
        wait_until_ready(f"http://{HOST}:{port}/health/ready", children)
        tell(environ, instance)
        watch(children)


def port_number(name: str, value: str) -> int:
    """``value`` as a port; refuses with a sentence."""
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise CannotRun(f"{name} must be a whole number from 1 to 65535.")
    return int(value)


def check_port_is_free(port: int) -> None:
    """Refuse with a sentence when something listens on ``port`` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CannotRun(
                f"Port {port} cannot be used ({error.strerror}); "
                "choose another, as in `make run PORT=8100`."
            ) from error


def make_secrets(instance: Path, environ: Mapping[str, str]) -> None:
    """Make the keys once. Only the owner of ``instance`` can read them."""
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    instance.chmod(0o700)
    if not is_given("SECRET_KEY", environ):
        write_once(instance / "secret_key", secrets.token_urlsafe(48))
    if not is_given("DATA_KEYS", environ):
        data_key = base64.b64encode(secrets.token_bytes(32)).decode()
        write_once(instance / "data_keys", f"k1:{data_key}")


def is_given(name: str, environ: Mapping[str, str]) -> bool:
    """Whether the environment has the setting ``name``, or a file for it."""
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def write_once(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` unless something is there: whole, and for the owner's eyes only."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def stand_in_for_twilio(environ: dict[str, str], web_port: int) -> Sequence[str]:
    """Point the service at a stand-in that sends no text, and return the command that starts it."""
    port = port_number("TEXTS_PORT", environ.get("TEXTS_PORT") or str(web_port + 1))
    check_port_is_free(port)
    sid, token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
    environ["TWILIO_ACCOUNT_SID"], environ["TWILIO_AUTH_TOKEN"] = sid, token
    environ["TWILIO_API_URL"] = f"http://{HOST}:{port}"
    environ.setdefault("TWILIO_FROM", "+447700900999")  # Ofcom keeps this range for drama
    inbound = f"{environ['PUBLIC_BASE_URL']}/twilio/texts/inbound"
    return (
        *(sys.executable, "-m", "tests.twilio_double", "--port", str(port)),
        *("--webhook-url", inbound, "--service-number", environ["TWILIO_FROM"]),
    )


def prepare(environ: Mapping[str, str]) -> None:
    """Bring the database up to date and seed the demo; both leave existing data alone."""
    print("Preparing the database ...", flush=True)
    finish((*FLASK, "db", "upgrade"), environ)
    if environ["DEMO"] == "1":
        finish((*FLASK, "seed-demo"), environ)


def finish(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """What ``command`` printed when it ended; its errors are shown only if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        shown = " ".join(command[1:])
        raise CannotRun(f"{done.stdout}{done.stderr}The command `python {shown}` failed.")
    return done.stdout


@contextmanager
def running(
    commands: Mapping[str, Sequence[str]], environ: Mapping[str, str]
) -> Iterator[Sequence[Child]]:
    """The named processes, each in a session of its own so that Ctrl-C reaches only this one."""
    children: list[Child] = []
    try:
        for name, command in commands.items():
            process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
            children.append(Child(name, process))
        yield children
    finally:
        stop(children)


def wait_until_ready(url: str, children: Sequence[Child]) -> None:
    """Return once ``url`` answers 200."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    while not answers(url):
        check_all_run(children)
        if time.monotonic() > give_up_at:
            raise CannotRun(f"The service was not ready within {READY_WITHIN_S} seconds.")
        time.sleep(LOOK_EVERY_S)


def answers(url: str) -> bool:
    """Whether ``url`` answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # nosec B310  # noqa: S310 - our own address
            return bool(response.status == HTTPStatus.OK)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def watch(children: Sequence[Child]) -> None:
    """Wait until one of ``children`` stops by itself; raises a sentence that names it."""
    while True:
        check_all_run(children)
        time.sleep(LOOK_EVERY_S)


def check_all_run(children: Sequence[Child]) -> None:
    """Refuse with a sentence when one has stopped."""
    for child in children:
        if child.process.poll() is not None:
            raise CannotRun(f"{child.name} stopped by itself, so the rest was stopped too.")


def stop(children: Sequence[Child]) -> None:
    """Ask every process to stop, and end those that have not after ten seconds."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
        else:
            end_group(child, signal.SIGTERM)
    give_up_at = time.monotonic() + STOP_WITHIN_S
    for child in children:
        try:
            child.process.wait(max(0.0, give_up_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            end_group(child, signal.SIGKILL)
            child.process.wait()


def end_group(child: Child, number: signal.Signals) -> None:
    """Send ``number`` to ``child`` and whatever it started: a dead server can leave workers."""
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def tell(environ: Mapping[str, str], instance: Path) -> None:
    """Print the addresses and how to sign in."""
    base = environ["PUBLIC_BASE_URL"]
    print("\nThe callback service is running. Ctrl-C stops it.\n")
    for label, path in PAGES.items():
        print(f"  {label:<16}{base}{path}")
    if "TWILIO_API_URL" in environ:
        print(f"  {'Texts':<16}{environ['TWILIO_API_URL']}/")
        if environ.get("TEXTS") == "double":
            print(f"  {'Text us':<16}{environ['TWILIO_API_URL']}/_double/write")
    else:
        print("\nTexts do not go out. `make run TEXTS=double` shows them at a stand-in for Twilio.")
    if environ["DEMO"] == "1":
        tell_sign_ins(environ, instance)
    sys.stdout.flush()


def tell_sign_ins(environ: Mapping[str, str], instance: Path) -> None:
    """Print the demo accounts, with who is on shift now, and the password they share."""
    people = json.loads(finish((*FLASK, "demo-sign-ins"), environ))
    print("\nSign in as one of these:\n")
    for person in people:
        shift = "on shift now" if person["on_shift"] else ""
        print(f"  {person['role']:<19}{person['email']:<38}{shift}".rstrip())
    password = (instance / DEMO_PASSWORD).read_text(encoding="utf-8").strip()
    print(f"\nTheir password: {password}")
    print(f"Their codes, new every 30 seconds: {environ['PUBLIC_BASE_URL']}/demo")


if __name__ == "__main__":
    sys.exit(main())
