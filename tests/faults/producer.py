"""Load for a fault test: an agent's process that keeps a ledger of what it was promised.

    python -m tests.faults.producer LEDGERS SEED RATE

Submits RATE batches a second of samples and events through `pollers.agent`, as every agent does;
with rate 0 one batch for each SIGUSR1. A batch is `ok` once the spool has taken it: from then on
nothing may lose it. On SIGTERM it stops making, waits until every batch has its receipt, and ends;
the test bounds that wait. Each start writes a ledger of its own in the directory LEDGERS. With
LAZY_DISK=1 the spool loses what it has not synced (see `lazydisk`).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings

from meters import wire
from telemetry_site.clock import now_us
from telemetry_site.worker import configure_logs
from tests.faults import lazydisk
from tests.faults.ledger import Ledger

SAMPLES_A_BATCH = 60
EVENTS_A_BATCH = 3


class Load:
    """Deterministic but for the times, which must lie around now."""

    def __init__(self, agent_id: str, seed: int) -> None:
        self._random = random.Random(f"{agent_id}-{seed}")
        self._agent_id = agent_id
        self._born = now_us()
        self._number = 0

    def next_batch(self) -> list[wire.Batch]:
        """One batch, sometimes with a resource that is new or whose metadata changed."""
        from pollers.batch import BatchBuilder

        self._number += 1
        builder = BatchBuilder(self._agent_id)
        now = now_us()
        for row in range(SAMPLES_A_BATCH):
            resource = wire.Resource(
                f"{self._agent_id}-vm{self._random.randrange(20 + self._number // 10)}",
                "p1",
                metadata={"generation": self._number // 50, "trap": {"__type__": "bytes"}},
            )
            builder.add(resource, f"meter{row % 4}", self._random.random(), now + row)
        for row in range(EVENTS_A_BATCH):
            traits = [wire.Trait("number", "int", self._number)]
            name = f"{self._agent_id}-{self._born}-{self._number}-{row}"
            builder.event(wire.Event(name, "load.event", now, traits))
        return builder.batches()


class Producer:
    def __init__(self, ledgers: Path, seed: int, rate: float) -> None:
        from pollers.agent import current_agent

        self._rate = rate
        self._asked = threading.Semaphore(0)
        self._stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        signal.signal(signal.SIGUSR1, lambda *_: self._asked.release())
        self._agent = current_agent()
        self._load = Load(self._agent.agent_id, seed)
        # Made last: that the ledger is there tells the test that signals may come.
        self._ledger = Ledger(ledgers / f"{self._agent.agent_id}.{now_us()}")

    def run(self) -> None:
        self._agent.start()
        while not self._stopping.is_set():
            if self._due():
                self._make()
        while len(self._agent.spool):
            time.sleep(0.02)
        self._agent.stop()
        self._ledger.close()

    def _due(self) -> bool:
        if not self._rate:
            return self._asked.acquire(timeout=0.02)
        return not self._stopping.wait(1 / self._rate)

    def _make(self) -> None:
        for batch in self._load.next_batch():
            self._ledger.invoke(batch)
            self._agent.submit([batch])
            self._ledger.ok(batch.batch_id)


if __name__ == "__main__":
    django.setup()
    configure_logs()
    assert settings.TELEMETRY_AGENT_ID
    if os.environ.get("LAZY_DISK"):
        lazydisk.install(import_module("pollers.spool"))
    Producer(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run()
