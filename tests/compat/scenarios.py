"""ceilometer's API scenarios, unchanged, over real HTTP: `scenario_process` says how."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.compat.front import front
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    # Samples of 2012.
    "TELEMETRY_RETENTION_DAYS": "0",
}
PROCESS = Path(__file__).with_name("scenario_process.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends. They take the API to be at a host's root."""
    with (
        front(0, f"{server.root}/metering") as url,
        tempfile.TemporaryDirectory(prefix="compat-") as folder,
    ):
        yield from _run(
            server, [environment / "bin" / "python", "-P", PROCESS, url, folder, *files]
        )


def _run(server: Server, command: Sequence[str | Path]) -> Iterator[Outcome]:
    """-P: modules of this folder have names of packages."""
    from django.test.utils import override_settings

    from tests.support.store import empty_samples

    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process, override_settings(TELEMETRY_RETENTION_DAYS=0):
        ended = False
        server.empty()
        for line in process.stdout:
            message = json.loads(line)
            if "clear" in message or "sample" in message:
                if "clear" in message:
                    empty_samples()
                else:
                    _store(message["sample"])
                print(file=process.stdin, flush=True)
            elif "end" in message:
                ended = True
            else:
                yield Outcome(**message)
    if process.returncode or not ended:
        sys.exit(f"The scenarios' process ended early (exit code {process.returncode}).")


def _store(sample: Mapping[str, Any]) -> None:
    """By the way of every sample."""
    # Only where Django has been set up.
    from meters import wire
    from meters.store.write import store_batch
    from telemetry_site.clock import now_us

    resource = wire.Resource(
        sample["resource_id"], sample["project_id"], sample["user_id"], "generic",
        sample["resource_metadata"], sample["source"],
    )  # fmt: skip
    series = wire.Series(0, sample["counter_name"], sample["counter_unit"], sample["counter_type"])
    columns = [0], [_micros(sample["timestamp"])], [float(sample["counter_volume"])]
    result = store_batch(
        wire.Batch(
            v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat", created_at=now_us(),
            samples=wire.pack_samples(wire.Catalogue([resource], [series]), *columns),
        )
    )  # fmt: skip
    assert not result.problems, result.problems


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
