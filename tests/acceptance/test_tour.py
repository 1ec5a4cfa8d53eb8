"""The README's five minutes, typed as they stand there, in a fresh clone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry_site import paths
from tests.support.ports import free_port
from tests.support.web import logged_in

#: Installing comes first: the wheels are in the cache of who ran `make test`.
UP_WITHIN_S = 420.0
#: The first poll, then the alarm's next turn, then the notifier's.
ARRIVES_WITHIN_S = 120.0
RECEIVER_PORT = 9099
OURS = ("DJANGO_", "TELEMETRY_", "DATABASE_URL", "BROKER_URL", "PROMETHEUS_", "VIRTUAL_ENV", "MAKE")


class Terminal:
    """A command that goes on until Ctrl-C."""

    def __init__(self, command: str, clone: Path, environment: dict[str, str]) -> None:
        self._log = clone.parent / f"terminal-{time.monotonic_ns()}.log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", command], cwd=clone, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def text(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text())):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.2)
        return found

    def ctrl_c(self) -> None:
        """As a terminal does it: to all of its processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(60)


class Tour:
    """A clone with the README's commands; those that stay get a terminal of their own."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = kept | {"PORT": str(self.port)}
        self.terminals: list[Terminal] = []
        self.commands = commands((clone / "README.md").read_text())

    def take(self, part: str) -> str:
        """The command with `part` in it; none is taken twice."""
        (command,) = [one for one in self.commands if part in one]
        self.commands.remove(command)
        return command

    def open(self, part: str) -> Terminal:
        terminal = Terminal(self.take(part), self.clone, self.environment)
        self.terminals.append(terminal)
        return terminal

    def type(self, part: str) -> str:
        """Run it to its end; what it printed."""
        ran = subprocess.run(
            ["bash", "-c", self.take(part)], cwd=self.clone, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran.stdout


def commands(readme: str) -> list[str]:
    """The lines of the code blocks below "Five minutes"."""
    section = readme.partition("## Five minutes\n")[2].partition("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


@pytest.fixture
def tour() -> Iterator[Tour]:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", RECEIVER_PORT)) == 0:
            pytest.fail(f"Something listens on port {RECEIVER_PORT}, the receiver's.")
    base = Path(tempfile.mkdtemp(prefix="tour-"))
    base.chmod(0o755)  # for root, PostgreSQL runs as another user and must reach its program
    clone = base / "telemetry"
    subprocess.run(["git", "clone", "--quiet", paths.ROOT, clone], check=True)
    running = Tour(clone)
    yield running
    for terminal in reversed(running.terminals):
        terminal.ctrl_c()
    shutil.rmtree(base)


def eventually(read: Callable[[], str], part: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while part not in (text := read()):
        assert time.monotonic() < deadline, text
        time.sleep(0.5)


@pytest.mark.timeout(900)
def test_a_newcomer_sees_an_alarm_turn_and_its_message_arrive(tour: Tour) -> None:
    house = tour.open("make run")
    house.wait_for("Up after", UP_WITHIN_S)
    password = house.wait_for(r"admin with password (\S+)", 1)[1]
    receiver = tour.open("webhook_receiver")
    receiver.wait_for(f"Listening on http://127.0.0.1:{RECEIVER_PORT}/", 30)

    made = tour.type("create_alarm")
    page = re.search(r"Its page: (\S+)", made)
    assert page is not None, made
    message = receiver.wait_for(
        r"insufficient data → alarm  (.*)\n +(.*)\n +(.*)", ARRIVES_WITHIN_S
    )
    assert message[1].startswith("hardware.cpu.util of ")
    assert message[2].startswith("Transition to alarm due to 1 samples outside threshold")
    assert message[3].startswith("attempt 1, key ")

    with logged_in(f"http://127.0.0.1:{tour.port}", password) as session:
        eventually(lambda: session.get(page[1]).text, "delivered", 10)
        assert message[2].partition(",")[0] in session.get(page[1]).text
    assert re.search(r"│ alarm +│", tour.type("manage.py alarms"))
    assert "delivered" in tour.type("notifications list")

    assert "notifier" in tour.type("manage.py status")
    assert "hardware.cpu.util" in tour.type("poll_once host")
    assert "Receipt: stored" in tour.type("send_sample")
    assert "tlm_" in tour.type("create_token")
    tour.type("quarantine list")
    assert "Nothing is published" in tour.type("manage.py publishers")
    assert "There is data" in tour.type("manage.py why")
    assert "bytes a sample" in tour.type("store_info")
    assert tour.commands == [], "the tour has commands that nobody tries"
