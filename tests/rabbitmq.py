"""A real RabbitMQ node for tests, started by hand: own name, own directories, loopback only.

The Debian package's service is not used: the node belongs to the test run and leaves nothing
behind, `epmd` (which outlives every node) included. A missing server skips the test, which CI
forbids.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.support.ports import free_port
from tests.support.tls import make_certificates

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


class RabbitNode:
    """One node. `url(vhost)` is its AMQP address; it may be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self.tls_port = free_port(), free_port()
        self._epmd_port, self._distribution_port = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def tls_url(self, vhost: str = "") -> str:
        """By TLS: with the certificate `good` of `directory` (see `make_certificates`). Who shows
        one must have it of the same authority."""
        return f"amqps://guest:guest@localhost:{self.tls_port}/{vhost}"

    def url(self, vhost: str = "") -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def start(self) -> None:
        """Returns when it answers. Raises `RuntimeError` with its output if it does not."""
        config = self.directory / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            f"listeners.ssl.default = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {self.directory}/ca.pem\n"
            f"ssl_options.certfile = {self.directory}/good.pem\n"
            f"ssl_options.keyfile = {self.directory}/good.key\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = false\n"
        )
        (self.directory / "plugins").write_text("[].\n")
        # Started by us and not by the node, epmd is a child that can be ended.
        self._spawn(["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)])
        self._spawn([str(SERVER)])
        try:
            self._wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the node (a session of its own) and then its epmd."""
        while self._processes:
            process = self._processes.pop()
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl against the node; returns its output."""
        done = subprocess.run(
            [str(SERVER.parent / "rabbitmqctl"), "-q", *arguments],
            env=self._environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_vhost(self, name: str) -> str:
        """A virtual host of its own, so that no test meets another's queues; returns its URL."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": name}],
            "permissions": [{"vhost": name, "user": "guest", **everything}],
        }
        file = self.directory / "definitions.json"
        file.write_text(json.dumps(definitions))
        self.control("import_definitions", str(file))  # both at once: each command takes a second
        return self.url(name)

    def _spawn(self, argv: list[str]) -> None:
        with (self.directory / "output").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    argv, env=self._environment(), stdout=output, stderr=output,
                    stdin=subprocess.DEVNULL, start_new_session=True,
                )
            )  # fmt: skip

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            if self._processes[-1].poll() is not None or time.monotonic() > deadline:
                text = (self.directory / "output").read_text(errors="replace")
                raise RuntimeError(f"RabbitMQ does not start:\n{text[-2000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with Connection(self.url(), connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=0, timeout=2)
        except OperationalError:
            return False
        return True

    def _environment(self) -> dict[str, str]:
        base = self.directory
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(base),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq"),
            "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": LOOPBACK,
            "RABBITMQ_CTL_ERL_ARGS": LOOPBACK,
        }


@contextmanager
def rabbit_node() -> Iterator[RabbitNode]:
    """A running node in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="telemetry-rabbit-"))
    node = RabbitNode(make_certificates(directory))
    try:
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitNode]:
    """The running node of this pytest process."""
    if not SERVER.exists() or not shutil.which("epmd"):
        pytest.skip("rabbitmq-server is not installed (deploy/apt-test.txt)")
    with rabbit_node() as node:
        yield node
