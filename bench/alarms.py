"""What a cycle of the evaluator costs, and what the same alarms cost aodh.

`make bench NAME=alarms`. All is pinned to one core, so a cycle's wall time holds the evaluator and
PostgreSQL (and whatever else that core does; CPU seconds do not). In one run, several rounds each:

(a) 1 000 and 10 000 threshold alarms, each on a metric of its own (mean above 80 in 3 × 60 s) of
    resources with ten meters, polled every minute: a cycle in which nothing happens, and one in
    which every alarm changes its state (history and outbox included).
(b) 100 000 of them: a cycle in which nothing happens, and the most memory that it took.
(c) 1 000 event alarms of one project over events of that project, which come in batches as the
    collector takes them: how many a second are stored and judged, where none fits and where each
    event fits one alarm that repeats its actions; and without any alarm.
(d) A list of 1 000 alarms by the role `web`.
(e) 1 000 alarms as in (a), nothing happening, by aodh 23.0.0's own evaluation service on gnocchi
    4.7.1 as shipped, over the same PostgreSQL. It takes an UPDATE and a GET an alarm.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil

from bench.http_load import Client
from bench.peers.aodh import aodh_cycles
from bench.stage import Cost, clocked, cost, costs, servers, spread, web, write

ROUNDS = 5
MANY = 10_000
COUNTS = (1_000, MANY)
CROWD = 100_000
CROWD_ROUNDS = 3
EVENT_ALARMS = 1_000
LISTS = 20
EVENTS, EVENTS_A_BATCH = 10_000, 100
METERS = 10
MINUTES = 10
PEER_ALARMS = 1_000
PEER_ROUNDS = 3
PROJECT = "bench"
CORE = 0
#: For a quiet cycle over `MANY` alarms, …
GOAL_S = 0.5
#: how many times aodh's alarms a second, by CPU, …
GOAL_RATIO = 300.0
#: for a list of `PEER_ALARMS`, …
GOAL_LIST_MS = 40.0
#: and for events that come while there are `EVENT_ALARMS`.
GOAL_EVENTS_S = 1_000.0


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
            "alarms_notification, meters_event CASCADE"
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


def crowded_cycles(postgres: psutil.Process) -> dict[str, Any]:
    empty_tables()
    make_series(CROWD)
    make_alarms(CROWD)
    lay_polls(20.0)
    cycle("ok", CROWD, postgres)
    settle()
    forget_peak()
    quiet = [cycle("ok", 0, postgres) for _ in range(CROWD_ROUNDS)]
    return {"quiet": costs(quiet), "peak_rss_mib": peak_rss_mib()}


def forget_peak() -> None:
    """Linux: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_rss_mib() -> float:
    """The most that this process had since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def listed_ms() -> dict[str, float]:
    """A list of `PEER_ALARMS` alarms by HTTP."""
    empty_tables()
    make_alarms(PEER_ALARMS)
    settle()
    path = "/v2/alarms?q.field=all_projects&q.op=eq&q.value=true"
    with web() as (root, _):
        client = Client(root.replace("/metric", "/alarming"))
        if len(client.ask("GET", path)) != PEER_ALARMS:
            sys.exit("Not all alarms are listed.")
        return spread([clocked(lambda: client.send("GET", path)) * 1e3 for _ in range(LISTS)])


# --- event alarms ------------------------------------------------------------------------------


def make_event_alarms(event_type: str) -> None:
    from alarms import lifecycle
    from alarms.models import Alarm

    rows = []
    for number in range(EVENT_ALARMS):
        condition = {
            "field": "traits.instance_id", "type": "string", "op": "eq", "value": f"vm-{number}",
        }  # fmt: skip
        fields = {
            "name": f"error of vm-{number}", "type": "event", "repeat_actions": True,
            "rule": {"event_type": event_type, "query": [condition]}, "alarm_actions": ["log://"],
        }  # fmt: skip
        rows.append(Alarm(**lifecycle.check(fields), project_id=PROJECT))
    Alarm.objects.bulk_create(rows)


def event_batches(prefix: str) -> list[Any]:
    from meters import wire
    from pollers.batch import BatchBuilder
    from telemetry_site.clock import now_us

    found = []
    for first in range(0, EVENTS, EVENTS_A_BATCH):
        builder = BatchBuilder("bench")
        for number in range(first, first + EVENTS_A_BATCH):
            traits = [
                wire.Trait("instance_id", "text", f"vm-{number % EVENT_ALARMS}"),
                wire.Trait("project_id", "text", PROJECT),
                wire.Trait("state", "text", "error"),
            ]
            builder.event(
                wire.Event(f"{prefix}-{number}", "compute.instance.update", now_us(), traits, {})
            )
        found.append(builder.batches())
    return found


def judged_events(event_type: str, postgres: psutil.Process) -> dict[str, Any]:
    """Of alarms on `event_type`; without one there are no alarms."""
    from alarms.models import AlarmHistory
    from meters.store.write import store_batches

    empty_tables()
    if event_type:
        make_event_alarms(event_type)
    settle()
    rounds = []
    for number in range(PEER_ROUNDS):
        batches = event_batches(f"{event_type} {number}")
        rounds.append(cost(lambda some=batches: [store_batches(one) for one in some], postgres))
    fired = EVENTS * PEER_ROUNDS if event_type.startswith("compute") else 0
    if (made := AlarmHistory.objects.count()) != fired:
        sys.exit(f"{made} transitions for {fired} events that fit.")
    return costs(rounds) | {"events_s": spread([EVENTS / one.wall_s for one in rounds])}


def main() -> None:
    result: dict[str, Any]
    os.sched_setaffinity(0, {CORE})
    with servers() as postgres:
        from telemetry_site.garbage import spare_what_is_loaded

        spare_what_is_loaded()  # as every worker does
        result = {f"alarms_{count}": our_cycles(count, postgres) for count in COUNTS}
        result[f"alarms_{CROWD}"] = crowded_cycles(postgres)
        result["events"] = {
            "no_alarm": judged_events("", postgres),
            "none_fits": judged_events("network.*", postgres),
            "each_fits": judged_events("compute.*", postgres),
        }
        result["list_1000_ms"] = listed_ms()
        result["aodh_1000"] = aodh_cycles(PEER_ALARMS, PEER_ROUNDS, postgres)
    result |= summary(result)
    write("alarms", result)
    if missed := missed_goals(result):
        sys.exit("Missed: " + "; ".join(missed))


def summary(result: dict[str, Any]) -> dict[str, float]:
    """`ratio` is of the CPU that an alarm takes in a quiet cycle, all processes counted."""
    ours, theirs = result[f"alarms_{MANY}"]["quiet"], result["aodh_1000"]
    found = {
        f"ratio_{name}": (theirs[f"{name}_s"]["median"] / PEER_ALARMS)
        / (ours[f"{name}_s"]["median"] / MANY)
        for name in ("wall", "cpu")
    }
    found["ratio"] = found["ratio_cpu"]
    for count in (MANY, CROWD):
        found[f"cycle_{count}_s"] = result[f"alarms_{count}"]["quiet"]["wall_s"]["median"]
    return found


def missed_goals(result: dict[str, Any]) -> list[str]:
    missed = []
    if result[f"cycle_{MANY}_s"] > GOAL_S:
        missed.append(f"a cycle over {MANY} alarms takes more than {GOAL_S} s")
    if result["ratio"] < GOAL_RATIO:
        missed.append(f"less than {GOAL_RATIO} times aodh's alarms a second")
    if result["list_1000_ms"]["median"] > GOAL_LIST_MS:
        missed.append(f"a list of {PEER_ALARMS} alarms takes more than {GOAL_LIST_MS} ms")
    slowest = result["events"]["each_fits"]["events_s"]["median"]
    if slowest < GOAL_EVENTS_S:
        missed.append(f"{slowest:.0f} events a second beside {EVENT_ALARMS} event alarms")
    return missed


if __name__ == "__main__":
    main()
