"""Metrics of the publishers. `publisher` is a target's name: as many as the operator wrote."""

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

WAITING = Gauge(
    "telemetry_publisher_queue_depth",
    "Batches that wait for a target.",
    ["publisher"],
    multiprocess_mode="livemax",
)
UP = Gauge(
    "telemetry_publisher_up",
    "1 while a target takes what is delivered.",
    ["publisher"],
    multiprocess_mode="livemin",
)
DELIVERED = Counter(
    "telemetry_publisher_items_total",
    "Samples and events that a target has taken.",
    ["publisher", "kind"],
)
FAILED = Counter(
    "telemetry_publisher_failures_total",
    "Deliveries that will be tried again, since the target was away.",
    ["publisher"],
)
REFUSED = Counter(
    "telemetry_publisher_refused_total",
    "Samples and events that a target will never take; they lie in the quarantine.",
    ["publisher"],
)
DROPPED = Counter(
    "telemetry_publisher_dropped_batches_total",
    "Batches that made room for newer ones, because the backlog of a target was full.",
    ["publisher"],
)
COPIES = Counter(
    "telemetry_publisher_copies_total",
    "Batches not delivered because the same was delivered lately.",
    ["publisher"],
)
UNKNOWN_ERRORS = Counter(
    "telemetry_publisher_unknown_errors_total",
    "Unforeseen faults while delivering.",
    ["publisher"],
)
SECONDS = Histogram(
    "telemetry_publisher_delivery_seconds",
    "Time that a target took for one batch.",
    ["publisher"],
    buckets=LATENCY_BUCKETS,
)
