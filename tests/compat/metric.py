"""gnocchi's functional and live suites, read where its package put them, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PROCESS = Path(__file__).with_name("gabbi_process.py")
PREFIX = "gnocchi"
#: What the files take for granted (metric-api.md 22.2).
SETTINGS = {
    "TELEMETRY_METRIC_API_MAX_LIMIT": "7",
    "TELEMETRY_BASIC_AUTH": "1",
    "TELEMETRY_CORS_ORIGINS": "http://foobar.com",
    "TELEMETRY_PROXY_HEADERS": "1",
    "TELEMETRY_DEFAULT_ARCHIVE_POLICIES": "0",
    "TELEMETRY_PROMETHEUS_FOLD_LABELS": "1",
    "TELEMETRY_RETENTION_DAYS": "0",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    process = subprocess.Popen(
        [environment / "bin" / "python", PROCESS, server.url, *files],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        ended = False
        for line in process.stdout:
            message = json.loads(line)
            if "begin" in message:
                server.empty()
                print(file=process.stdin, flush=True)
            elif "end" in message:
                ended = True
            else:
                yield Outcome(**message)
    if process.returncode or not ended:
        sys.exit(f"gabbi's process ended early (exit code {process.returncode}).")
