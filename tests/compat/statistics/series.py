"""Random series for the transformers of `pipeline.yaml`; each seed gives the same again."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.compat.statistics.questions import RESOURCES, SEEDS, begin_us

PIPELINE = Path(__file__).with_name("pipeline.yaml")
#: What they make.
TARGETS = (
    "tr.util", "tr.counter.rate", "tr.gauge.rate", "tr.delta", "tr.growth", "tr.gauge.growth",
)  # fmt: skip
METERS = {"tr.counter": ("cumulative", "ns"), "tr.gauge": ("gauge", "B")}
SAMPLES = 160
#: No two samples of a series are a day apart: we make nothing of such.
SPAN_US = 2 * 86_400_000_000

__all__ = ["PIPELINE", "SEEDS", "TARGETS", "series"]


@lru_cache
def series(seed: int) -> list[dict[str, Any]]:
    """Samples in the order of time: counters that grow, stand still and begin anew; gauges."""
    rng = random.Random(f"series {seed}")
    levels: dict[tuple[str, str], float] = {}
    found = []
    for offset in sorted(rng.sample(range(SPAN_US), SAMPLES)):
        name, resource = rng.choice(list(METERS)), rng.choice(RESOURCES)
        kind, unit = METERS[name]
        cpus = rng.choice([1, 2, 4, None])
        metadata = {"display_name": resource} | ({"cpu_number": cpus} if cpus else {})
        found.append({
            "counter_name": name, "counter_type": kind, "counter_unit": unit,
            "counter_volume": _next(rng, levels, name, resource), "resource_id": resource,
            "project_id": "p1", "user_id": "u1", "source": "openstack",
            "resource_metadata": metadata, "timestamp_us": begin_us() + offset,
        })  # fmt: skip
    return found


def _next(
    rng: random.Random, levels: dict[tuple[str, str], float], name: str, resource: str
) -> float:
    if name == "tr.gauge":
        return rng.choice([rng.uniform(-100, 100), 5.0])
    before = levels.get((name, resource), 0.0)
    grown = rng.choice([0.0, rng.uniform(0, 1e9), rng.uniform(0, 1e14)])
    levels[name, resource] = grown if rng.random() < 0.15 else before + grown
    return levels[name, resource]
