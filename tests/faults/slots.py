"""The compute agent's slots: what was polled, and whether each that was not is counted (A3)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import cast

from tests.faults.cluster import HOST, Cluster

INTERVAL_S = 1
MISSED = "telemetry_poll_missed_total"
SELECT_SLOTS = """
SELECT extract(epoch FROM slot)::float8 FROM meters_pollreport AS report
JOIN meters_source AS source ON source.id = report.source_id WHERE source.kind = 'host'
ORDER BY slot
"""


def slot_in_hand(cluster: Cluster) -> float:
    """The slot that the compute agent took last, by its state on disk."""
    state = json.loads((cluster.home / "schedule" / f"compute.{HOST}.json").read_text())
    return float(state["last_slot"])


def check_slots(cluster: Cluster, in_hand: Collection[float] = ()) -> int:
    """Every slot from the first to the last has one report, or is counted as missed.

    But for those that a killed agent had `in_hand`: polled by then, they have their report; half
    polled, nobody is left to count them. Returns how many have none.
    """
    slots = [cast(float, row[0]) for row in cluster.query(SELECT_SLOTS)]
    numbers = [round((slot - slots[0]) / INTERVAL_S) for slot in slots]
    assert len(set(numbers)) == len(numbers), f"a slot was polled twice: {numbers}"
    gaps = numbers[-1] + 1 - len(numbers)
    print(f"{len(numbers)} slots polled, {gaps} missed")
    died = {round((slot - slots[0]) / INTERVAL_S) for slot in in_hand} - set(numbers)
    assert gaps == cluster.counters.value("compute.1", MISSED) + len(died)
    return gaps


def wait_for_a_poll(cluster: Cluster) -> None:
    """The slots missed while the agent was dead are counted when it polls again."""
    before = cluster.counters.value("compute.1", "telemetry_polls_total")
    cluster.wait(
        lambda: cluster.counters.value("compute.1", "telemetry_polls_total") > before,
        15.0,
        lambda: "the compute agent does not poll again",
    )
