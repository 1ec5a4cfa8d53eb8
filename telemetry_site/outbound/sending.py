"""One request: to a judged address, without redirects or proxies, over within 15 s."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import Message
from functools import cache, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NamedTuple

from django.conf import settings

from telemetry_site.outbound.errors import OutboundError
from telemetry_site.outbound.guard import Address, judged, reachable
from telemetry_site.outbound.parsing import Target, parse

CONNECT_S, READ_S, TOTAL_S = 5.0, 10.0, 15.0
LONGEST_ANSWER = 64 << 10


class Answer(NamedTuple):
    """`body` is at most its first part: 64 KiB of what a POST is answered."""

    status: int
    headers: Message
    body: bytes


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    project_id: str | None,
    verify: bool = True,
) -> Answer:
    """Send once. An answer is an answer from its status line on, whatever comes after.

    Raises `OutboundError`.
    """
    asked = _Asked("POST", body, headers, LONGEST_ANSWER)
    return _send(url, asked, project_id, verify)


def get(
    url: str, headers: Mapping[str, str], longest: int, project_id: str | None = None
) -> Answer:
    """Ask once; `body` is at most the first `longest` bytes. Raises `OutboundError`."""
    return _send(url, _Asked("GET", None, headers, longest), project_id, True)


def request(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], longest: int = 4 << 20
) -> Answer:
    """Ask a service of the operator's once. Raises `OutboundError`."""
    return _send(url, _Asked(method, body, headers, longest), None, True)


def deliver(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    context: ssl.SSLContext | None = None,
    patience_s: float = TOTAL_S,
) -> Answer:
    """Send once to an address that the operator's own files name. Raises `OutboundError`.

    Private networks are open to it; what tells a machine its own secrets is not, nor are redirects.
    `context` is for https, by default with the system's authorities.
    """
    deadline = time.monotonic() + patience_s
    target = parse(url)
    connected = _connect(target, reachable(target), deadline)
    asked = _Asked(method, body, headers, LONGEST_ANSWER)
    trust = ssl.create_default_context if context is None else lambda: context
    return _over(connected, target, asked, trust, deadline)


class _Asked(NamedTuple):
    method: str
    body: bytes | None
    headers: Mapping[str, str]
    longest: int


def _send(url: str, asked: _Asked, project_id: str | None, verify: bool) -> Answer:
    deadline = time.monotonic() + TOTAL_S
    target = parse(url)
    connected = _connect(target, judged(target, project_id), deadline)
    return _over(connected, target, asked, partial(_context, verify), deadline)


def _over(
    connected: socket.socket,
    target: Target,
    asked: _Asked,
    trust: Callable[[], ssl.SSLContext],
    deadline: float,
) -> Answer:
    """The exchange on an open connection, which is closed at the end."""
    with _cut_off(connected, deadline) as cut, _in_words(cut):
        secured = _secured(connected, target, trust)
        try:
            return _exchange(secured, target, asked)
        finally:
            secured.close()


def _connect(target: Target, found: list[Address], deadline: float) -> socket.socket:
    """To the first address that answers."""
    problem = OutboundError("timeout", "no connection in time")
    for address in found:
        patience = min(CONNECT_S, deadline - time.monotonic())
        if patience <= 0:
            break
        try:
            connected = socket.create_connection((str(address), target.port), patience)
        except TimeoutError:
            problem = OutboundError("timeout", "no connection in time")
        except OSError:
            problem = OutboundError("refused", "no connection")
        else:
            connected.settimeout(READ_S)
            return connected
    raise problem


def _secured(
    connected: socket.socket, target: Target, trust: Callable[[], ssl.SSLContext]
) -> socket.socket:
    if target.scheme == "http":
        return connected
    return trust().wrap_socket(connected, server_hostname=target.host)


@cache
def _context(verify: bool) -> ssl.SSLContext:
    """With the operator's authorities beside the system's, and a certificate of our own."""
    context = ssl.create_default_context()
    if settings.TELEMETRY_WEBHOOK_CA_FILE:
        context.load_verify_locations(settings.TELEMETRY_WEBHOOK_CA_FILE)
    if settings.TELEMETRY_WEBHOOK_CERT_FILE:
        key = settings.TELEMETRY_WEBHOOK_KEY_FILE or None
        context.load_cert_chain(settings.TELEMETRY_WEBHOOK_CERT_FILE, key)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _exchange(connected: socket.socket, target: Target, asked: _Asked) -> Answer:
    connection = HTTPConnection(target.host, target.port)
    connection.sock = connected
    connection.auto_open = 0
    headers = {"Host": target.authority, **asked.headers}
    connection.request(asked.method, target.path, asked.body, headers)
    with HTTPResponse(connected, method=asked.method) as response:
        return _answer(response, asked.longest)


def _answer(response: HTTPResponse, longest: int) -> Answer:
    """What broke or was cut off after the status line changes nothing."""
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read(longest))
    except (OSError, HTTPException, ValueError):
        if not isinstance(response.status, int):
            raise
        return Answer(response.status, response.headers or Message(), b"")


@contextmanager
def _cut_off(connected: socket.socket, deadline: float) -> Iterator[threading.Event]:
    """Shut the connection down at the deadline: a byte now and then satisfies every timeout.

    By a descriptor of its own, since TLS takes the socket's away.
    """
    cut = threading.Event()
    handle = connected.dup()

    def shut_down() -> None:
        cut.set()
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        timer.join()
        handle.close()
        connected.close()


@contextmanager
def _in_words(cut: threading.Event) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        if cut.is_set() or isinstance(error, TimeoutError):
            raise OutboundError("timeout", "no answer in time") from error
        if isinstance(error, ssl.SSLError):
            raise OutboundError("tls", "no trust in the other side's TLS") from error
        raise OutboundError("broken", "no answer that is HTTP") from error
