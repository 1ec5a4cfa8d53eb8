"""Metrics of the agents (names of reliability.md 6.2)."""

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

SPOOL_FILES = Gauge(
    "telemetry_spool_files", "Batches without a receipt.", multiprocess_mode="livesum"
)
SPOOL_BYTES = Gauge("telemetry_spool_bytes", "Size of the spool.", multiprocess_mode="livesum")
SPOOL_OLDEST = Gauge(
    "telemetry_spool_oldest_seconds", "Age of the oldest batch.", multiprocess_mode="livemax"
)
SPOOL_DROPPED = Counter(
    "telemetry_spool_dropped_total", "Items dropped because the spool was full.", ["reason"]
)
SPOOL_CORRUPT = Counter("telemetry_spool_corrupt_total", "Damaged spool files set aside.")
INFLIGHT = Gauge(
    "telemetry_inflight_batches", "Batches published, no receipt yet.", multiprocess_mode="livesum"
)
PUBLISHED = Counter("telemetry_batches_published_total", "Batches published for the first time.")
REPUBLISHED = Counter("telemetry_batches_republished_total", "Batches published again.")
RECEIPTS = Counter("telemetry_receipts_total", "Receipts, by status.", ["status"])
RECEIPT_DELAY = Histogram(
    "telemetry_receipt_delay_seconds",
    "From the first publication to the receipt.",
    buckets=LATENCY_BUCKETS,
)
