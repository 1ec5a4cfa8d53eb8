"""What the notifier counts (reliability.md 6.2)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

ATTEMPTS = Counter(
    "telemetry_notifications_total", "Attempts to send, by what became of them.",
    ["scheme", "result"],
)  # fmt: skip
REFUSED = Counter(
    "telemetry_webhook_refused_total", "Messages that the outbound guard stopped.", ["reason"]
)
BREAKER_OPENED = Counter("telemetry_breaker_open_total", "Receivers left alone for a while.")
DELAY = Histogram(
    "telemetry_notification_delay_seconds", "From the transition's commit to the delivery.",
    ["scheme"], buckets=LATENCY_BUCKETS,
)  # fmt: skip
SENDING = Histogram(
    "telemetry_send_duration_seconds", "One attempt.", ["scheme"], buckets=LATENCY_BUCKETS
)
PENDING = Gauge(
    "telemetry_outbox_pending", "Notifications that wait.", multiprocess_mode="mostrecent"
)
OLDEST = Gauge(
    "telemetry_outbox_oldest_seconds", "Age of the oldest one that waits.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
LIMITED = Gauge(
    "telemetry_outbox_limited", "Notifications that wait for their project's limit.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
DEAD = Gauge(
    "telemetry_outbox_dead", "Notifications that were given up.", multiprocess_mode="mostrecent"
)
LEFT_ALONE = Gauge(
    "telemetry_receiver_left_alone", "1 while a receiver's host is left alone, as it failed.",
    ["destination"], multiprocess_mode="mostrecent",
)  # fmt: skip
BREAKERS = Gauge(
    "telemetry_breakers_open", "Receivers that are left alone now.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
