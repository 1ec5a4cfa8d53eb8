"""Receivers on loopback that behave in every way that real ones do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes whole requests and hands the connection to `answer(request, number, connection)`;
    what that returns is sent. Requests and connections are kept."""

    def __init__(self, answer: Callable[[Request, int, socket.socket], bytes]) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            request = read_request(connection)
            with self._lock:
                self.requests.append(request)
                number = len(self.requests)
            connection.sendall(self._answer(request, number, connection))


def read_request(connection: socket.socket) -> Request:
    stream = connection.makefile("rb")
    line = stream.readline().decode("latin-1").strip()
    headers = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    return Request(line, headers, stream.read(int(headers.get("content-length", 0))))


def answering(
    *statuses: int, headers: str = "", body: str = "thanks"
) -> Callable[[Request, int, socket.socket], bytes]:
    """The statuses one after the other; the last one stays."""

    def answer(request: Request, number: int, connection: socket.socket) -> bytes:
        status = statuses[min(number, len(statuses)) - 1]
        return (
            f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}"
        ).encode()

    return answer


def saying(*pieces: bytes, pause_s: float = 0.0, times: int = 1) -> Callable[..., bytes]:
    """Send the first pieces, then the last one `times` times with pauses."""

    def answer(request: Request, number: int, connection: socket.socket) -> bytes:
        *first, last = pieces
        for piece in first:
            connection.sendall(piece)
        for _ in range(times):
            connection.sendall(last)
            time.sleep(pause_s)
        return b""

    return answer


@contextmanager
def receiver(answer: Callable[[Request, int, socket.socket], bytes]) -> Iterator[Receiver]:
    one = Receiver(answer)
    try:
        yield one
    finally:
        one.close()
