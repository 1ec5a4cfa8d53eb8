"""panko's last gabbi files, read where its package put them, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    "TELEMETRY_EVENT_API_PREFIX": "telemetry",
    "TELEMETRY_CORS_ORIGINS": "http://valid.example.com",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    url = f"{server.root}/telemetry"
    yield from run_gabbi("panko", url, server, environment, files, prepare)


def prepare(file: str) -> None:
    """panko's own data: three kinds of cookies, of nobody's project."""
    if not file.endswith("with-data"):
        return
    from meters import wire
    from meters.store.write import store_batch
    from telemetry_site.clock import now_us

    events = [
        wire.Event(
            f"fea1b15a-1d47-4175-85a5-a4bb2c72924{place}",
            f"cookies_{name}",
            now_us(),
            [wire.Trait("type", "text", name), wire.Trait("ate", "int", place)],
            {"nested": {"inside": "value"}},
        )
        for place, name in enumerate(("chocolate.chip", "peanut.butter", "sugar"))
    ]
    store_batch(
        wire.Batch(
            v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat", created_at=now_us(),
            events=wire.EventBatch(events),
        )
    )  # fmt: skip
