"""A house of real processes that a test may break: servers, roles, producers, and the network.

Agents reach the broker, workers the broker, and workers PostgreSQL each through a proxy of their
own (`agent_broker`, `worker_broker`, `worker_database`), so that a test can break one edge alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import requests

from telemetry_site.embedded.postgres import EmbeddedPostgres
from telemetry_site.paths import ROOT
from telemetry_site.processes import Identity
from telemetry_site.roles import ROLES
from tests.faults import ledger, oracle
from tests.faults.brokers import Broker, ValkeyBroker
from tests.faults.counters import Counters
from tests.faults.processes import ClusterError, Processes, wait_for
from tests.faults.proxy import Proxy

READY_WITHIN_S = 40.0
#: §4.1: whatever was broken, so soon after healing all is as it was.
RECOVERED_WITHIN_S = 30.0
COLLECTOR_QUEUE = "collector"
RECEIPTS = "telemetry_receipts_total"
#: The name of this machine in the cluster: what the compute role polls is called so.
HOST = "fault-host"
#: Short, so that a test need not wait a minute for what a lost message costs.
RECEIPT_TIMEOUT_S = 3


class Cluster:
    """PostgreSQL and a broker with whatever roles and producers a test starts.

    `template` is a directory with a migrated PostgreSQL, copied to save making one.
    """

    def __init__(self, home: Path, broker: Broker, template: Path | None = None, seed: int = 0):
        self.home = home
        self.seed = seed
        self.broker = broker
        self.postgres = EmbeddedPostgres(home)
        for directory in ("logs", "ledgers", "run", "failpoints"):
            (home / directory).mkdir(parents=True, exist_ok=True)
        if template is not None:
            subprocess.run(["cp", "-a", str(template / "postgres"), str(home)], check=True)
        self.agent_broker = Proxy(broker.listen_address("agent-broker"), broker.address, seed)
        self.worker_broker = Proxy(broker.listen_address("worker-broker"), broker.address, seed)
        self.worker_database = Proxy(
            home / "edge" / ".s.PGSQL.5432", self.postgres.run / ".s.PGSQL.5432", seed
        )
        self.edges = (self.agent_broker, self.worker_broker, self.worker_database)
        self.processes = Processes(home / "logs", self._environment)
        self.counters = Counters(home / "run" / "metrics")

    # --- servers -----------------------------------------------------------------------------

    def start_servers(self) -> None:
        (self.home / "edge").mkdir()
        with self.processes.log_file("broker").open("ab") as log:
            self.broker.start(log)
        self.start_postgres()
        for proxy in self.edges:
            proxy.start()

    @contextmanager
    def broker_away(self) -> Iterator[None]:
        """The server itself is shut down, and afterwards comes up with what it had."""
        self.broker.shut_down()
        try:
            yield
        finally:
            with self.processes.log_file("broker").open("ab") as log:
                self.broker.come_up(log)

    def start_postgres(self) -> None:
        with self.processes.log_file("postgres").open("ab") as log:
            self.postgres.start(log)

    def crash_postgres(self) -> None:
        """Stop in immediate mode: no checkpoint, no good-byes; the next start recovers."""
        self.postgres.stop(signal.SIGQUIT)

    def kill_postmaster(self) -> None:
        """SIGKILL; its backends notice and end, which the next start waits for."""
        self.postgres.stop(signal.SIGKILL)

    def kill_backend(self, role: str = "collector") -> bool:
        """SIGKILL to one backend that serves a role: PostgreSQL then restarts all of them."""
        with psycopg.connect(self.postgres.url()) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            ).fetchall()
        for (pid,) in rows[:1]:
            identity = Identity.of(pid)
            if identity:
                identity.signal(signal.SIGKILL)
        return bool(rows)

    def heal(self) -> None:
        """Every edge forwards again."""
        for proxy in self.edges:
            proxy.up()

    # --- roles and producers -----------------------------------------------------------------

    def start_role(self, name: str, instance: str = "1", wait: bool = True, **env: str) -> str:
        """Start a role; `instance` tells several of one role apart. Returns the process's key."""
        key = f"{name}.{instance}"
        settings = ROLES[name].settings
        env = {"TELEMETRY_INSTANCE": instance, "EDGE": settings, **env}
        self.processes.start(key, ["manage.py", "role", name], env)
        if wait:
            self.wait_ready(key)
        return key

    def start_producer(
        self, agent_id: str, rate: float = 40.0, wait: bool = True, **env: str
    ) -> str:
        """Start `tests.faults.producer` with a spool of its own; `rate` in batches a second."""
        argv = ["-m", "tests.faults.producer", str(self.home / "ledgers")]
        own = {
            "EDGE": "agent",
            "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
            "TELEMETRY_AGENT_ID": agent_id,
            "PROMETHEUS_MULTIPROC_DIR": str(self._empty_metrics(agent_id)),
        }
        ledgers = self._ledgers(agent_id)
        self.processes.start(agent_id, [*argv, str(self.seed), str(rate)], own | env)
        if wait:
            self._wait_ledger(agent_id, ledgers)
        return agent_id

    def start_packer(self) -> str:
        """Start `tests.faults.packer`: the store moves on all the time, in a process of its own."""
        own = {
            "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.server",
            "TELEMETRY_SLOT_SECONDS": "0",
            "PROMETHEUS_MULTIPROC_DIR": str(self._empty_metrics("packer")),
        }
        self.processes.start("packer", ["-m", "tests.faults.packer"], own)
        return "packer"

    def kill(self, key: str) -> None:
        self.processes.kill(key)

    def start_again(self, key: str, wait: bool = True, **env: str) -> None:
        """What was killed, or has ended, starts as it was started before."""
        self.counters.harvest(key)
        if (self.home / "run" / "metrics" / key).is_dir():
            self._empty_metrics(key)
        ledgers = self._ledgers(key)
        self.processes.start_again(key, **env)
        if wait and self._is_role(key):
            self.wait_ready(key)
        elif wait:
            self._wait_ledger(key, ledgers)

    def wait_ready(self, key: str) -> None:
        status = self.home / "run" / "roles" / f"{key}.json"
        pid = self.processes.pid(key)

        def is_ready() -> bool:
            if not self.processes.alive(key):
                raise ClusterError(f"{key} ended at once:\n{self.processes.log_end(key)}")
            text = status.read_text() if status.exists() else ""
            return f'"pid": {pid},' in text and '"state": "ready"' in text

        self.wait(is_ready, READY_WITHIN_S, lambda: f"{key} is not ready:\n{self._log_end(key)}")

    def status(self, key: str) -> dict[str, object]:
        """The process's own status file."""
        text = (self.home / "run" / "roles" / f"{key}.json").read_text()
        found: dict[str, object] = json.loads(text)
        return found

    def metric(self, key: str, name: str) -> float:
        """A figure without labels, as the role itself tells it at /metrics."""
        said = requests.get(f"{self.status(key)['health']}/metrics", timeout=10).text
        (value,) = re.findall(rf"^{name} (\S+)$", said, re.MULTILINE)
        return float(value)

    def command(self, *arguments: str, **env: str) -> str:
        """Run a command of manage.py to its end; returns its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._environment(env), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise ClusterError(f"{arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """At once: all that there was to judge has been judged."""
        self.processes.kill_all()
        for proxy in self.edges:
            proxy.stop()
        self.postgres.stop()
        self.broker.stop()

    def _ledgers(self, agent_id: str) -> int:
        return len(list((self.home / "ledgers").glob(f"{agent_id}.*")))

    def _wait_ledger(self, agent_id: str, before: int) -> None:
        """A producer is ready, signals included, when its ledger is there."""
        self.wait(
            lambda: self._ledgers(agent_id) > before,
            READY_WITHIN_S,
            lambda: f"{agent_id} does not begin:\n{self._log_end(agent_id)}",
        )

    def _is_role(self, key: str) -> bool:
        return key.rpartition(".")[0] in ROLES

    def _log_end(self, key: str) -> str:
        return self.processes.log_end(key)

    def _empty_metrics(self, key: str) -> Path:
        directory = self.home / "run" / "metrics" / key
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        """`EDGE` says whose way to the broker it is: an agent's, or a server's (the default)."""
        more = dict(more)
        edge = self.agent_broker if more.pop("EDGE", "") == "agent" else self.worker_broker
        kept = ("PATH", "HOME", "LANG", "PYTHONPATH")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "TELEMETRY_HOME": str(self.home),
            "TELEMETRY_HOST": HOST,
            "TELEMETRY_FAILPOINTS_DIR": str(self.home / "failpoints"),
            "TELEMETRY_RECEIPT_TIMEOUT": str(RECEIPT_TIMEOUT_S),
            "TELEMETRY_POLL_INTERVAL": "1",
            "LIBVIRT_URI": "none",
            "DATABASE_URL": f"postgresql://postgres@/telemetry?host={self.home / 'edge'}",
            "BROKER_URL": self.broker.url(edge.address),
            "SECRET_KEY": "the fault tests' own",
            "PYTHONUNBUFFERED": "1",
            **_sabotage(),
            **more,
        }

    # --- failpoints --------------------------------------------------------------------------

    def arm(self, name: str, action: str = "kill9", number: int = 1) -> None:
        """The process that passes the failpoint for the `number`th time from now acts, once."""
        path = self.home / "failpoints" / name
        path.with_name(f"{name}.hit").unlink(missing_ok=True)
        draft = path.with_name(f".{name}")
        draft.write_text(f"{action}@{number}")
        draft.replace(path)

    def wait_hit(self, name: str, within_s: float = 30.0) -> None:
        hit = self.home / "failpoints" / f"{name}.hit"
        self.wait(hit.exists, within_s, lambda: f"nothing has come to the failpoint {name}")

    # --- what is where -----------------------------------------------------------------------

    def spooled(self) -> int:
        """Batches without a receipt."""
        return len(list((self.home / "spool").glob("*/*.b")))

    def queued(self) -> int:
        """Messages that wait in the collector's queue.

        What a killed worker had taken from Valkey is not counted: it comes back after the
        visibility timeout, when its batch has long been published again and receipted.
        """
        return self.broker.waiting(COLLECTOR_QUEUE)

    def counted(self, name: str, **labels: str) -> float:
        """A counter's sum over all processes, dead ones included."""
        return sum(self.counters.value(key, name, **labels) for key in self.processes.running)

    def acknowledged(self) -> int:
        """Batches that producers were promised so far."""
        return self.book().batches

    def book(self) -> ledger.Book:
        return ledger.read(sorted((self.home / "ledgers").iterdir()))

    def stored(self) -> oracle.Stored:
        return oracle.ask(self.postgres.url())

    def query(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        """Rows of the database, asked directly and not through a proxy."""
        with psycopg.connect(self.postgres.url()) as connection:
            return connection.execute(statement, arguments).fetchall()  # type: ignore[arg-type]

    def judge(self) -> oracle.Verdict:
        """The ledgers of all producers against the store; what the host's poll made is no ghost."""
        return oracle.judge(self.book(), self.stored().without(HOST))

    # --- waiting -----------------------------------------------------------------------------

    def wait(self, done: Callable[[], object], within_s: float, why: Callable[[], str]) -> None:
        wait_for(done, within_s, why)

    def wait_acknowledged(self, batches: int, within_s: float = 30.0) -> None:
        """Until the producers have so many promises: the load is on."""
        self.wait(
            lambda: self.acknowledged() >= batches,
            within_s,
            lambda: f"{self.acknowledged()} of {batches} batches acknowledged",
        )

    def wait_receipted(self, batches: int, within_s: float = 30.0) -> None:
        """Until the producers have so many receipts more than now: work goes on."""
        wanted = self.counted(RECEIPTS) + batches
        self.wait(
            lambda: self.counted(RECEIPTS) >= wanted,
            within_s,
            lambda: f"{self.counted(RECEIPTS)} of {wanted} receipts",
        )

    def wait_quiet(self, within_s: float = RECOVERED_WITHIN_S) -> float:
        """Until spools and queue are empty; returns the seconds it took."""
        began = time.monotonic()
        self.wait(
            lambda: not self.spooled() and not self.queued(),
            within_s,
            lambda: f"not quiet: {self.spooled()} batches in spools, {self.queued()} in the queue",
        )
        return time.monotonic() - began


def _sabotage() -> dict[str, str]:
    """Switches a safety of the product off: see `sabotage/sitecustomize.py`."""
    name = os.environ.get("TELEMETRY_FAULT_SABOTAGE")
    here = str(Path(__file__).with_name("sabotage"))
    return {"TELEMETRY_FAULT_SABOTAGE": name, "PYTHONPATH": here} if name else {}


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with its servers and proxies up; at the end everything is gone."""
    try:
        cluster.start_servers()
        yield cluster
    finally:
        cluster.stop()


def make_template(home: Path) -> Path:
    """A migrated PostgreSQL that is stopped, to be copied; its servers leave no trace."""
    with running(Cluster(home, ValkeyBroker(home))) as cluster:
        cluster.command("migrate", "--verbosity", "0")
    return home
