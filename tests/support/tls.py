"""Certificates for servers of tests, and a server with one."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.webhooks import Request, read_request

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def make_certificates(home: Path) -> Path:
    """`good` for localhost and `other` for another name by one authority (`ca`), `self` by none."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=home, check=True, capture_output=True)

    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE"]
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority", *authority)
    for name, host in (("good", "localhost"), ("other", "other.example")):
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{host}"]
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={host}",
                *signed)  # fmt: skip
    openssl(*new, "-keyout", "self.key", "-out", "self.pem", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost")  # fmt: skip
    return home


@contextmanager
def tls_receiver(
    home: Path, name: str, wants_certificate: bool = False
) -> Iterator[tuple[str, list[Request]]]:
    """Its address and what it got; `home` and `name` say by which certificate it shows itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / f"{name}.pem", home / f"{name}.key")
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(home / "ca.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[Request] = []

    def serve() -> None:
        with suppress(OSError):  # the other side goes away in the middle, as it should
            while True:
                plain, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                    got.append(read_request(connection))
                    connection.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}/", got
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
