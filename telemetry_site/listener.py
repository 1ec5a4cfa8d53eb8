"""The small HTTP listener of every role that is no web server: /-/healthy, /-/ready, /metrics."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, multiprocess

from telemetry_site.errors import SiteError

log = structlog.get_logger(__name__)

#: Returns "" when the process can serve, else the reason why not.
Readiness = Callable[[], str]


class Figures(multiprocess.MultiProcessCollector):
    """Those of all processes, but for one that makes its file right now or was killed doing so: an
    empty file would fail all the others."""

    def collect(self) -> Any:
        files = [path for path in Path(self._path).glob("*.db") if path.stat().st_size]
        return self.merge([str(path) for path in files], accumulate=True)  # type: ignore[no-untyped-call]


def exposition() -> tuple[bytes, str]:
    """The metrics of this process, or of all processes of its role, and their content type."""
    registry: Any = prometheus_client.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        Figures(registry)  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = 5
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/-/healthy":
            self._answer(200, b"healthy\n")
        elif self.path == "/-/ready":
            reason = self.server.readiness()
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n".encode())
        elif self.path == "/metrics":
            body, content_type = exposition()
            self._answer(200, body, content_type)
        else:
            self._answer(404, b"here are /-/healthy, /-/ready and /metrics\n")

    do_HEAD = do_GET

    def _answer(self, code: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes every few seconds are no news."""


class Listener(ThreadingHTTPServer):
    """Listens from the constructor on; `address` is where."""

    daemon_threads = True

    def __init__(self, listen: str, readiness: Readiness) -> None:
        """`listen` is host:port; port 0 takes any free one. Raises `SiteError`."""
        host, _, port = listen.rpartition(":")
        self.readiness = readiness
        try:
            super().__init__((host.strip("[]") or "127.0.0.1", int(port)), _Handler)
        except (OSError, ValueError, OverflowError) as error:
            raise SiteError(f"TELEMETRY_HEALTH_LISTEN={listen}: {error}.") from error

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A prober that hangs up is no error of ours."""
        log.debug("probe broke off", peer=str(client_address))
