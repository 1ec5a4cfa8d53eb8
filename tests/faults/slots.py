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

    The agent polls on meanwhile: what was missed last is counted before the next report is there.
    """
    lacking = counted = 0.0

    def explained() -> bool:
        nonlocal lacking, counted
        lacking, died = _gaps(cluster, in_hand)
        counted = cluster.counters.value("compute.1", MISSED) + died
        return lacking == counted

    cluster.wait(
        explained, 15.0, lambda: f"{lacking:.0f} slots have no report, {counted:.0f} are counted"
    )
    print(f"{lacking:.0f} slots missed")
    return int(lacking)


def _gaps(cluster: Cluster, in_hand: Collection[float]) -> tuple[int, int]:
    """Slots that have no report, and how many of them were in hand."""
    slots = [cast(float, row[0]) for row in cluster.query(SELECT_SLOTS)]
    numbers = [round((slot - slots[0]) / INTERVAL_S) for slot in slots]
    assert len(set(numbers)) == len(numbers), f"a slot was polled twice: {numbers}"
    died = {round((slot - slots[0]) / INTERVAL_S) for slot in in_hand} - set(numbers)
    return numbers[-1] + 1 - len(numbers), len(died)


def wait_for_a_poll(cluster: Cluster) -> None:
    """The slots missed while the agent was dead are counted when it polls again."""
    before = cluster.counters.value("compute.1", "telemetry_polls_total")
    cluster.wait(
        lambda: cluster.counters.value("compute.1", "telemetry_polls_total") > before,
        15.0,
        lambda: "the compute agent does not poll again",
    )
