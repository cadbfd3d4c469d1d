"""Run the double as a process, for the demo and for tests with several processes."""

import argparse
import os
import signal
import sys
import threading

from tests.twilio_double.double import TwilioDouble


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.twilio_double", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--account-sid", default=os.environ.get("TWILIO_ACCOUNT_SID"))
    parser.add_argument("--auth-token", default=os.environ.get("TWILIO_AUTH_TOKEN"))
    parser.add_argument("--webhook-url", help="where texts to the service are posted")
    parser.add_argument("--service-number", help="whom its page to write texts addresses at first")
    parser.add_argument("--number", action="append", help="a sender of the account; default any")
    parser.add_argument("--step-seconds", type=float, default=0.5)
    parser.add_argument("--manual", action="store_true", help="move on only by /_double/advance")
    arguments = parser.parse_args()
    if not arguments.account_sid or not arguments.auth_token:
        parser.error("--account-sid and --auth-token are needed (or their environment variables)")
    return arguments


def main() -> None:
    """Serve until the process is told to end."""
    given = _arguments()
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    with TwilioDouble(
        given.account_sid,
        given.auth_token,
        given.port,
        host=given.host,
        manual=given.manual,
        step_seconds=given.step_seconds,
        numbers=given.number,
        webhook_url=given.webhook_url,
        service_number=given.service_number,
    ) as double:
        sys.stdout.write(f"Texts can be read at {double.url}\n")
        sys.stdout.flush()
        told_to_end.wait()


if __name__ == "__main__":
    main()
