"""A real SNMP agent (Debian's snmpd) on loopback, with a configuration and state of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pollers.central.snmp.address import parse_address
from tests.support.ports import free_port

COMMUNITY = "community-not-to-be-seen"
#: Sees the system group only.
NARROW = "narrow-not-to-be-seen"
PASSWORD, PRIV_PASSWORD = "auth-pw-not-to-be-seen", "priv-pw-not-to-be-seen"
SECRETS = (COMMUNITY, NARROW, PASSWORD, PRIV_PASSWORD)
#: Rows of the agent's table of programs that it runs, which exit with 0 … 2.
PROGRAMS = 45
#: A name as long as an OID allows: it is the row's index, a number a character.
LONG_NAME = "n" * 115
#: User of version 3 → (digest, cipher) as the agent calls them, and the options of a URL.
USERS = {
    "md5des": ("MD5", "DES", f"?priv_password={PRIV_PASSWORD}"),
    "shaaes": ("SHA", "AES", f"?auth_proto=sha&priv_proto=aes&priv_password={PRIV_PASSWORD}"),
    "sha256aes256": (
        "SHA-256", "AES-256",
        f"?auth_proto=sha256&priv_proto=aes256&priv_password={PRIV_PASSWORD}",
    ),
    "sha512only": ("SHA-512", "", "?auth_proto=sha512"),
}  # fmt: skip
STARTS_WITHIN_S = 60.0


class Agent:
    """A running agent."""

    def __init__(self, port: int) -> None:
        self.place = f"127.0.0.1:{port}"
        self.shown = f"snmp://{self.place}"
        self.url = f"snmp://{COMMUNITY}@{self.place}"

    def v3(self, user: str, password: str = PASSWORD, options: str | None = None) -> str:
        more = USERS[user][2] if options is None else options
        return f"snmp://{user}:{password}@{self.place}{more}"


def _configuration(port: int) -> str:
    users = [
        f'createUser {name} {digest} "{PASSWORD}" {f"{cipher} {PRIV_PASSWORD}" if cipher else ""}\n'
        f"rouser {name} {'priv' if cipher else 'auth'}"
        for name, (digest, cipher, _) in USERS.items()
    ]
    programs = [f"extend p{number} /bin/sh -c 'exit {number % 3}'" for number in range(PROGRAMS)]
    return "\n".join([
        f"agentaddress udp:127.0.0.1:{port}",
        f"rocommunity {COMMUNITY} 127.0.0.1",
        "view narrow included .1.3.6.1.2.1.1",
        f"rocommunity {NARROW} 127.0.0.1 -V narrow",
        "disk /",
        *users, *programs,
        f"extend {LONG_NAME} /bin/true",
        "override .1.3.6.1.4.1.2021.10.1.3.1 octet_str \"0.25\"",
        "override .1.3.6.1.4.1.2021.4.5.0 integer 2048",
        "override .1.3.6.1.4.1.2021.4.6.0 integer 500",
    ]) + "\n"  # fmt: skip


@contextmanager
def snmpd(folder: Path) -> Iterator[Agent]:
    """Skips the test where the package is not installed."""
    program = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("snmpd is not installed (deploy/apt-test.txt)")
    port = free_port()
    file = folder / "snmpd.conf"
    file.write_text(_configuration(port))
    file.chmod(0o600)
    with (folder / "snmpd.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-f", "-Lo", "-C", "-c", str(file), "-I", "-smux"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""},
        )  # fmt: skip
        try:
            agent = Agent(port)
            _wait(process, agent, folder / "snmpd.log")
            yield agent
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], agent: Agent, log: Path) -> None:
    """Until it answers to a request for sysUpTime, in BER as it stands in RFC 1157 and 3416."""
    community = COMMUNITY.encode()
    name = bytes.fromhex("06082b06010201010300")
    binding = b"\x30" + bytes([len(name) + 2]) + name + b"\x05\x00"
    numbers = bytes.fromhex("020101020100020100")
    pdu = numbers + b"\x30" + bytes([len(binding)]) + binding
    body = b"\x02\x01\x01\x04" + bytes([len(community)]) + community
    body += b"\xa0" + bytes([len(pdu)]) + pdu
    request = b"\x30" + bytes([len(body)]) + body
    address = parse_address(agent.url)
    end = time.monotonic() + STARTS_WITHIN_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((address.host, address.port))
        client.settimeout(0.2)
        while time.monotonic() < end:
            if process.poll() is not None:
                break
            try:
                client.send(request)
                client.recv(2048)
                return
            except OSError:
                time.sleep(0.05)
    raise AssertionError(f"snmpd does not answer: {log.read_text(errors='replace')[-2000:]}")
