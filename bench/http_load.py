"""HTTP with connections that stay open, as clients and load generators have them."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

#: Servers close connections that were idle for longer.
IDLE_S = 2
#: "admin" without a password, in the clients' basic mode.
HEADERS = {"Content-Type": "application/json", "Authorization": "Basic YWRtaW46"}


class Client:
    """One connection to the root of an API. It is not for several threads at once."""

    def __init__(self, root: str) -> None:
        parts = urlsplit(root)
        assert parts.hostname is not None
        self.prefix = parts.path
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
        self._connect()

    def _connect(self) -> None:
        self.connection.close()
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.used = time.monotonic()

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's body; ends the program where the answer is an error."""
        if time.monotonic() - self.used > IDLE_S:
            self._connect()
        self.connection.request(method, self.prefix + path, body, HEADERS)
        response = self.connection.getresponse()
        answer = response.read()
        self.used = time.monotonic()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {response.status} {answer[:500]!r}")
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """JSON to JSON."""
        answer = self.send(method, path, None if body is None else encode(body))
        return json.loads(answer) if answer else None

    def close(self) -> None:
        self.connection.close()


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


def post_all(root: str, path: str, bodies: Sequence[Sequence[bytes]]) -> float:
    """Seconds in which each connection posts its bodies, one after the other."""
    clients = [Client(root) for _ in bodies]
    failed: list[BaseException] = []

    def run(client: Client, mine: Sequence[bytes]) -> None:
        try:
            for body in mine:
                client.send("POST", path, body)
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=run, args=pair) for pair in zip(clients, bodies, strict=True)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    for client in clients:
        client.close()
    if failed:
        raise failed[0]
    return spent
