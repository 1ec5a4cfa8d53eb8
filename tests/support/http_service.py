"""An HTTP service in the test's own process, which answers what the test lays down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]


class HttpService(ThreadingHTTPServer):
    """`answers` is {path with query: answer}: JSON, text, or a function of the request that writes
    it. What is not there is 404.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self) -> list[str]:
        return [one.path for one in self.seen]


class _Handler(BaseHTTPRequestHandler):
    server: HttpService

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers)))
        found = self.server.answers.get(self.path)
        if callable(found):
            found(self)
        elif found is None:
            answer(self, 404, {"error": "not found"})
        else:
            answer(self, 200, found)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


def answer(request: BaseHTTPRequestHandler, status: int, body: Any = "", **headers: str) -> None:
    """JSON, or a text as it is; names of headers with _ for -."""
    text = body if isinstance(body, str) else json.dumps(body)
    request.send_response(status)
    request.send_header("Content-Type", "text/plain" if text is body else "application/json")
    request.send_header("Content-Length", str(len(text.encode())))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(text.encode())


def answering(status: int, body: Any = "", **headers: str) -> Callable[[Any], None]:
    return lambda request: answer(request, status, body, **headers)


@contextmanager
def http_service() -> Iterator[HttpService]:
    service = HttpService()
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        thread.join()
        service.server_close()
