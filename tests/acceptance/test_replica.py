"""A web process that reads points by a real streaming replica.

Whatever that one does, no answer lacks what was acknowledged before the question, and none fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import requests
from django.db import connection

from meters.store import compaction, head
from telemetry_site.embedded.postgres import EmbeddedPostgres, binaries
from telemetry_site.embedded.server import stand_in_for_root
from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture
from tests.support.web import running_web

pytestmark = pytest.mark.usefixtures("fresh_store")
POLICY = {"name": "seconds", "definition": [{"granularity": 1, "points": 100_000}]}


@pytest.fixture(scope="module")
def replica(django_db_setup: None) -> Iterator[EmbeddedPostgres]:
    """A copy of the tests' server that follows its log."""
    primary = EmbeddedPostgres()
    with tempfile.TemporaryDirectory(prefix="replica-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(home / "home", home / "run")
        server.home.mkdir(mode=0o755)
        subprocess.run(
            [
                str(binaries() / "pg_basebackup"), "-h", str(primary.run), "-U", "postgres",
                "-D", str(server.data), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync",
            ],
            env=primary.environment(), check=True, timeout=60,
        )  # fmt: skip
        if account := stand_in_for_root(server.data):
            for path in [server.data, *server.data.rglob("*")]:
                os.chown(path, account.uid, account.gid)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass
class House:
    """A web process with the replica, and one metric."""

    address: str
    client: requests.Session
    path: str = ""
    count: int = 0
    problems: list[str] = field(default_factory=list)

    def post(self) -> None:
        body = [{"timestamp": 1_700_000_000 + self.count, "value": self.count}]
        answer = self.client.post(f"{self.path}/measures", json=body, timeout=30)
        assert answer.status_code == 202, answer.text
        self.count += 1

    def read(self) -> list[float]:
        answer = self.client.get(f"{self.path}/measures", timeout=30)
        assert answer.status_code == 200, answer.text
        return [value for _, _, value in answer.json()]

    def sees_all(self) -> None:
        assert self.read() == list(range(self.count))

    def figure(self, name: str) -> float:
        text = requests.get(f"{self.address}/metrics", timeout=30).text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(found[1]) if found else 0.0

    def by(self, server: str) -> float:
        return self.figure(f'telemetry_replica_reads_total{{server="{server}"}}')

    def faults(self, state: str) -> float:
        return self.figure(f'telemetry_replica_faults_total{{state="{state}"}}')


@pytest.fixture
def house(
    process_env: Callable[..., dict[str, str]], replica: EmbeddedPostgres, tmp_path: Path
) -> Iterator[House]:
    url = replica.url(connection.settings_dict["NAME"])
    settings = {"DATABASE_REPLICA_URL": url, "TELEMETRY_BASIC_AUTH": "1"}
    with (
        running_web(process_env, tmp_path / "web.log", **settings) as address,
        requests.Session() as client,
    ):
        client.auth = ("admin", "")
        found = House(address, client)
        root = f"{address}/metric/v1"
        assert client.post(f"{root}/archive_policy", json=POLICY, timeout=30).status_code == 201
        made = client.post(f"{root}/metric", json={"archive_policy_name": "seconds"}, timeout=30)
        found.path = f"{root}/metric/{made.json()['id']}"
        yield found


def test_what_was_acknowledged_is_seen_at_once_and_read_by_the_replica(house: House) -> None:
    for _ in range(40):
        house.post()
        house.sees_all()
    assert house.by("replica") > 20  # one read a question; now and then the replica is late
    assert house.by("replica") > 4 * house.by("primary")


def test_a_replica_that_falls_behind(house: House, replica: EmbeddedPostgres) -> None:
    house.post()
    with psycopg.connect(replica.url("postgres"), autocommit=True) as direct:
        direct.execute("SELECT pg_wal_replay_pause()")
        for _ in range(5):
            house.post()
            house.sees_all()
        assert house.faults("late") >= 1
        direct.execute("SELECT pg_wal_replay_resume()")
    before = house.by("replica")
    _until(lambda: (house.sees_all(), house.by("replica") > before)[1])


def test_a_replica_that_dies_and_comes_back(house: House, replica: EmbeddedPostgres) -> None:
    house.post()
    house.sees_all()
    replica.stop()
    for _ in range(5):
        house.post()
        house.sees_all()
    assert house.faults("away") >= 1
    before = house.by("replica")
    replica.start()
    _until(lambda: (house.sees_all(), house.by("replica") > before)[1])


def test_readers_while_slots_are_emptied(house: House) -> None:
    """TRUNCATE cancels the replica's readers, and its slot is empty for those who come late."""
    for _ in range(20):
        house.post()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                house.sees_all()
            except AssertionError as error:
                house.problems.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for one in readers:
        one.start()
    for _ in range(5):
        head.rotate(at_once=True)
        compaction.compact()
        time.sleep(0.2)
    ended.set()
    for one in readers:
        one.join()
    assert house.problems == []
    assert house.by("replica") > 20


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
