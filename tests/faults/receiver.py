"""A receiver of notifications for fault tests: a process of its own that keeps a book.

    python -m tests.faults.receiver PORT BOOK

It listens on 127.0.0.1, 127.0.0.2 … so that each alarm can have a receiver of its own.
Answers by the path: ``/ok/…`` 200; ``/fail/N/…`` 500 to the first N attempts at each key, then
200; ``/status/S/…`` S always; ``/hang/…`` nothing, ever. Each request that was answered is one
JSON line of the book, fsynced before the answer goes out.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ADDRESSES = 12


class Receipt(NamedTuple):
    """One request that was answered."""

    at: float
    path: str
    key: str
    attempt: int
    alarm_id: str
    previous: str
    current: str
    status: int


class Book:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> int:
        """Enter a request and say which status it gets."""
        key = headers["Idempotency-Key"]
        with self._lock:
            self._tries[key] += 1
            status = self._status(path.split("/")[1:], self._tries[key])
            receipt = Receipt(
                time.time(), path, key, int(headers["X-Telemetry-Attempt"]), body["alarm_id"],
                body["previous"], body["current"], status,
            )  # fmt: skip
            os.write(self._file, (json.dumps(receipt) + "\n").encode())
            os.fsync(self._file)
        return status

    def _status(self, steps: list[str], tries: int) -> int:
        if steps[0] == "fail":
            return 500 if tries <= int(steps[1]) else 200
        return int(steps[1]) if steps[0] == "status" else 200


def handler(book: Book) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.startswith("/hang"):
                time.sleep(3600)
            self.send_response(book.answer(self.path, self.headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The book is the log."""

    return Handler


def read(path: Path) -> list[Receipt]:
    """All whole lines of a book."""
    if not path.exists():
        return []
    *lines, _cut_off = path.read_text().split("\n")
    return [Receipt(*json.loads(line)) for line in lines]


def address(number: int) -> str:
    return f"127.0.0.{number + 1}"


def listen(port: int, path: Path) -> None:
    book = Book(path)
    for number in range(ADDRESSES):
        server = ThreadingHTTPServer((address(number), port), handler(book))
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    listen(int(sys.argv[1]), Path(sys.argv[2]))
