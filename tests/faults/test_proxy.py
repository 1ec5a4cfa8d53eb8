"""The proxy breaks connections as it says, on TCP and on unix sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Address, Proxy


class Echo:
    """A server that sends back what it gets, one thread a connection, and counts bytes."""

    def __init__(self, address: Address) -> None:
        family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.bind(str(address) if isinstance(address, Path) else address)
        self._socket.listen()
        self.address: Address = address if isinstance(address, Path) else self._socket.getsockname()
        self.received = b""
        self._answering: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            self._answering.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    self.received += data
                    connection.sendall(data)
            except OSError:
                return

    def all_received(self) -> bytes:
        """Once every connection has ended."""
        for thread in self._answering:
            thread.join(20)
            assert not thread.is_alive()
        return self.received

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(params=["tcp", "unix"])
def echo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Echo]:
    server = Echo(tmp_path / "echo" if request.param == "unix" else ("127.0.0.1", 0))
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo, tmp_path: Path) -> Iterator[Proxy]:
    unix = isinstance(echo.address, Path)
    with Proxy(tmp_path / "proxy" if unix else ("127.0.0.1", 0), echo.address) as running:
        yield running


class Client:
    def __init__(self, address: Address) -> None:
        unix = isinstance(address, Path)
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(5)
        try:
            self.socket.connect(str(address) if unix else address)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, data: bytes) -> bytes:
        """Send, and read as much back."""
        self.socket.sendall(data)
        return self.read(len(data))

    def read(self, size: int) -> bytes:
        answer = b""
        while len(answer) < size and (piece := self.socket.recv(size - len(answer))):
            answer += piece
        return answer

    def is_silent(self, for_s: float = 0.15) -> bool:
        self.socket.settimeout(for_s)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)

    def is_cut(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def test_it_forwards_both_ways(proxy: Proxy) -> None:
    data = bytes(range(256)) * 2000
    with Client(proxy.address) as client:
        assert client.ask(data) == data
        assert proxy.connections == 1


def test_a_client_that_is_done_sending_still_gets_its_answer(proxy: Proxy) -> None:
    with Client(proxy.address) as client:
        client.socket.sendall(b"last words")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read(100) == b"last words"


def test_refuse_cuts_and_takes_nobody_until_up(proxy: Proxy) -> None:
    with Client(proxy.address) as client:
        assert client.ask(b"a") == b"a"
        proxy.refuse()
        assert client.is_cut()
    with pytest.raises(ConnectionRefusedError):
        Client(proxy.address)
    proxy.up()
    with Client(proxy.address) as client:
        assert client.ask(b"b") == b"b"


def test_reset_cuts_the_present_and_serves_the_next(proxy: Proxy) -> None:
    with Client(proxy.address) as first:
        assert first.ask(b"a") == b"a"
        proxy.reset()
        if isinstance(proxy.address, Path):
            assert first.is_cut()
        else:
            with pytest.raises(ConnectionResetError):
                first.socket.recv(1)
    with Client(proxy.address) as second:
        assert second.ask(b"b") == b"b"


def test_a_blackhole_takes_everything_and_answers_nothing_until_up(
    proxy: Proxy, echo: Echo
) -> None:
    proxy.blackhole()
    with Client(proxy.address) as client:
        client.socket.sendall(b"hello")
        assert client.is_silent()
        assert echo.received == b""
        proxy.up()
        assert client.read(5) == b"hello"


def test_half_open_stops_one_direction_only(proxy: Proxy, echo: Echo) -> None:
    with Client(proxy.address) as client:
        assert client.ask(b"a") == b"a"
        proxy.half_open("down")
        client.socket.sendall(b"b")
        assert client.is_silent()
        assert echo.received == b"ab"
        proxy.up()
        assert client.read(1) == b"b"


def test_latency_delays_each_way(proxy: Proxy) -> None:
    with Client(proxy.address) as client:
        client.ask(b"a")
        proxy.latency(50, jitter_ms=10)
        began = time.monotonic()
        assert client.ask(b"b") == b"b"
        assert 0.1 <= time.monotonic() - began < 2


def test_bandwidth_is_bounded(proxy: Proxy) -> None:
    with Client(proxy.address) as client:
        proxy.bandwidth(200_000)
        began = time.monotonic()
        assert len(client.ask(bytes(50_000))) == 50_000
        assert time.monotonic() - began >= 0.25


def test_a_cut_lets_so_many_bytes_through_and_no_more(proxy: Proxy, echo: Echo) -> None:
    with Client(proxy.address) as client:
        client.ask(b"warm")
        proxy.cut_after(10)
        client.socket.sendall(b"0123456789abcdef")
        assert client.is_cut()
        assert echo.all_received() == b"warm" + b"0123456789"
    with Client(proxy.address) as client:  # each connection has its own measure
        assert client.ask(b"12345") == b"12345"


def test_corruption_flips_one_bit(proxy: Proxy, echo: Echo) -> None:
    with Client(proxy.address) as client:
        proxy.corrupt(1.0)
        client.ask(b"\x00" * 8)
        changed = [byte for byte in echo.received if byte]
        assert len(changed) == 1
        assert changed[0].bit_count() == 1


def test_dup_forwards_twice(proxy: Proxy, echo: Echo) -> None:
    with Client(proxy.address) as client:
        proxy.dup()
        client.socket.sendall(b"ab")
        assert client.read(8) == b"abababab"
        assert echo.received == b"abab"


def test_a_server_that_is_away_cuts_the_client(proxy: Proxy, echo: Echo, tmp_path: Path) -> None:
    proxy.target = tmp_path / "nobody"
    with Client(proxy.address) as client:
        assert client.is_cut()
