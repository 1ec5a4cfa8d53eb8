"""Our metering and event API, and ceilometer's beside it: `make bench NAME=classic_api`.

In one run on one PostgreSQL: (a) statistics over 15 million samples of one meter, in one row, by
day, by resource and by hour, out of packed samples; (b) lists of resources and meters where there
are 100 000 resources, first pages, later pages, those of one project, by their 99th percentile;
(c) events among 5 million, by type, trait and time.

Then ceilometer 9.0.7's own API on a database of its own is asked for statistics over a million
samples of a thousand resources and for its lists, and ours for the very same samples (and for lists
among its hundred times as many resources). Both answers to statistics are compared: they must be
equal. A peer's figure over ours is a `ratio`.

`OPTIONS=--quick` is a small run for trying, which leaves the result file alone.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import classic_load
from bench.classic_load import (
    FULL,
    METERS,
    MINUTE_US,
    QUICK,
    SHARED,
    STATISTICS,
    Size,
    asked,
    event_questions,
    lists,
    pages,
    text_of,
)
from bench.peers.ceilometer_api import Ceilometer, ceilometer_api
from bench.remote import Client, milliseconds
from bench.stage import conclude, servers, spread, web

#: Goals.
STATISTICS_S = 1.0
LIST_P99_MS = EVENTS_P99_MS = 100.0
ADMIN = {"X-User-Id": "bench", "X-Project-Id": "bench", "X-Roles": "admin"}
EVERYWHERE = ("all_tenants", "eq", "true")
PAGES = 10


def tenant(project: str) -> dict[str, str]:
    return {"X-User-Id": "user-1", "X-Project-Id": project, "X-Roles": "member"}


def fetched(client: Client, path: str) -> Any:
    return json.loads(client.ask("GET", path))


# --- statistics ----------------------------------------------------------------------------------


def our_statistics(client: Client, size: Size) -> dict[str, dict[str, float]]:
    """Seconds of an answer, by kind."""
    path = f"/v2/meters/{STATISTICS}/statistics"
    count = size.deep * size.minutes
    questions = {
        "one_row": path, "by_day": asked(path, period=86_400),
        "by_hour": asked(path, period=3_600), "by_resource": asked(path, groupby="resource_id"),
    }  # fmt: skip
    found = {}
    for name, question in questions.items():
        rows = fetched(client, question)
        if sum(row["count"] for row in rows) != count:
            sys.exit(f"{name}: not {count} samples are in the statistics.")
        found[name] = spread([client.clocked("GET", question) for _ in range(size.rounds)])
        print(f"statistics {name}: {found[name]['median']:.3f} s, {len(rows)} rows", flush=True)
    return found


def equal(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> bool:
    """Row by row; floats may differ in the order of their summing."""
    if len(ours) != len(theirs):
        return False
    names = ("count", "min", "max", "sum", "avg", "period_start", "groupby", "unit")
    return all(
        math.isclose(one[name], other[name], rel_tol=1e-9)
        if isinstance(other[name], float)
        else one[name] == other[name]
        for one, other in zip(ours, theirs, strict=True)
        for name in names
    )


def sorted_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["period_start"], json.dumps(row["groupby"])))


def beside(ours: Client, theirs: Client, size: Size) -> dict[str, Any]:
    """The same question of both: seconds, and how many times as long the peer takes."""
    path = f"/v2/meters/{SHARED}/statistics"
    questions = {
        "statistics": path, "statistics_by_hour": asked(path, period=3_600),
        "statistics_by_resource": asked(path, groupby="resource_id"),
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name, question in questions.items():
        mine, other = (sorted_rows(fetched(one, question)) for one in (ours, theirs))
        if not mine or not equal(mine, other):
            sys.exit(f"{name}: the answers differ.\n{mine[:2]}\n{other[:2]}")
        found[name] = compared(ours, theirs, question, question, size.rounds)
    samples = asked(f"/v2/meters/{SHARED}", limit=100)
    resources, meters = asked("/v2/resources", limit=100), asked("/v2/meters", limit=100)
    for name, question in (("samples", samples), ("resources", resources), ("meters", meters)):
        found[name] = compared(ours, theirs, question, question, size.rounds)
    return found


def compared(ours: Client, theirs: Client, mine: str, other: str, rounds: int) -> dict[str, Any]:
    """In turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        seconds[0].append(ours.clocked("GET", mine))
        seconds[1].append(theirs.clocked("GET", other))
    return {
        "ours_s": spread(seconds[0]), "ceilometer_s": spread(seconds[1]),
        "ratio": statistics.median(seconds[1]) / statistics.median(seconds[0]),
    }  # fmt: skip


# --- lists and events ----------------------------------------------------------------------------


def latencies(
    client: Client, questions: Sequence[str], requests: int, good: Callable[[Any], bool] = bool
) -> dict[str, float]:
    """Milliseconds; the questions are asked in turn, each once before it counts."""
    for question in questions:
        if not good(fetched(client, question)):
            sys.exit(f"{question}: not the answer that was expected.")
    turns = [questions[number % len(questions)] for number in range(requests)]
    return milliseconds([client.clocked("GET", question) for question in turns])


def listed(root: str, size: Size) -> dict[str, dict[str, float]]:
    """Of resources that are polled each minute: again before each kind of question about them."""
    from telemetry_site.clock import now_us

    client = Client(root, ADMIN)
    kinds = lists(size)
    classic_load.poll(size)
    lately = text_of(now_us() - 2 * MINUTE_US)
    kinds["resources_measured_lately"] = [
        question.replace("%7Blately%7D", lately) for question in kinds["resources_measured_lately"]
    ]
    meters = [one["meter_id"] for one in fetched(client, asked("/v2/meters", limit=10_000))]
    kinds["meters_next_page"] = pages(meters[99 :: len(meters) // PAGES][:PAGES], "/v2/meters")
    found = {}
    for name, questions in kinds.items():
        if name.startswith("resources"):
            classic_load.poll(size)
        found[name] = latencies(client, questions, size.requests)
    names = [one["resource_id"] for one in fetched(client, asked("/v2/resources", limit=1000))]
    following = pages(names[99::100][:PAGES], "/v2/resources")
    found["resources_next_page"] = latencies(client, following, size.requests)
    own = Client(root, tenant(classic_load.project_of(0)))
    found["own_resources"] = latencies(own, ["/v2/resources"], size.requests, of_length(100))
    found["own_meters"] = latencies(own, ["/v2/meters"], size.requests, of_length(100))
    for name, figures in found.items():
        print(f"{name}: p99 {figures['p99_ms']:.1f} ms", flush=True)
    return found


def of_length(count: int) -> Callable[[Any], bool]:
    return lambda answer: len(answer) == count


def happened(root: str, size: Size, now_us: int) -> dict[str, dict[str, float]]:
    client = Client(root.removesuffix("/metering") + "/event", ADMIN)
    found = {}
    for name, questions in event_questions(now_us).items():
        everywhere = [f"{one}&{asked('', EVERYWHERE)[1:]}" for one in questions]
        found[name] = latencies(client, everywhere, size.requests, lambda _: True)
        print(f"events {name}: p99 {found[name]['p99_ms']:.1f} ms", flush=True)
    return found


# --- the run -------------------------------------------------------------------------------------


def missed(result: dict[str, Any]) -> list[str]:
    """Goals that were not reached, in words."""
    found = []
    if result["statistics_15m_s"] > STATISTICS_S:
        found.append(f"statistics: {result['statistics_15m_s']:.2f} s, not {STATISTICS_S:g}")
    for part, most in (("lists", LIST_P99_MS), ("events", EVENTS_P99_MS)):
        found += [
            f"{name}: p99 {figures['p99_ms']:.0f} ms, not {most:.0f}"
            for name, figures in result[part].items()
            if figures["p99_ms"] > most
        ]
    return found


def main(*options: str) -> None:
    size = QUICK if "--quick" in options else FULL
    result: dict[str, Any] = {
        "resources": size.resources, "series": size.resources * METERS + size.deep + size.shared,
        "samples_of_statistics": size.deep * size.minutes, "events_stored": size.events,
        "samples_beside_ceilometer": size.shared * size.shared_minutes,
    }  # fmt: skip
    with servers(), tempfile.TemporaryDirectory(prefix="bench-ceilometer-") as folder:
        from telemetry_site.clock import now_us

        begun_us = now_us()
        classic_load.fill_events(size.events, begun_us)
        print("The events are there.", flush=True)
        classic_load.fill(size, begun_us)
        print("The samples are there.", flush=True)
        with web(TELEMETRY_NOAUTH="1", TELEMETRY_BASIC_AUTH="0", WEB_THREADS="2") as (url, _):
            root = url.removesuffix("/metric") + "/metering"
            result["statistics"] = our_statistics(Client(root, ADMIN), size)
            result["lists"] = listed(root, size)
            result["events"] = happened(root, size, begun_us)
            first_us = classic_load.first_us(begun_us)
            with ceilometer_api(Path(folder), size.shared, size.shared_minutes, first_us) as peer:
                result["beside_ceilometer"] = beside_peer(root, peer, size)
    result["statistics_15m_s"] = result["statistics"]["one_row"]["median"]
    result["lists_p99_ms"] = max(one["p99_ms"] for one in result["lists"].values())
    result["events_p99_ms"] = max(one["p99_ms"] for one in result["events"].values())
    result["ratios"] = {name: one["ratio"] for name, one in result["beside_ceilometer"].items()}
    result["ratio"] = result["ratios"]["statistics"]
    result["missed"] = missed(result)
    conclude("classic_api", result, size is not QUICK)


def beside_peer(root: str, peer: Ceilometer, size: Size) -> dict[str, Any]:
    return beside(Client(root, ADMIN), Client(peer.url, ADMIN), size)


if __name__ == "__main__":
    main(*sys.argv[1:])
