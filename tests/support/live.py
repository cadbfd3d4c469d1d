"""The app on a real port of this machine, for tests that speak HTTP to it from outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flask import Flask
from werkzeug.serving import make_server

from callback_service import create_app
from callback_service.config import Settings


@dataclass(frozen=True)
class LiveServer:
    """A served app and its address, without a slash at the end."""

    app: Flask
    url: str


@contextmanager
def serving(settings: Settings) -> Iterator[LiveServer]:
    """Serve an app on a free port; its public address is the one it is served on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        app = create_app(replace(settings, port=port, public_base_url=url))
        server = make_server("127.0.0.1", port, app, threaded=True, fd=listener.fileno())
        thread = threading.Thread(target=server.serve_forever, name="live server")
        thread.start()
        try:
            yield LiveServer(app, url)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
