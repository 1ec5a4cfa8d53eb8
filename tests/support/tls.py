"""Certificates for servers of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


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
