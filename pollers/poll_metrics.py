"""Metrics of polling (names of reliability.md 6.2). The label `source` is the kind of source."""

from prometheus_client import Counter, Gauge, Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

POLLS = Counter(
    "telemetry_polls_total", "Polls, by kind of source and outcome.", ["source", "result"]
)
POLL_DURATION = Histogram(
    "telemetry_poll_duration_seconds",
    "One poll of one source.",
    ["source"],
    buckets=LATENCY_BUCKETS,
)
SAMPLES_BUILT = Counter("telemetry_samples_built_total", "Samples made by polls.", ["source"])
POLL_MISSED = Counter("telemetry_poll_missed_total", "Slots that were not polled.", ["reason"])
POLL_FALLBACK = Counter(
    "telemetry_poll_fallback_total", "Slots that the agent polled without a tick of the beat."
)
LAST_TICK = Gauge(
    "telemetry_agent_last_tick_seconds",
    "When the last tick of the beat came (Unix time).",
    multiprocess_mode="livemax",
)
PART_ERRORS = Counter(
    "telemetry_poll_part_errors_total",
    "Parts of a poll that failed while the rest went on.",
    ["source", "part"],
)
HYPERVISOR_UP = Gauge(
    "telemetry_hypervisor_up",
    "1 if the hypervisor answered the last poll.",
    multiprocess_mode="livemin",
)
DOMAINS_ASIDE = Gauge(
    "telemetry_domains_set_aside",
    "Domains whose monitor does not answer.",
    multiprocess_mode="livemax",
)
DOMAINS_WITHOUT_OWNER = Counter(
    "telemetry_domains_without_owner_total", "Boots of domains that name no project."
)
DOMAINS_GONE = Counter(
    "telemetry_domains_gone_total", "Domains that vanished between the list and their numbers."
)
