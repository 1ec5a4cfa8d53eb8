"""A server in front of ours, as operators have it: paths of its own, one port."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

#: What concerns one connection only.
_HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive", "date", "server")


@contextmanager
def front(
    port: int, target: str | Callable[[Message], str], texts: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Passes every request on to a path under `target`, which may depend on its headers; `texts`
    are its own answers by path.

    Yields its address.
    """
    choose = (lambda _: target) if isinstance(target, str) else target
    handler = type("Handler", (_Handler,), {"choose": staticmethod(choose), "texts": texts or {}})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    choose: Callable[[Message], str]
    texts: Mapping[str, str]

    def _pass_on(self) -> None:
        if self.path in self.texts:
            self._send(200, {"Content-Type": "application/json"}, self.texts[self.path].encode())
            return
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.choose(self.headers))
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            body = self.rfile.read(length) if length else None
            headers = {name: value for name, value in self.headers.items()}
            connection.request(self.command, parts.path + self.path, body, headers)
            answer = connection.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_PATCH = _pass_on

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in (*_HOP_BY_HOP, "content-length"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The server behind has a log."""
