"""What the evaluator counts (reliability.md 6.2)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

EVALUATIONS = Counter(
    "telemetry_evaluations_total", "Evaluations of alarms.", ["kind", "result"]
)  # fmt: skip
ERRORS = Counter("telemetry_evaluation_errors_total", "Alarms that could not be evaluated.")
MISSED = Counter(
    "telemetry_evaluation_missed_total", "Due times that passed while no evaluator was there."
)
TRANSITIONS = Counter("telemetry_transitions_total", "Changes of an alarm's state.", ["to"])
LOST = Counter(
    "telemetry_evaluation_overtaken_total", "Decisions dropped because the alarm had changed."
)
DELAY = Histogram(
    "telemetry_evaluation_delay_seconds", "From the due time to the decision's commit.",
    ["kind"], buckets=LATENCY_BUCKETS,
)  # fmt: skip
SHARD = Histogram(
    "telemetry_evaluation_shard_seconds", "One claim: read, decided and written.",
    buckets=LATENCY_BUCKETS,
)  # fmt: skip
OVERDUE = Gauge(
    "telemetry_evaluation_overdue", "Alarms that are due now.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
ALARMS = Gauge(
    "telemetry_alarms", "Enabled alarms by state.", ["state"],
    multiprocess_mode="mostrecent",
)  # fmt: skip


def observe_often(histogram: Histogram, amount: float, times: int) -> None:
    """As so many calls of `observe`, for which the library has no call: thousands a cycle cost a
    twentieth of it."""
    histogram._sum.inc(amount * times)
    bounds = enumerate(histogram._upper_bounds)
    histogram._buckets[next(place for place, bound in bounds if amount <= bound)].inc(times)
