"""How gunicorn serves the service. Gunicorn reads this file from the directory it starts in."""

import os
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it ships none

from callback_service import logs


class ServerLog(Logger):  # type: ignore[misc]  # of a type that mypy does not know
    """Gunicorn's own log, from its first line on by the rules of ours."""

    def setup(self, cfg: Any) -> None:
        """Write as ``logs`` does."""
        super().setup(cfg)
        logs.guard_server_log()


wsgi_app = "wsgi:app"
bind = f"127.0.0.1:{os.environ.get('PORT') or '8000'}"  # a proxy with TLS stands in front

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or "1")
threads = 8
preload_app = False  # a worker opens its own database connections
if os.path.isdir("/dev/shm"):  # nosec B108  # noqa: S108 - gunicorn makes a file of its own there
    worker_tmp_dir = "/dev/shm"  # nosec B108  # noqa: S108 - heartbeats never wait for a disk

timeout = 30
graceful_timeout = 10
keepalive = 5

logger_class = ServerLog
accesslog = None  # addresses can hold one-time links
forwarded_allow_ips = ""  # whose word counts is TRUSTED_HOPS; else a header SCRIPT_NAME would, too
control_socket_disable = True  # nothing uses it
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190


def post_worker_init(worker: Any) -> None:
    """Show the form to nobody once, so that the first caller does not wait for its templates."""
    worker.wsgi.test_client().get("/")
