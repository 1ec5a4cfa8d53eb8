"""A real Keystone for tests, from its package in an environment of its own.

`make test` makes that (requirements/keystone.txt). Where it is missing, tests are skipped, which CI
forbids.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from telemetry_site.settings.keystone import KeystoneAccess
from tests.support.ports import free_port
from tests.support.tls import make_certificates

PYTHON = Path(sys.prefix) / "keystone" / "bin" / "python"
PROCESS = Path(__file__).parent / "support" / "keystone_process.py"
ADMIN_PASSWORD = "set up by the tests"
SERVICE_PASSWORD = "the service's own"
START_WITHIN_S = 120.0


class KeystoneServer:
    """One Keystone, by http and by https; it may be stopped and started again.

    `python` is that of the environment it is in, `config` more of its configuration.
    """

    def __init__(self, directory: Path, python: Path = PYTHON, config: str = "") -> None:
        self.directory = directory
        self._python = python
        (directory / "more.conf").write_text(config)
        self.port, self.tls_port = free_port(), free_port()
        self.certificates = make_certificates(directory)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}/v3"

    def start(self) -> None:
        """Returns when it answers. Raises `RuntimeError` with its output if it does not."""
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._python, "-W", "ignore", PROCESS, self.directory, str(self.port),
                 ADMIN_PASSWORD, str(self.tls_port), self.certificates / "good"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
            )  # fmt: skip
        try:
            self._wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def text(self) -> str:
        return (self.directory / "output").read_text(errors="replace")

    def asked(self) -> int:
        """How many tokens it was asked for so far."""
        return self.text().count('"GET /v3/auth/tokens')

    def logins(self) -> int:
        return self.text().count('"POST /v3/auth/tokens')

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Keystone does not start:\n{self.text()[-2000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    # --- what is in it ---------------------------------------------------------------------
    @cached_property
    def admin(self) -> Session:
        """The cloud's administrator, who may change everything."""
        return self.session("admin", ADMIN_PASSWORD, project_name="admin")

    def session(self, username: str, password: str = "", **scope: Any) -> Session:
        """A user's own way in; without a scope his token is for nothing."""
        names = {"user_domain_name": "Default"}
        if "project_name" in scope:
            names["project_domain_name"] = "Default"
        plugin = Password(self.url, password or username, username=username, **names, **scope)
        return Session(plugin, timeout=30)

    def token(self, username: str, password: str = "", **scope: Any) -> str:
        text = self.session(username, password, **scope).get_token()
        assert text
        return text

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator; the answer's body."""
        answer = self.admin.request(f"{self.url}/{path}", method, json=body)
        return answer.json() if answer.content else None

    def find(self, kind: str, name: str) -> str:
        """The id of what has this name: `find("users", "mia")`."""
        (found,) = self.call("GET", f"{kind}?name={name}")[kind]
        return str(found["id"])

    def make_project(self, name: str) -> str:
        body = {"project": {"name": name, "domain_id": "default"}}
        return str(self.call("POST", "projects", body)["project"]["id"])

    def make_service(self, kind: str, name: str, url: str) -> str:
        """A service with its public endpoint in the catalogue; returns the service's id."""
        body = {"service": {"type": kind, "name": name}}
        found = str(self.call("POST", "services", body)["service"]["id"])
        endpoint = {"service_id": found, "interface": "public", "region_id": "one", "url": url}
        self.call("POST", "endpoints", {"endpoint": endpoint})
        return found

    def make_user(self, name: str, password: str = "") -> str:
        body = {"user": {"name": name, "password": password or name, "domain_id": "default"}}
        return str(self.call("POST", "users", body)["user"]["id"])

    def grant(self, role: str, user: str, where: str) -> None:
        """By names; `where` is the path of a project or domain, or "system"."""
        ids = self.find("users", user), self.find("roles", role)
        self.call("PUT", f"{where}/users/{ids[0]}/roles/{ids[1]}")


def populate(server: KeystoneServer) -> None:
    """The service user, and people whose names say what they are: `member` of project p1, …;
    `stranger` is member of p2, `everywhere` admin of the domain and the system but of no project.
    """
    for project in ("service", "p1", "p2"):
        server.make_project(project)
    server.make_user("telemetry", SERVICE_PASSWORD)
    server.grant("service", "telemetry", f"projects/{server.find('projects', 'service')}")
    p1 = f"projects/{server.find('projects', 'p1')}"
    for role in ("member", "reader", "manager"):
        server.make_user(role)
        server.grant(role, role, p1)
    server.make_user("stranger")
    server.grant("member", "stranger", f"projects/{server.find('projects', 'p2')}")
    server.make_user("everywhere")
    server.grant("admin", "everywhere", "domains/default")
    server.grant("admin", "everywhere", "system")


def access(server: KeystoneServer, **changes: Any) -> KeystoneAccess:
    """Our settings for it."""
    return replace(KeystoneAccess(server.url, "telemetry", SERVICE_PASSWORD), **changes)


@pytest.fixture(scope="session")
def keystone() -> Iterator[KeystoneServer]:
    """The running Keystone of this pytest process, with `populate`'s people."""
    if not PYTHON.exists():
        pytest.skip("Keystone is not installed (make test does)")
    directory = Path(tempfile.mkdtemp(prefix="telemetry-keystone-"))
    server = KeystoneServer(directory)
    try:
        server.start()
        populate(server)
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
