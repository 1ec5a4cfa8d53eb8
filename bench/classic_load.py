"""What the benchmark of the metering and event API is asked about, and the questions.

A hundred resources a project. Of each there are `METERS` meters, sampled four times on one day that
is packed, and once in the last minute, which lies in the head; a host's hundred at a time, as polls
bring them. Of the first resources there is one meter more, `statistics`, once a minute for weeks.
Samples of the meter `shared` are the same here and at the peer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
METERS = 3
A_PROJECT = 100
HISTORY = 4
BATCH = 5_000
STATISTICS, SHARED = "statistics", "shared"
#: Days before now on which the few old samples lie.
OLD_DAYS = 20
SLOT = 1_500_000


class Size(NamedTuple):
    """`deep` of the resources have `minutes` samples of the meter `statistics`; of the meter
    `shared` there are `shared` resources with `shared_minutes` samples.
    """

    resources: int
    deep: int
    minutes: int
    shared: int
    shared_minutes: int
    events: int
    rounds: int
    requests: int


FULL = Size(100_000, 1_000, 15_000, 1_000, 1_000, 5_000_000, 7, 200)
QUICK = Size(2_000, 100, 1_500, 100, 100, 50_000, 3, 20)


def name_of(number: int) -> str:
    """A UUID, as instances have one."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def project_of(number: int) -> str:
    return f"project-{number // A_PROJECT:04}"


def shared_value(resource: Any, minute: Any) -> Any:
    """The peer makes the same in SQL; in quarters, so that sums are exact."""
    return (resource * 7 + minute * 13) % 1000 / 4


def polls(size: Size, at_us: int, spread_us: int) -> Iterator[Any]:
    """Batches of one sample a series, the hosts at their own times within `spread_us`."""
    from meters import wire
    from pollers.batch import BatchBuilder

    hosts = size.resources // A_PROJECT
    a_batch = BATCH // METERS
    for first in range(0, size.resources, a_batch):
        builder = BatchBuilder("bench")
        for number in range(first, min(size.resources, first + a_batch)):
            host = number // A_PROJECT
            moment = at_us + spread_us * (host * 7919 % hosts) // hosts
            metadata = {"display_name": f"name {number}", "host": f"host-{host % 200}"}
            one = wire.Resource(
                name_of(number), project_of(number), f"user-{number % 7}", "instance", metadata
            )
            for meter in range(METERS):
                builder.add(one, f"meter.{meter}", number + meter / 4, moment, "B")
        yield from builder.batches()


def first_us(now_us: int) -> int:
    """When the old samples begin."""
    return now_us // DAY_US * DAY_US - OLD_DAYS * DAY_US


def fill(size: Size, now_us: int) -> None:
    """All samples; the last poll stays in the head."""
    from meters.store.write import store_batches

    old_us = first_us(now_us)
    for number in range(HISTORY):
        for batch in polls(size, old_us + number * 60 * MINUTE_US, 10 * MINUTE_US):
            store_batches([batch])
    pack()
    series(size.deep, size.minutes, STATISTICS, old_us, _drawn)
    series(size.shared, size.shared_minutes, SHARED, old_us, shared_value)
    poll(size)
    analyze()


def poll(size: Size) -> None:
    """One sample more of each series, of the last minute: into the head."""
    from meters.store import head
    from meters.store.write import store_batches
    from telemetry_site.clock import now_us

    for batch in polls(size, now_us() - MINUTE_US, MINUTE_US):
        store_batches([batch])
    head.summarize()


def _drawn(resource: Any, minute: Any) -> Any:
    """Percentages of two decimals that wander."""
    import numpy as np

    rng = np.random.default_rng(int(minute[0]) + 1)
    return np.round(np.clip(rng.normal(50, 15, len(minute)), 0, 100), 2)


def series(resources: int, minutes: int, meter: str, first_us: int, value_of: Any) -> None:
    """A sample a minute of the first resources: through the head, packed and merged."""
    import numpy as np
    from django.db import connection, transaction

    from meters import wire
    from meters.models import Metric
    from meters.store import head
    from meters.store.write import store_batches
    from pollers.batch import BatchBuilder

    builder = BatchBuilder("bench")
    for number in range(resources):
        metadata = {"display_name": f"name {number}", "host": f"host-{number // A_PROJECT % 200}"}
        one = wire.Resource(
            name_of(number), project_of(number), f"user-{number % 7}", "instance", metadata
        )
        builder.add(
            one, meter, float(value_of(np.array([number]), np.array([0]))[0]), first_us, "%"
        )
    store_batches(list(builder.batches()))
    ids = np.array(
        Metric.objects.filter(name=meter).order_by("resource__original_id")
        .values_list("pk", flat=True)
    )  # fmt: skip
    step = max(1, SLOT // resources)
    for begin in range(1, minutes, step):
        some = np.arange(begin, min(minutes, begin + step))
        number, minute = np.repeat(np.arange(resources), len(some)), np.tile(some, resources)
        values = value_of(number, minute)
        arrived = head.Rows(ids[number], first_us + minute * MINUTE_US, values)
        with transaction.atomic(), connection.cursor() as cursor:
            head.copy_rows(cursor, head.enter_head(cursor).slot, arrived)
        pack()


def pack() -> None:
    """Our head into chunks, as the tasks of the beat do."""
    from meters.store import head
    from meters.store.compaction import compact, merge

    head.rotate(at_once=True)
    for job in (compact, merge):
        while job():
            pass


def analyze() -> None:
    """As autovacuum has done long before."""
    from django.db import connection

    from meters.store import head

    head.summarize()
    with connection.cursor() as cursor:
        for table in ("resource", "resourcerevision", "metric", "chunk"):
            cursor.execute(f"VACUUM ANALYZE meters_{table}")


# --- events --------------------------------------------------------------------------------------

#: Traits: one of 100 000 instances, one of 200 hosts, one of four states, a whole number; the
#: project's and the user's are columns, too. Each instance and host has events of all ten types.
EVENTS = """
INSERT INTO meters_event (message_id, event_type, generated, project_id, user_id, traits,
                          trait_types, raw)
SELECT 'event-' || n,
    'compute.instance.' || (ARRAY['create.start', 'create.end', 'delete.start', 'delete.end',
        'update', 'exists', 'power_off.end', 'power_on.end', 'resize.end', 'rebuild.end'])
        [1 + n %% 10],
    to_timestamp(%(first)s) + make_interval(secs => n * %(step)s),
    'project-' || lpad((n * 31 %% 1000)::text, 4, '0'), 'user-' || n %% 7,
    jsonb_build_object(
        'instance_id', 'i-' || n / 10 * 7919 %% 100000, 'host', 'host-' || n / 10 * 13 %% 200,
        'state', (ARRAY['active', 'building', 'deleted', 'error'])[1 + n %% 7 %% 4],
        'memory_mb', 512 * (1 + n %% 16),
        'project_id', 'project-' || lpad((n * 31 %% 1000)::text, 4, '0'),
        'user_id', 'user-' || n %% 7),
    '{"instance_id": "text", "host": "text", "state": "text", "memory_mb": "int",
      "project_id": "text", "user_id": "text"}', '{}'
FROM generate_series(%(begin)s::bigint, %(end)s::bigint - 1) AS n
"""
EVENT_DAYS = 30
EVENTS_AT_ONCE = 500_000


def fill_events(count: int, now_us: int) -> None:
    """Spread over the last month; the traits' index is made at the end, which is quicker."""
    from django.db import connection

    step_s = EVENT_DAYS * 86_400 / count
    question = {"first": now_us / 1e6 - EVENT_DAYS * 86_400, "step": step_s}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'event_traits'")
        (index,) = cursor.fetchone()
        cursor.execute("DROP INDEX event_traits")
        for begin in range(0, count, EVENTS_AT_ONCE):
            end = min(count, begin + EVENTS_AT_ONCE)
            cursor.execute(EVENTS, question | {"begin": begin, "end": end})
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(index)
        cursor.execute("VACUUM ANALYZE meters_event")


# --- questions -----------------------------------------------------------------------------------


def text_of(moment_us: int) -> str:
    from telemetry_site.clock import from_us

    return from_us(moment_us).replace(tzinfo=None).isoformat()


def asked(path: str, *terms: tuple[str, str, str], **more: Any) -> str:
    """`terms` are (field, operator, value)."""
    pairs = [
        (f"q.{name}", text)
        for term in terms
        for name, text in zip(("field", "op", "value"), term, strict=True)
    ]
    return f"{path}?{urlencode([*pairs, *more.items()])}"


def lists(size: Size) -> dict[str, list[str]]:
    """By kind, questions that differ in what they name."""
    numbers = range(0, size.resources, max(1, size.resources // 50))
    projects = [project_of(number) for number in numbers]
    return {
        "resources": [asked("/v2/resources", limit=limit) for limit in (100, 101, 50)],
        "resources_without_links": [asked("/v2/resources", meter_links=0)],
        "resources_of_project": [
            asked("/v2/resources", ("project", "eq", one)) for one in projects
        ],
        "resources_measured_lately": [
            asked("/v2/resources", ("timestamp", "ge", "{lately}"), limit=100)
        ],
        "one_resource": [f"/v2/resources/{name_of(number)}" for number in numbers],
        "meters": [asked("/v2/meters", limit=limit) for limit in (100, 101, 50)],
        "meters_of_project": [asked("/v2/meters", ("project", "eq", one)) for one in projects],
        "meters_of_resource": [
            asked("/v2/meters", ("resource", "eq", name_of(number))) for number in numbers
        ],
        "meters_unique": [asked("/v2/meters", unique="true")],
    }


def event_questions(now_us: int) -> dict[str, list[str]]:
    """By kind; all name a type, a trait and a time."""
    hour, day = 60 * MINUTE_US, DAY_US
    found: dict[str, list[str]] = {
        "rare_trait_in_a_month": [], "host_in_a_day": [], "state_in_an_hour": [],
        "state_in_a_month": [], "number_in_a_day": [], "host_in_a_month": [],
    }  # fmt: skip
    types = [f"compute.instance.{name}" for name in ("create.end", "exists", "update")]
    for number in range(48):
        kind = ("event_type", "eq", types[number % 3])
        end = now_us - number * 14 * hour

        def one(name: str, span: int, *terms: tuple[str, str, str], end: int = end,
                kind: tuple[str, str, str] = kind) -> None:  # fmt: skip
            found[name].append(
                asked("/v2/events", kind, *terms, ("start_timestamp", "ge", text_of(end - span)),
                      ("end_timestamp", "le", text_of(end)), limit=100)
            )  # fmt: skip

        one("rare_trait_in_a_month", 30 * day, ("instance_id", "eq", f"i-{number * 2011}"))
        one("host_in_a_day", day, ("host", "eq", f"host-{number}"))
        one("host_in_a_month", 30 * day, ("host", "eq", f"host-{number}"))
        one("state_in_an_hour", hour, ("state", "eq", "active"))
        one("state_in_a_month", 30 * day, ("state", "eq", "error"))
        one("number_in_a_day", day, ("memory_mb", "gt", "4096"))
    return found


def pages(names: Sequence[str], path: str) -> list[str]:
    """The page behind each of these."""
    return [asked(path, limit=100, marker=name) for name in names]
