"""Metrics of the collector and of the store (names of reliability.md 6.2)."""

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

INGEST_ITEMS = Counter("telemetry_ingest_items_total", "Items stored, by kind.", ["kind"])
INGEST_REJECTED = Counter(
    "telemetry_ingest_rejected_total", "Items put into the quarantine, by reason.", ["reason"]
)
INGEST_DUPLICATES = Counter("telemetry_ingest_duplicates_total", "Events that were there already.")
INGEST_COPIES = Counter(
    "telemetry_ingest_copies_total", "Batches that came again after they were stored."
)
TRANSIENT_ERRORS = Counter(
    "telemetry_transient_errors_total", "Faults that were waited out, by place.", ["where"]
)
UNKNOWN_ERRORS = Counter(
    "telemetry_unknown_errors_total", "Faults nobody foresaw, by place.", ["where"]
)
RECEIPT_ERRORS = Counter("telemetry_receipt_errors_total", "Receipts that could not be sent.")
STORE_DURATION = Histogram(
    "telemetry_store_duration_seconds", "One transaction of the collector.", buckets=LATENCY_BUCKETS
)
BATCH_ITEMS = Histogram(
    "telemetry_batch_items",
    "Items in one transaction.",
    buckets=(1, 10, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000),
)
FRESHNESS = Histogram(
    "telemetry_freshness_seconds",
    "From a sample's timestamp to its commit.",
    buckets=LATENCY_BUCKETS,
)
LATE_SAMPLES = Counter(
    "telemetry_late_samples_total",
    "Samples stored more than a minute after their time: alarms saw the period without them.",
)
DERIVED_WITHOUT_SCALE = Counter(
    "telemetry_derived_without_scale_total",
    "Times that samples could not be derived of a meter for want of a scale.", ["meter"],
)  # fmt: skip
REPLICA_READS = Counter(
    "telemetry_replica_reads_total", "Readings where there is a replica, by who answered.",
    ["server"],
)  # fmt: skip
REPLICA_FAULTS = Counter(
    "telemetry_replica_faults_total", "Times that the replica was late or away.", ["state"]
)
COMPACTIONS = Counter("telemetry_compactions_total", "Slots of the head packed into chunks.")
CHUNKS_WRITTEN = Counter("telemetry_chunks_written_total", "Chunks written, by job.", ["job"])
CHUNKS_DELETED = Counter(
    "telemetry_retention_deleted_total", "Chunks deleted, by what made them go.", ["reason"]
)
HEAD_SLOTS_FREE = Gauge(
    "telemetry_head_slots_free", "Slots of the head's ring that hold nothing.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
COMPACTION_LAG = Gauge(
    "telemetry_compaction_lag_seconds", "Age of the oldest slot that waits to be packed.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
STORE_SERIES = Gauge("telemetry_store_series", "Series.", multiprocess_mode="mostrecent")
STORE_SAMPLES = Gauge(
    "telemetry_store_samples", "Samples, by where they lie.", ["place"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
STORE_CHUNKS = Gauge(
    "telemetry_store_chunks", "Chunks, by whether they wait to be merged.", ["state"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
STORE_BYTES = Gauge(
    "telemetry_store_bytes", "Size of the tables with indexes and all.", ["place"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
STORE_OLDEST = Gauge(
    "telemetry_store_oldest_timestamp_seconds", "The oldest day in chunks; 0 where there is none.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
STORE_METER_SAMPLES = Gauge(
    "telemetry_store_meter_samples", "Samples of the meters that have the most.", ["meter"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
