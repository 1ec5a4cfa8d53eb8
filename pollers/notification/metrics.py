"""Metrics of the notification agent: the consumer's and the workers'."""

from prometheus_client import Counter, Gauge

BUS_MESSAGES = Counter(
    "telemetry_bus_messages_total", "Notifications taken from a bus and spooled.", ["bus"]
)
BUS_UP = Gauge(
    "telemetry_bus_up",
    "1 while a notification bus is being consumed.",
    ["bus"],
    multiprocess_mode="livemin",
)
BUS_QUEUE_DEPTH = Gauge(
    "telemetry_bus_queue_depth",
    "Notifications waiting in a queue of a bus.",
    ["bus", "queue"],
    multiprocess_mode="livemax",
)
CONVERTED = Counter(
    "telemetry_notifications_converted_total",
    "Notifications handled, by what became of them: converted, ignored, rejected.",
    ["result"],
)
SAMPLES_BUILT = Counter(
    "telemetry_notification_samples_built_total", "Samples made of notifications."
)
SAMPLES_EMPTY = Counter(
    "telemetry_notification_samples_empty_total",
    "Samples not made because the notification has no value for them.",
)
VALUES_LEFT_OUT = Counter(
    "telemetry_notification_values_left_out_total",
    "Single values (traits, metadata) left out because they could not be converted.",
)
BAD_SIGNATURES = Counter(
    "telemetry_notification_bad_signatures_total",
    "Samples and events of others' publishers that were not signed with our secret.",
)
UNKNOWN_ERRORS = Counter(
    "telemetry_notification_unknown_errors_total", "Unforeseen faults while converting.", ["where"]
)
