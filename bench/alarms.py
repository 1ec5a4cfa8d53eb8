"""What a cycle of the evaluator costs, and what the same alarms cost aodh.

`make bench NAME=alarms`. All is pinned to one core, so a cycle's wall time holds the evaluator and
PostgreSQL (and whatever else that core does; CPU seconds do not). In one run, several rounds each:

(a) 1 000 and 10 000 threshold alarms, each on a metric of its own (mean above 80 in 3 × 60 s) of
    resources with ten meters, polled every minute: a cycle in which nothing happens, and one in
    which every alarm changes its state (history and outbox included).
(b) 1 000 like alarms, nothing happening, by aodh 23.0.0's own evaluation service on gnocchi 4.7.1
    as shipped, over the same PostgreSQL. It takes an UPDATE and a GET an alarm.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import psutil

from bench.peers.aodh import aodh_cycles
from bench.stage import Cost, cost, costs, servers, write

ROUNDS = 5
MANY = 10_000
COUNTS = (1_000, MANY)
METERS = 10
MINUTES = 10
PEER_ALARMS = 1_000
PEER_ROUNDS = 3
PROJECT = "bench"
CORE = 0
#: For a quiet cycle over `MANY` alarms.
GOAL_S = 0.5


def make_series(resources: int) -> None:
    """By the way that samples come."""
    from meters import wire
    from meters.store.write import store_batches
    from pollers.batch import BatchBuilder
    from telemetry_site.clock import now_us

    builder = BatchBuilder("bench")
    for number in range(resources):
        one = wire.Resource(f"vm-{number}", PROJECT, "u", "instance", {})
        for meter in range(METERS):
            builder.add(one, f"meter.{meter}", 0.0, now_us())
    store_batches(builder.batches())


def lay_polls(value: float) -> None:
    """The head as polls of the last minutes leave it: all series each minute, up to now."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE meters_head_0")
        cursor.execute(
            "INSERT INTO meters_head_0 SELECT metric.id, minute, %s + metric.id %% 7 "
            "FROM generate_series(date_trunc('minute', now()) - %s * interval '1 minute', now(), "
            "'1 minute') AS minute, meters_metric AS metric ORDER BY minute, metric.id",
            [value, MINUTES],
        )


def make_alarms(count: int) -> None:
    from alarms import lifecycle
    from alarms.models import Alarm

    rows = []
    for number in range(count):
        rule = {
            "metric": "meter.0", "resource_id": f"vm-{number}", "aggregation_method": "mean",
            "comparison_operator": "gt", "threshold": 80.0, "granularity": 60,
            "evaluation_periods": 3,
        }  # fmt: skip
        fields = {
            "name": f"load of vm-{number}", "type": "gnocchi_resources_threshold", "rule": rule,
            "alarm_actions": ["log://"], "ok_actions": ["log://"],
        }  # fmt: skip
        rows.append(Alarm(**lifecycle.check(fields), project_id=PROJECT))
    Alarm.objects.bulk_create(rows)


def cycle(expected: str, changes: int, postgres: psutil.Process) -> Cost:
    """One cycle over all alarms, which must be in a known state afterwards."""
    from django.db.models.functions import Now

    from alarms.evaluator.cycle import evaluate_due
    from alarms.models import Alarm, AlarmHistory

    Alarm.objects.update(evaluate_at=Now())
    before = AlarmHistory.objects.count()
    spent = cost(evaluate_due, postgres)
    states = set(Alarm.objects.values_list("state", flat=True))
    made = AlarmHistory.objects.count() - before
    if states != {expected} or made != changes:
        sys.exit(f"Every alarm should be {expected}, with {changes} changes: {states}, {made}.")
    return spent


def empty_tables() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE meters_head_0, meters_resource, alarms_alarm, alarms_alarmhistory, "
            "alarms_notification CASCADE"
        )
        cursor.execute("UPDATE meters_catalogueepoch SET epoch = epoch + 1")


def settle() -> None:
    """As the autovacuum leaves tables, and no checkpoint in the midst of a round."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def our_cycles(count: int, postgres: psutil.Process) -> dict[str, Any]:
    empty_tables()
    make_series(count)
    make_alarms(count)
    quiet, changing = [], []
    for _ in range(ROUNDS):
        lay_polls(20.0)
        cycle("ok", count, postgres)
        settle()
        quiet.append(cycle("ok", 0, postgres))
        lay_polls(90.0)
        settle()
        changing.append(cycle("alarm", count, postgres))
    return {"quiet": costs(quiet), "all_change": costs(changing)}


def main() -> None:
    result: dict[str, Any]
    os.sched_setaffinity(0, {CORE})
    with servers() as postgres:
        from telemetry_site.garbage import spare_what_is_loaded

        spare_what_is_loaded()  # as every worker does
        result = {f"alarms_{count}": our_cycles(count, postgres) for count in COUNTS}
        result["aodh_1000"] = peer = aodh_cycles(PEER_ALARMS, PEER_ROUNDS, postgres)
    ours = result[f"alarms_{MANY}"]["quiet"]
    for name in ("wall", "cpu"):
        theirs, own = peer[f"{name}_s"]["median"], ours[f"{name}_s"]["median"]
        result[f"ratio_{name}"] = (theirs / PEER_ALARMS) / (own / MANY)
    write("alarms", result)
    if ours["cpu_s"]["median"] > GOAL_S:
        sys.exit(f"A cycle over {MANY} alarms takes more than {GOAL_S} s of CPU.")


if __name__ == "__main__":
    main()
