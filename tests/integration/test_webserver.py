"""gunicorn as we start it: whose turn it is at a thread."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.web import running_web

PATH = "/-/healthy"
#: Its next requests are always there before it has its answer. For a minute; a byte an answer.
GREEDY = """
import os, socket, sys, time

end = time.monotonic() + 60
request = f"GET {sys.argv[2]} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n".encode()
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(request * 8)
while time.monotonic() < end:
    connection.sendall(request)
    answers = connection.recv(65536).count(b"HTTP/1.1 200 OK")
    connection.sendall(request * (answers - 1))
    os.write(1, b"." * answers)
"""


@contextmanager
def greedy(port: int) -> Iterator[None]:
    call = [sys.executable, "-c", GREEDY, str(port), PATH]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.read(100)
        threading.Thread(target=program.stdout.read, daemon=True).start()
        try:
            yield
            assert program.poll() is None
        finally:
            program.kill()


@pytest.fixture
def port(process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[int]:
    """Of a web process with one thread."""
    with running_web(process_env, tmp_path / "log", WEB_THREADS="1") as address:
        found = urlsplit(address).port
        assert found
        yield found


def ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", PATH)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def connected(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


def test_who_asks_again_and_again_keeps_nobody_out(port: int) -> None:
    with greedy(port), closing(connected(port)) as other:
        for _ in range(400):
            ask(other)  # within ten seconds


def test_a_silent_connection_holds_no_thread(port: int) -> None:
    with closing(connected(port)) as silent, closing(connected(port)) as other:
        ask(silent)
        began = time.monotonic()
        ask(other)
        assert time.monotonic() - began < 3, "it is kept open for five seconds"
        ask(silent)


def test_requests_that_come_in_one_piece_are_all_answered(port: int) -> None:
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request * 4 + last)
        told = b""
        while piece := connection.recv(65536):
            told += piece
    assert told.count(b"HTTP/1.1 200 OK") == 5


def test_those_who_come_together_get_a_process_each(
    process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    with running_web(process_env, tmp_path / "log", WEB_WORKERS="2") as address:
        port = urlsplit(address).port
        assert port
        deadline = time.monotonic() + 30
        while len(processes_of(port, 8)) < 2:
            assert time.monotonic() < deadline, "both processes are up"
        shared = sum(len(processes_of(port, 2)) == 1 for _ in range(40))
    assert shared < 16, "by chance it would be twenty and more"


def processes_of(port: int, count: int) -> set[int]:
    """Of so many connections that are made one right after the other."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        time.sleep(0.05)
        return {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.pid and one.laddr[1] == port and one.status == psutil.CONN_ESTABLISHED
        }
