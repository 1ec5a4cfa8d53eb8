"""Connections of requests that keep to their time as a whole.

A timeout of requests ends each single wait for bytes. A service that sends a byte a second, or
`100 Continue` for ever, satisfies it and would hold a poll for hours. Here the same number of
seconds ends a handshake of TLS, and an answer from its first byte to its last.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class TimelyAdapter(HTTPAdapter):
    """Mount it for http:// and https://."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Reading(io.RawIOBase):
    """Reads a socket until a moment."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket) -> None:
        self._raw = raw
        self._connected = connected
        limit_s = connected.gettimeout()
        self._end = None if limit_s is None else time.monotonic() + limit_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._connected.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw: Any = self.fp
        self.fp = io.BufferedReader(_Reading(raw.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response
    _cut: _Cut | None = None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()
        if isinstance(self.timeout, int | float):
            self._cut = _Cut(connected, self.timeout)
        return connected

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            if self._cut is not None:
                self._cut.cancel()
                self._cut = None


class _Cut:
    """Shuts a connection down after a time, unless that is cancelled.

    By a descriptor of its own, since TLS takes the socket's away.
    """

    def __init__(self, connected: socket.socket, after_s: float) -> None:
        self._handle = connected.dup()
        self._timer = threading.Timer(after_s, self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._handle.close()

    def _shut_down(self) -> None:
        with suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
