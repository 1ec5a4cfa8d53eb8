"""What is counted many times at once is what the library counts one by one."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from alarms.evaluator.metrics import observe_often
from telemetry_site.buckets import LATENCY_BUCKETS


@pytest.mark.parametrize("amount", [0.0, 0.005, 0.4, 900.0, 1e9])
def test_often_is_as_one_by_one(amount: float) -> None:
    def told(often: bool) -> bytes:
        registry = CollectorRegistry()
        own = Histogram("delay", "d", ["kind"], buckets=LATENCY_BUCKETS, registry=registry)
        child = own.labels("x")
        if often:
            observe_often(child, amount, 4)
        else:
            for _ in range(4):
                child.observe(amount)
        kept = (line for line in generate_latest(registry).splitlines() if b"_created" not in line)
        return b"\n".join(kept)

    assert told(True) == told(False)
