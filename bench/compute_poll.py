"""One poll of a hypervisor by our source and by ceilometer's: `make bench NAME=compute_poll`.

A real libvirtd (root) with 10, then 100 QEMU guests that are started and paused, each with Nova's
metadata, a disk and a tap; both agents poll the same guests in turn, the same meters. CPU is that
of the agent with its child, and beside it libvirtd's own. Ceilometer runs where its environment is
there (`make compat SUITE=ceilometer` makes it), with the binding to libvirt that we use.

Last, what 1 000 guests cost the agent without libvirt: the answers of the real ones again and again
under other names.

`OPTIONS=--quick` is a small run for trying, which leaves the result file alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psutil

from bench.stage import clocked, show, spread, write
from pollers.batch import BatchBuilder
from pollers.compute.aside import Aside
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.libvirt_source import LibvirtSource
from pollers.compute.rows import DomainRow
from tests.libvirt_host import LibvirtHost, libvirt_host, nova_metadata, why_not

SIZES, ROUNDS = (10, 100), 15
QUICK_SIZES, QUICK_ROUNDS = (3,), 3
MANY = 1_000
DEADLINE_S = 30.0
#: What both know: the meters of a guest that is paused, without its balloon's and perf's.
METERS = (
    "cpu", "vcpus", "memory", "memory.resident", "power.state", "disk.device.*", "disk.root.size",
    "disk.ephemeral.size", "network.incoming.*", "network.outgoing.*",
)  # fmt: skip
#: Nothing goes over a network: the transport keeps messages in the process.
CEILOMETER_CONF = """
[DEFAULT]
libvirt_uri = {uri}
transport_url = fake://
log_file = {folder}/log
[polling]
cfg_file = {folder}/polling.yaml
"""
PEER = Path(sys.prefix) / "compat-ceilometer" / "bin" / "python"

Figures = dict[str, list[float]]


def uuid_of(number: int) -> str:
    return str(UUID(int=(0xBE << 120) + number))


def add_guests(host: LibvirtHost, first: int, end: int) -> None:
    for number in range(first, end):
        name = f"instance-{number:08x}"
        metadata = nova_metadata("p1", "u1", f"web-{number}")
        host.define(name, uuid_of(number), metadata, tap=f"bench{number}")
        host.virsh("start", name, "--paused")


def cpu_of(pid: int) -> float:
    """CPU seconds of the process's threads, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in tasks) / 1e9


def measured(poll: Callable[[], dict[str, float]], daemon: int, rounds: int) -> Figures:
    """Figures of each round, after one that fills the caches; libvirtd's CPU is added."""
    poll()
    figures: Figures = {}
    for _ in range(rounds):
        before = cpu_of(daemon)
        one = poll()
        one["libvirtd_cpu_s"] = cpu_of(daemon) - before
        for name, value in one.items():
            figures.setdefault(name, []).append(value)
    return figures


@contextmanager
def ours(host: LibvirtHost) -> Iterator[Callable[[], dict[str, float]]]:
    hypervisor = Hypervisor(host.uri, DEADLINE_S)
    source = LibvirtSource(hypervisor, "bench", ("", ""))

    def poll() -> dict[str, float]:
        builder = BatchBuilder("bench")
        children = [one.pid for one in psutil.Process().children() if one.pid != host.daemon_pid]
        child = sum(map(cpu_of, children))
        own = time.process_time()
        wall = clocked(lambda: (source.poll(builder), builder.batches()))
        own = time.process_time() - own
        child = sum(map(cpu_of, children)) - child
        return {
            "wall_s": wall, "cpu_s": own + child, "agent_cpu_s": own,
            "samples": float(builder.samples),
        }  # fmt: skip

    try:
        yield poll
    finally:
        hypervisor.close()


@contextmanager
def ceilometers(host: LibvirtHost) -> Iterator[Callable[[], dict[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        source = {"name": "all", "interval": 10, "meters": METERS}
        (folder / "polling.yaml").write_text(json.dumps({"sources": [source]}))
        (folder / "ceilometer.conf").write_text(CEILOMETER_CONF.format(uri=host.uri, folder=folder))
        binding = find_spec("libvirt")
        assert binding is not None
        assert binding.origin is not None
        (folder / "lib").mkdir()
        for file in Path(binding.origin).parent.glob("libvirt*.*"):
            if not file.is_dir():
                (folder / "lib" / file.name).symlink_to(file)
        script = Path(__file__).parent / "peers" / "ceilometer_poll.py"
        with subprocess.Popen(
            [PEER, script, folder / "ceilometer.conf"],
            env=os.environ | {"PYTHONPATH": str(folder / "lib")}, cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            stdin, stdout = process.stdin, process.stdout
            if stdout.readline() != "ready\n":
                sys.exit((folder / "log").read_text()[-3000:])

            def poll() -> dict[str, float]:
                stdin.write("\n")
                stdin.flush()
                figures: dict[str, float] = json.loads(stdout.readline())
                return figures

            try:
                yield poll
            finally:
                stdin.close()


class Multiplied:
    """A hypervisor of many guests: what a real one said, again and again under other names."""

    shown_uri = "multiplied"

    def __init__(self, real: Hypervisor, many: int) -> None:
        self.aside = Aside()
        rows, _ = real.read()
        texts, _ = real.xml([row.uuid for row in rows])
        self._rows: list[DomainRow] = []
        self._texts: dict[str, str] = {}
        for number in range(many):
            row, uuid = rows[number % len(rows)], uuid_of(number)
            self._rows.append(row._replace(uuid=uuid))
            self._texts[uuid] = texts[row.uuid].replace(row.uuid, uuid)

    def read(self) -> tuple[list[DomainRow], list[str]]:
        return self._rows, []

    def xml(self, uuids: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        return {uuid: self._texts[uuid] for uuid in uuids}, {}


def many_guests(host: LibvirtHost, rounds: int) -> dict[str, Any]:
    real = Hypervisor(host.uri, DEADLINE_S)
    try:
        multiplied = Multiplied(real, MANY)
    finally:
        real.close()
    source = LibvirtSource(cast(Hypervisor, multiplied), "bench", ("", ""))
    cpu, samples, batches = [], 0, []
    for _ in range(rounds + 1):
        builder, before = BatchBuilder("bench"), time.process_time()
        source.poll(builder)
        batches = builder.batches()
        cpu.append(time.process_time() - before)
        samples = builder.samples
    return {
        "first_cpu_ms": cpu[0] * 1e3, "cpu_ms": spread([one * 1e3 for one in cpu[1:]]),
        "samples": samples, "batches": len(batches),
    }  # fmt: skip


def summary(figures: Figures) -> dict[str, Any]:
    """In milliseconds a poll."""
    times = {
        name.replace("_s", "_ms"): spread([value * 1e3 for value in values])
        for name, values in figures.items()
        if name != "samples"
    }
    return {"samples": figures["samples"][-1]} | times


def main(sizes: tuple[int, ...], rounds: int, keep: bool) -> None:
    if why_not():
        sys.exit(why_not())
    agents = {"ours": ours} | ({"ceilometer": ceilometers} if PEER.exists() else {})
    result: dict[str, Any] = {}
    with libvirt_host() as host:
        guests = 0
        for size in sizes:
            add_guests(host, guests, size)
            guests = size
            result[f"{size} guests"] = {}
            for name, agent in agents.items():
                with agent(host) as poll:
                    figures = measured(poll, host.daemon_pid, rounds)
                result[f"{size} guests"][name] = summary(figures)
        result[f"{MANY} guests, agent alone"] = many_guests(host, rounds)
    if keep:
        write("compute_poll", result)
    else:
        show(result)
    if "ceilometer" not in agents:
        print("Ceilometer was not asked: make compat SUITE=ceilometer brings its environment.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    main(QUICK_SIZES if quick else SIZES, QUICK_ROUNDS if quick else ROUNDS, keep=not quick)
