"""HTTP for the double: reads a request whole, has it answered, writes the answer in one piece."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from requests.structures import CaseInsensitiveDict

from tests.twilio_double.api import Reply, Request

POLL_SECONDS = 0.02


class Server(ThreadingHTTPServer):
    """Serves on a thread of its own; a connection a thread, kept open as clients like it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), daemon=True
        )
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """The server's own address."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections and close those that are open."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection and forget it."""
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)


@contextlib.contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[str]:
    """Serve ``answer`` on a free port of loopback; gives the address."""
    server = Server(("127.0.0.1", 0), answer)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the double keeps every request."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            body=body.decode(errors="replace"),
            headers=CaseInsensitiveDict(self.headers.items()),
        )
        reply = self.server.answer(request)
        if reply.is_cut:
            self._reset()
        else:
            self._write(reply)

    def _write(self, reply: Reply) -> None:
        fields = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.content)),
            **reply.headers,
        }
        first = f"HTTP/1.1 {int(reply.status)} {HTTPStatus(reply.status).phrase}\r\n"
        head = first + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
        with contextlib.suppress(ConnectionError):  # the client has given up waiting
            self.wfile.write(head.encode() + reply.content)

    def _reset(self) -> None:
        """Drop the connection with RST, as a broken network does; a plain close would send FIN."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())
        self.close_connection = True
