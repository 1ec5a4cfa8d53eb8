"""One POST to receivers that are hostile or broken (reliability.md 5.3.1, N6, F41)."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry_site.outbound import Answer, OutboundError, post, sending
from telemetry_site.settings.allowances import parse_allowance
from tests.support.tls import make_certificates, tls_receiver
from tests.support.webhooks import Receiver, answering, receiver, saying

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(autouse=True)
def _loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    monkeypatch.setattr(sending, "READ_S", 1.0)
    monkeypatch.setattr(sending, "TOTAL_S", 2.0)


def send(url: str, verify: bool = True) -> Answer:
    return post(url, b"{}", {"Content-Type": "application/json"}, "p1", verify)


def kind_of(url: str) -> str:
    with pytest.raises(OutboundError) as caught:
        send(url)
    return caught.value.kind


def test_an_answer() -> None:
    with receiver(answering(201, headers="Retry-After: 7\r\n", body="made")) as there:
        answer = send(there.url())
    assert (answer.status, answer.body) == (201, b"made")
    assert answer.headers["retry-after"] == "7"


class TestTime:
    @pytest.fixture(autouse=True)
    def _measured(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        assert time.monotonic() - began < 4

    def test_silence(self) -> None:
        with receiver(saying(b"", pause_s=5)) as there:
            assert kind_of(there.url()) == "timeout"

    def test_a_byte_of_the_status_line_now_and_then(self) -> None:
        with receiver(saying(b"HTTP/1.1 ", b"0", pause_s=0.1, times=100)) as there:
            assert kind_of(there.url()) == "timeout"

    def test_a_header_byte_now_and_then_is_an_answer_all_the_same(self) -> None:
        with receiver(saying(b"HTTP/1.1 200 OK\r\nX: ", b"a", pause_s=0.1, times=100)) as there:
            assert send(there.url()).status == 200

    def test_a_body_byte_now_and_then_is_an_answer_all_the_same(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        with receiver(saying(head, b"a", pause_s=0.1, times=100)) as there:
            assert send(there.url()).status == 200

    def test_continue_for_ever(self) -> None:
        step = b"HTTP/1.1 100 Continue\r\n\r\n"
        with receiver(saying(step, pause_s=0.05, times=200)) as there:
            assert kind_of(there.url()) == "timeout"

    def test_a_tls_handshake_byte_now_and_then(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                for byte in b"\x16\x03\x03\x40\x00" + b"\x00" * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)

        threading.Thread(target=_quietly(drip), daemon=True).start()
        assert kind_of(f"https://127.0.0.1:{listener.getsockname()[1]}/") == "timeout"
        listener.close()


class TestSize:
    def test_endless_headers(self) -> None:
        with receiver(saying(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000, times=1000)) as there:
            assert send(there.url()).status == 200

    def test_one_endless_header(self) -> None:
        with receiver(saying(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65536, times=1000)) as there:
            assert send(there.url()).status == 200

    def test_of_a_gigabyte_64_kib_are_read(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
        with receiver(saying(head, b"a" * 65536, times=16384)) as there:
            assert len(send(there.url()).body) == 64 << 10

    def test_a_gzip_bomb_stays_packed(self) -> None:
        bomb = gzip.compress(b"\0" * (50 << 20))
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        with receiver(saying(head % len(bomb), bomb)) as there:
            assert send(there.url()).body == bomb[: 64 << 10]


@pytest.mark.parametrize("junk", [b"", b"hello\n", b"HTTP/9.9 abc def\r\n\r\n", b"\x16\x03\x03"])
def test_what_is_no_http(junk: bytes) -> None:
    with receiver(saying(junk)) as there:
        assert kind_of(there.url()) == "broken"


def test_a_body_that_breaks_off_is_an_answer_all_the_same() -> None:
    with receiver(saying(b"HTTP/1.1 204 OK\r\nContent-Length: 10\r\n\r\nab")) as there:
        assert send(there.url()).status == 204


def test_42_proxies_and_passwords_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receiver(answering(200)) as there:
        assert send(there.url()).status == 200
    assert "authorization" not in there.requests[0].headers


def test_39_a_name_that_moves_between_judgement_and_connection(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The resolver's second answer is the forbidden one; nobody asks it twice."""
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.2/32")]
    answers = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])

    def ask(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    with receiver(answering(200)) as there, monkeypatch.context() as patched:
        patched.setattr("telemetry_site.outbound.guard.socket.getaddrinfo", ask)
        assert kind_of(f"http://moving.example:{there.port}/") == "refused"
    assert there.connections == 0
    assert next(answers) == "127.0.0.1", "asked once"


@pytest.mark.parametrize("found", [["93.184.216.34", "127.0.0.1"], ["::1"], ["::ffff:7f00:1"]])
def test_38_one_bad_address_refuses_the_name(
    found: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = []

    def ask(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr("telemetry_site.outbound.guard.socket.getaddrinfo", ask)
    assert kind_of("http://mixed.example/") == "forbidden_address"


@pytest.mark.parametrize("name", ["nowhere.invalid", "a.b.c.invalid"])
def test_40_a_name_without_an_address(name: str) -> None:
    assert kind_of(f"http://{name}/") == "dns"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good` for localhost and `other` for another name by one authority, `self` by none."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def _quietly(work: Callable[[], None]) -> Callable[[], None]:
    """The other side goes away in the middle, as it should."""

    def run() -> None:
        try:
            work()
        except OSError:
            return

    return run


class TestTls:
    @pytest.fixture(autouse=True)
    def _trust(self, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
        sending._context.cache_clear()
        yield
        sending._context.cache_clear()

    def test_the_name_is_verified_on_the_judged_address(self, certificates: Path) -> None:
        with tls_receiver(certificates, "good") as (url, _):
            assert send(url).status == 200

    @pytest.mark.parametrize("name", ["other", "self"])
    def test_43_another_name_or_authority(self, certificates: Path, name: str) -> None:
        with tls_receiver(certificates, name) as (url, _):
            assert kind_of(url) == "tls"

    def test_43_a_server_that_wants_a_certificate(self, certificates: Path) -> None:
        with tls_receiver(certificates, "good", wants_certificate=True) as (url, _):
            assert kind_of(url) == "tls"

    def test_our_own_certificate_is_shown_to_who_asks_for_one(
        self, certificates: Path, settings: Any
    ) -> None:
        settings.TELEMETRY_WEBHOOK_CERT_FILE = str(certificates / "other.pem")
        settings.TELEMETRY_WEBHOOK_KEY_FILE = str(certificates / "other.key")
        with tls_receiver(certificates, "good", wants_certificate=True) as (url, got):
            assert send(url).status == 200
        assert len(got) == 1

    def test_an_authority_of_the_operators_own(
        self, certificates: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with tls_receiver(certificates, "good") as (url, _):
            assert kind_of(url) == "tls"
            settings.TELEMETRY_WEBHOOK_CA_FILE = str(certificates / "ca.pem")
            sending._context.cache_clear()
            assert send(url).status == 200

    def test_plain_text_where_tls_was_meant(self) -> None:
        with receiver(answering(200)) as there:
            assert kind_of(f"https://localhost:{there.port}/") in ("tls", "broken", "timeout")

    def test_verification_can_be_left_out(self, certificates: Path) -> None:
        with tls_receiver(certificates, "self") as (url, _):
            assert send(url, verify=False).status == 200


def test_a_receiver_counts_what_it_got() -> None:
    """The instrument itself: a connection more is a connection counted."""
    with receiver(answering(200)) as there:
        assert isinstance(there, Receiver)
        send(there.url())
        send(there.url())
        assert there.connections == 2
