"""Ours of every command of `ceilometer`, with one endpoint and a token of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.aodhclient import administrator_token
from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS: dict[str, str] = {}
COMMANDS = Path(__file__).with_name("metering_commands.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test."""
    server.empty()
    _store_event()
    client = {
        "CEILOMETER_URL": f"{server.root}/metering",
        "COMPAT_TOKEN": administrator_token(),
        "PYTHONWARNINGS": "ignore",
    }
    yield from run_files(environment, {"commands": COMMANDS}, files, client)


def _store_event() -> None:
    """No API takes events."""
    from meters import wire
    from meters.store.write import store_batch
    from telemetry_site.clock import now_us

    traits = [wire.Trait("name", "text", "disk"), wire.Trait("size", "int", 5)]
    event = wire.Event("m0", "volume.create.end", now_us(), traits, {"k": {"n": 0}})
    store_batch(
        wire.Batch(
            v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat", created_at=now_us(),
            events=wire.EventBatch([event]),
        )
    )  # fmt: skip
