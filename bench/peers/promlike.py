"""Debian's `prometheus` and `victoria-metrics` on loopback, from packages unpacked in the cache
directory of the user: nothing is installed, no service started.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from bench.peers import cache_directory

WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
STARTS_WITHIN_S = 60
SETTLES_WITHIN_S = 120


@dataclass(frozen=True)
class Engine:
    """A running server of this kind; `at_rest` merges what is due and gives bytes on disk."""

    name: str
    version: str
    url: str
    process: psutil.Process
    at_rest: Callable[[], int]

    @property
    def write_url(self) -> str:
        return f"{self.url}/api/v1/write"


@contextmanager
def prometheus(folder: Path) -> Iterator[Engine]:
    package = unpacked("prometheus")
    url, port = _free_address()
    configuration = folder / "prometheus.yml"
    configuration.write_text("global: {}\n")
    data = folder / "prometheus"
    command = [
        package / "usr/bin/prometheus", f"--config.file={configuration}",
        f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver", "--web.enable-admin-api",
        "--storage.tsdb.retention.time=3650d",
    ]  # fmt: skip
    with _running(command, folder / "prometheus.log", f"{url}/-/ready") as process:
        yield Engine("prometheus", package.name, url, process, lambda: _prometheus_bytes(url, data))


@contextmanager
def victoria(folder: Path) -> Iterator[Engine]:
    package = unpacked("victoria-metrics")
    url, port = _free_address()
    data = folder / "victoria"
    command = [
        package / "usr/bin/victoria-metrics", f"-storageDataPath={data}",
        f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=120",
    ]  # fmt: skip
    with _running(command, folder / "victoria.log", f"{url}/health") as process:
        yield Engine("victoria", package.name, url, process, lambda: _victoria_bytes(url, data))


def _prometheus_bytes(url: str, data: Path) -> int:
    """Of a snapshot: all blocks, and what was still in memory as a block; no write-ahead log."""
    _settle(lambda: _counter(url, "prometheus_tsdb_compactions_total"))
    answer = requests.post(f"{url}/api/v1/admin/tsdb/snapshot", timeout=600)
    answer.raise_for_status()
    snapshot = data / "snapshots" / answer.json()["data"]["name"]
    size = _bytes_in(snapshot)
    shutil.rmtree(snapshot)
    return size


def _victoria_bytes(url: str, data: Path) -> int:
    """Parts merged, with the index of series; without what it can make anew (its caches)."""
    requests.get(f"{url}/internal/force_flush", timeout=600).raise_for_status()
    requests.get(f"{url}/internal/force_merge", timeout=600).raise_for_status()
    _settle(lambda: _counter(url, "vm_active_force_merges") + _counter(url, "vm_rows_merged_total"))
    folders = (data / "data", data / "indexdb")
    _settle(lambda: sum(map(_bytes_in, folders)))
    return sum(map(_bytes_in, folders))


def _counter(url: str, name: str) -> float:
    """The sum over its labels; 0 if there is none."""
    lines = requests.get(f"{url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def _settle(figure: Callable[[], float], calm_s: float = 3.0) -> None:
    """Wait until the figure has stood still for so long."""
    ends = time.monotonic() + SETTLES_WITHIN_S
    last, since = figure(), time.monotonic()
    while time.monotonic() - since < calm_s:
        if time.monotonic() > ends:
            raise SystemExit(f"A peer is still busy after {SETTLES_WITHIN_S} s.")
        time.sleep(0.25)
        if (now := figure()) != last:
            last, since = now, time.monotonic()


def _bytes_in(folder: Path) -> int:
    """Of all its files; those that a merge takes away meanwhile don't count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total


@contextmanager
def _running(command: list[object], log: Path, health: str) -> Iterator[psutil.Process]:
    with log.open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output)
    try:
        _wait(process, log, health)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], log: Path, health: str) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            if requests.get(health, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    sys.exit(f"{health} does not answer:\n{log.read_text()}")


def _free_address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}", port


def unpacked(package: str) -> Path:
    """The folder with the files of the Debian package, named by its version."""
    shown = subprocess.run(
        ["apt-cache", "policy", package], capture_output=True, text=True, check=False
    ).stdout  # fmt: skip
    version = next((line.split()[1] for line in shown.splitlines() if "Candidate:" in line), "")
    if version in ("", "(none)"):
        sys.exit(f"Debian's package {package} is not to be had: apt-get update")
    folder = cache_directory() / f"{package}-{version}"
    if not folder.exists():
        print(f"Unpacking Debian's {package} {version} in {folder} …", flush=True)
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        subprocess.run(["apt-get", "-qq", "download", package], cwd=draft, check=True)
        (file,) = draft.glob("*.deb")
        subprocess.run(["dpkg", "-x", file.name, "."], cwd=draft, check=True)
        file.unlink()
        draft.rename(folder)
    return folder
