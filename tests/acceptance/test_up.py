"""`manage.py up` with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import RunningHouse

#: What a machine without OpenStack runs.
ROLES = {
    "web", "beat", "compute", "central", "notification-worker", "collector",
    "evaluator", "notifier",
}  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that does not exist yet: unix sockets must fit into it."""
    base = Path(tempfile.mkdtemp(prefix="up-"))
    yield base / "home"
    shutil.rmtree(base)


@pytest.fixture
def house(home: Path) -> Iterator[RunningHouse]:
    running = RunningHouse(home)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop(signal.SIGTERM)
    for identity in running.left(0):
        identity.signal(signal.SIGKILL)


def wait_for(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def test_a_house_starts_serves_stops_and_has_its_data_after_the_next_start(
    house: RunningHouse,
) -> None:
    text = house.start()
    assert f"http://127.0.0.1:{house.port}" in text
    assert "Traceback" not in text
    password = house.password()
    assert password is not None
    assert len(password) >= 20
    status = house.status()
    assert set(status) == ROLES
    for name, role in status.items():
        assert house.get("/-/healthy", role["health"])[0] == 200, name
        assert house.get("/-/ready", role["health"]) == (200, "ready\n"), name
        figures = house.get("/metrics", role["health"])
        assert figures[0] == 200, name
        assert "telemetry_build_info{" in figures[1], name
    assert "telemetry_http_request_duration_seconds_count{" in house.get("/metrics")[1]
    assert house.manage("status").returncode == 0

    sent = house.manage("send_sample", "--resource", "r1", "--meter", "kept", "--value", "42")
    assert "Receipt: stored" in sent.stdout, sent.stderr
    checked = house.manage("check", "--deploy")
    assert "telemetry.E" not in checked.stderr

    assert house.stop(signal.SIGTERM) == 0
    assert house.left(0) == []
    assert house.manage("status").returncode == 2

    text = house.start()
    assert house.password() is None, "an administrator is made once only"
    count = "from meters.models import Metric as M; print(M.objects.filter(name='kept').count())"
    found = house.manage("shell", "-v0", "-c", count)
    assert found.stdout.strip() == "1", found.stderr
    assert house.stop(signal.SIGINT) == 0
    assert house.left(0) == []


def test_kill_9_of_the_parent_leaves_nobody_and_the_next_start_goes_on(
    house: RunningHouse,
) -> None:
    house.start()
    assert len(house.seen) > 12
    house.stop(signal.SIGKILL)
    assert house.left(10) == []
    text = house.start()
    assert house.password() is None
    assert "Another PostgreSQL" not in text
    assert house.get("/-/ready")[0] == 200


def test_a_leftover_that_outlived_the_parent_is_ended_by_the_next_start(
    house: RunningHouse,
) -> None:
    """A stopped process does not die of its parent's death when the signal is blocked: here one
    is put into the ledger by hand."""
    house.start("--roles", "central")
    house.stop(signal.SIGKILL)
    assert house.left(10) == []
    import subprocess

    from telemetry_site.processes import Identity, Ledger

    stranger = subprocess.Popen(["sleep", "600"])
    leftover = subprocess.Popen(["sleep", "600"])
    try:
        identity = Identity.of(leftover.pid)
        other = Identity.of(stranger.pid)
        assert identity is not None
        assert other is not None
        reused_pid = Identity(other.pid, other.started - 1, other.boot)
        Ledger(house.home / "run" / "processes.json").write([identity, reused_pid])
        text = house.start("--roles", "central")
        assert "Ended 1 processes of an earlier start" in text
        assert leftover.wait(5) == -signal.SIGTERM
        assert stranger.poll() is None, "a pid that was given to another program is left alone"
    finally:
        stranger.kill()
        stranger.wait()
        leftover.kill()
        leftover.wait()


def test_a_role_that_is_killed_is_started_again(house: RunningHouse) -> None:
    house.start("--roles", "collector,beat")
    before = house.status()["collector"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: house.status()["collector"]["pid"] != before)
    wait_for(lambda: house.status()["collector"]["state"] == "ready")
    assert "collector" in house.text()
    assert "ended (SIGKILL); starts again in 1 s" in house.text()


def test_a_nursery_that_is_killed_takes_its_roles_along_and_all_come_back(
    house: RunningHouse,
) -> None:
    house.start("--roles", "central,collector")
    before = house.status()
    parent = int(Path(f"/proc/{before['collector']['pid']}/stat").read_text().split()[3])
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: house.status()["collector"]["pid"] != before["collector"]["pid"], 30)
    wait_for(lambda: house.status()["collector"]["state"] == "ready", 30)
    assert house.status()["central"]["pid"] == before["central"]["pid"]


def test_flower_wants_a_password(house: RunningHouse) -> None:
    text = house.start("--roles", "central", "--with", "flower")
    assert "user admin, password" in text
    assert house.get("/api/workers", "http://127.0.0.1:5555")[0] == 401


def refused(house: RunningHouse, *arguments: str) -> str:
    """The one sentence of a start that is refused."""
    ended = house.manage("up", *arguments)
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_second_start_on_the_same_directory_is_refused(house: RunningHouse) -> None:
    house.start("--roles", "central")
    assert "is running on" in refused(house)


def test_a_taken_port_is_named(house: RunningHouse) -> None:
    with socket.create_server(("127.0.0.1", house.port)):
        assert f"Port {house.port} on 127.0.0.1 is taken" in refused(house)


@pytest.mark.parametrize("port", ["eighty", "70000", "-1"])
def test_a_port_that_is_none_is_named(house: RunningHouse, port: str) -> None:
    house.env["PORT"] = port
    assert port in refused(house)


def test_a_state_directory_that_cannot_be_written_is_named(house: RunningHouse) -> None:
    house.env["TELEMETRY_HOME"] = "/proc/telemetry"
    assert "/proc/telemetry" in refused(house)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://user:hunter2@127.0.0.1:1/telemetry",
        "postgresql://user:hunter2@127.0.0.1:notaport/telemetry",
        "mysql://user:hunter2@127.0.0.1/telemetry",
    ],
)
def test_a_broken_database_url_is_named_without_its_password(house: RunningHouse, url: str) -> None:
    house.env["DATABASE_URL"] = url
    sentence = refused(house)
    assert "DATABASE_URL" in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "redis://:hunter2@127.0.0.1:1/0",
        "amqp://user:hunter2@127.0.0.1:1//",
        "carrier-pigeon://loft",
    ],
)
def test_a_broken_broker_url_is_named_without_its_password(house: RunningHouse, url: str) -> None:
    house.env["BROKER_URL"] = url
    sentence = refused(house)
    assert "BROKER_URL" in sentence
    assert "hunter2" not in sentence


def test_an_unknown_role_is_named_with_those_that_exist(house: RunningHouse) -> None:
    sentence = refused(house, "--roles", "compue")
    assert "'compue'" in sentence
    assert "compute" in sentence


def test_a_home_below_a_closed_directory_works_for_root(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run below another user's closed directory")
    with tempfile.TemporaryDirectory(dir="/root") as closed:
        house = RunningHouse(Path(closed) / "home")
        try:
            house.start("--roles", "collector")
        finally:
            house.stop(signal.SIGTERM)
        assert house.left(0) == []
