"""A real web process for tests, and somebody who looks at its pages."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import requests

from tests.support.ports import free_port


@contextmanager
def running_web(
    process_env: Callable[..., dict[str, str]], log: Path, **extra: str
) -> Iterator[str]:
    """Its address; `log` takes its output. `process_env` is the fixture, `extra` more settings."""
    port = free_port()
    environment = process_env(
        "web", PORT=str(port), SECRET_KEY="tests only", WEB_DRAIN_SECONDS="0",
        SITE_URL=f"http://127.0.0.1:{port}", **{"WEB_WORKERS": "1"} | extra,
    )  # fmt: skip
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "role", "web"],
            env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"the web process does not listen: {log.read_text()}")


def logged_in(site: str, password: str, name: str = "admin") -> requests.Session:
    session = requests.Session()
    token = re.search(
        r'name="csrfmiddlewaretoken" value="(\w+)"', session.get(f"{site}/login/").text
    )
    assert token is not None
    answer = session.post(
        f"{site}/login/",
        {"username": name, "password": password, "csrfmiddlewaretoken": token[1]},
        headers={"Referer": f"{site}/login/"},
    )
    assert answer.status_code == 200
    return session


class Visitor:
    """Who has logged in to a running web process."""

    def __init__(self, site: str, password: str, name: str) -> None:
        self._site = site
        self._session = logged_in(site, password, name)

    def words(self, path: str) -> str:
        """A page with its entities resolved and single spaces."""
        answer = self._session.get(self._site + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return " ".join(unescape(answer.text).split())

    def close(self) -> None:
        self._session.close()
