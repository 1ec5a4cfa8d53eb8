"""Our metric API and gnocchi's, asked the same in one run: `make bench NAME=metric_api`.

Both have one PostgreSQL, three API processes with two threads each and no Keystone. gnocchi is as
shipped (`gnocchi-api` under uWSGI, files as storage), with Redis as incoming and two metricd
workers. Ours is the role `web`. Ingest ends when what was posted can be read: by /v1/status, and
then by reading it. Answers are compared; the run ends where they differ.

`OPTIONS=--quick` is a small run for trying, which leaves the result file alone.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.http_load import Client, encode, post_all
from bench.metric_load import BATCH, Population, Question, dealt
from bench.peers.gnocchi import free_port, gnocchi, redis
from bench.stage import clocked, conclude, servers, show, spread

API_PROCESSES, API_THREADS = 3, 2
METRICD_WORKERS = 2
UP_WITHIN_S = 120
#: Goals of reading, in ms of a median; of everything else how many times faster than gnocchi.
WITHIN_MS = {
    "read_1h": 3.0, "read_1d": 4.0, "read_30d": 8.0, "aggregate_100": 10.0, "aggregate_all": 40.0,
}  # fmt: skip
TIMES_FASTER = 3.0
#: Of ingest, and what is to be reached a second where a batch is no smaller than this.
INGEST_TIMES_FASTER, INGESTED_A_SECOND, FROM_BATCH = 100.0, 50_000.0, 1_000
CREATED_A_SECOND = 7_000.0


class Size(NamedTuple):
    """Of ingest there are so many rounds, and more until there are so many `measures`: a round of
    few is over in a tenth of a second. Not more in a round: gnocchi works several polls of one
    metric in at once, which is not how polls come.
    """

    resources: int
    polled: Sequence[int]
    batches: Sequence[int]
    connections: Sequence[int]
    rounds: int
    measures: int
    requests: int


FULL = Size(10_000, (1_000, 10_000), (100, 1_000, 5_000), (1, 4), 3, 24_000, 30)
QUICK = Size(1_000, (1_000,), (1_000,), (1, 4), 1, 1_000, 10)


class Site(NamedTuple):
    """A server under measurement."""

    name: str
    root: str
    client: Client


# --- servers -----------------------------------------------------------------------------------


@contextmanager
def our_server(home: Path) -> Iterator[str]:
    """The role `web` as `manage.py up` and the units of deploy/ start it."""
    port = free_port()
    environment = os.environ | {
        "PORT": str(port), "WEB_WORKERS": str(API_PROCESSES), "WEB_THREADS": str(API_THREADS),
        "TELEMETRY_BASIC_AUTH": "true", "SECRET_KEY": secrets.token_hex(32),
        "WEB_DRAIN_SECONDS": "0",
    }  # fmt: skip
    with (home / "web.log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "manage.py", "role", "web"], env=environment, stdout=log, stderr=log
        )
    try:
        root = f"http://127.0.0.1:{port}/metric"
        wait_for(root, web, home / "web.log")
        yield root
    finally:
        web.terminate()
        web.wait(60)


def wait_for(root: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(UP_WITHIN_S * 5):
        if process.poll() is not None:
            break
        try:
            Client(root).send("GET", "/v1/archive_policy")
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"Our API does not answer:\n{log.read_text()[-3000:]}")


@contextmanager
def sites(folder: Path) -> Iterator[tuple[Site, Site]]:
    """Ours and gnocchi's, on the stage's PostgreSQL."""
    from meters.default_policies import make_default_policies
    from telemetry_site.embedded.postgres import EmbeddedPostgres

    make_default_policies()
    EmbeddedPostgres().ensure_database("gnocchi")
    database = EmbeddedPostgres().url("gnocchi")
    environment = Path(sys.prefix) / "bench-metric_api" / "bin"
    with ExitStack() as stack:
        ours = stack.enter_context(our_server(folder))
        incoming = stack.enter_context(redis(folder))
        theirs = stack.enter_context(
            gnocchi(folder, database, environment, incoming, METRICD_WORKERS)
        )
        yield (
            Site("ours", ours, Client(ours)),
            Site("gnocchi", theirs.url, Client(theirs.url)),
        )


def drain(site: Site) -> None:
    """Wait until nothing that was posted is left to be worked in."""
    while True:
        waiting = site.client.ask("GET", "/v1/status")["storage"]["summary"]
        if not waiting["measures"]:
            return
        time.sleep(0.05)


# --- ingest ------------------------------------------------------------------------------------


def ingested(site: Site, bodies: Sequence[Sequence[bytes]]) -> tuple[float, float]:
    """Seconds until all is answered, and until all is queryable."""
    answered = post_all(site.root, BATCH, bodies)
    return answered, answered + clocked(lambda: drain(site))


def ingest(both: Sequence[Site], population: Population, size: Size) -> dict[str, Any]:
    """Measures a second, by metrics, batch and connections."""
    found: dict[str, Any] = {}
    for metrics in size.polled:
        number = 0
        for batch in size.batches:
            for connections in size.connections:
                rates: dict[str, list[float]] = {}
                count = metrics * connections
                for _ in range(max(size.rounds, size.measures // count)):
                    polls = population.polls(metrics, batch, connections, number)
                    number += connections
                    for site in both:
                        answered, whole = ingested(site, dealt(polls, connections))
                        rates.setdefault(f"{site.name}_accepted_s", []).append(count / answered)
                        rates.setdefault(f"{site.name}_queryable_s", []).append(count / whole)
                        check_polls(site, population, metrics, number - 1)
                name = f"{metrics}_metrics.batch_{batch}.connections_{connections}"
                found[name] = {key: spread(values) for key, values in rates.items()}
                found[name]["ratio"] = ratio(*(rates[f"{site.name}_queryable_s"] for site in both))
                print(f"ingest {name}: {found[name]['ratio']:.1f} ×", flush=True)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


def check_polls(site: Site, population: Population, metrics: int, last: int) -> None:
    """The newest polls are there, on the first resource and on the last."""
    bucket = [one for one in range(last + 1) if one // 5 == last // 5]
    for name in (population.polled_ids(metrics)[0], population.polled_ids(metrics)[-1]):
        path = f"/v1/resource/generic/{name}/metric/meter.3/measures"
        told = site.client.ask("GET", f"{path}?aggregation=mean&granularity=300")[-1][2]
        wanted = statistics.fmean(population.value(one, 3) for one in bucket)
        if not math.isclose(told, wanted, rel_tol=1e-9):
            sys.exit(f"{site.name}: the last measures of {name} give {told}, not {wanted}.")


# --- questions ---------------------------------------------------------------------------------


def essence(question: Question, answer: bytes) -> Any:
    """What of an answer must be the same everywhere: no ids that a server chose, no clock."""
    told = json.loads(answer)
    if question.part == "points":
        return told
    if question.part == "measures":
        return told["measures"]["aggregated"]
    rows = told if isinstance(told, list) else [told]
    keys = ("original_resource_id", "project_id", "user_id", "type", "name", "unit")
    kept = [
        {key: one[key] for key in keys if key in one} | {"metrics": sorted(one.get("metrics", ()))}
        for one in rows
    ]
    return sorted(kept, key=encode)


def same(one: Any, other: Any) -> bool:
    """Floats may differ in the order of their summing."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def compare(name: str, both: Sequence[Site], asked: Sequence[dict[str, list[Question]]]) -> None:
    for pair in zip(*(questions[name] for questions in asked), strict=True):
        told = [
            essence(one, site.client.send(one.method, one.path, one.body and encode(one.body)))
            for site, one in zip(both, pair, strict=True)
        ]
        if not told[0] or not same(*told):
            sys.exit(f"{name}: the answers differ.\nours:    {str(told[0])[:600]}\n"
                     f"gnocchi: {str(told[1])[:600]}\n{pair}")  # fmt: skip


def latency_ms(site: Site, questions: Sequence[Question], requests: int) -> float:
    """The median."""
    sent = [(one.method, one.path, one.body and encode(one.body)) for one in questions]
    turns = [sent[number % len(sent)] for number in range(requests)]
    return 1000 * statistics.median(
        clocked(lambda one=one: site.client.send(*one)) for one in turns
    )


def asked(both: Sequence[Site], population: Population, size: Size) -> dict[str, Any]:
    """Milliseconds an answer, by operation."""
    questions = [population.questions(site.client) for site in both]
    found: dict[str, Any] = {}
    for name in questions[0]:
        compare(name, both, questions)
        times: list[list[float]] = [[], []]
        for _ in range(max(3, size.rounds)):
            for place, site in enumerate(both):
                times[place].append(latency_ms(site, questions[place][name], size.requests))
        found[name] = {
            "ours_ms": spread(times[0]), "gnocchi_ms": spread(times[1]),
            "ratio": ratio(times[1], times[0]),
        }  # fmt: skip
        print(f"{name}: {found[name]['ratio']:.1f} ×", flush=True)
    return found


def created(both: Sequence[Site], population: Population, size: Size) -> dict[str, Any]:
    """Resources and metrics made a second."""
    found: dict[str, Any] = {}
    main = [size.resources / population.create_main(site.root) for site in both]
    found["create_resources"] = beside(*main)
    for metrics in size.polled:
        rates = [metrics / population.create_polled(site.root, metrics) for site in both]
        found[f"create_{metrics}_metrics"] = beside(*rates)
    return found


def beside(ours: float, theirs: float) -> dict[str, float]:
    return {"ours_s": ours, "gnocchi_s": theirs, "ratio": ours / theirs}


def pack() -> None:
    """Our head into chunks, as the tasks of the beat do."""
    from meters.store import head
    from meters.store.compaction import compact, merge

    head.rotate(at_once=True)
    for job in (compact, merge):
        while job():
            pass


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """Ours over gnocchi's, more is better. Of ingest the worst, of all else its own."""
    found = {name: one["ratio"] for name, one in {**result["created"], **result["asked"]}.items()}
    found["ingest"] = min(one["ratio"] for one in result["ingest"].values())
    return found


def missed(result: dict[str, Any]) -> list[str]:
    """Goals that were not reached, in words."""
    medians = {name: one["ours_ms"]["median"] for name, one in result["asked"].items()}
    late = [
        f"{name}: {medians[name]:.1f} ms, not {most:.0f}"
        for name, most in WITHIN_MS.items()
        if medians[name] > most
    ]
    least = dict.fromkeys(result["ratios"].keys() - WITHIN_MS.keys(), TIMES_FASTER)
    least["ingest"] = INGEST_TIMES_FASTER
    near = [
        f"{name}: {result['ratios'][name]:.1f} times gnocchi, not {times:.0f}"
        for name, times in sorted(least.items())
        if result["ratios"][name] < times
    ]
    return late + near + slow(result)


def slow(result: dict[str, Any]) -> list[str]:
    """What did not reach its number a second."""
    reached = {
        f"ingest {name}": (one["ours_queryable_s"]["median"], INGESTED_A_SECOND)
        for name, one in result["ingest"].items()
        if int(name.split(".")[1].removeprefix("batch_")) >= FROM_BATCH
    } | {
        name: (one["ours_s"], CREATED_A_SECOND)
        for name, one in result["created"].items()
        if name.endswith("_metrics")
    }
    return [
        f"{name}: {rate:,.0f} a second, not {least:,.0f}"
        for name, (rate, least) in reached.items()
        if rate < least
    ]


def main(*options: str) -> None:
    size = QUICK if "--quick" in options else FULL
    with servers(), tempfile.TemporaryDirectory(prefix="bench-gnocchi-") as folder:
        now_s = int(time.time()) // 3600 * 3600
        population = Population(now_s, size.resources, size.polled)
        with sites(Path(folder)) as both:
            result: dict[str, Any] = {"created": created(both, population, size)}
            show(result)
            for site in both:
                population.fill(site.root)
                drain(site)
            pack()
            result["asked"] = asked(both, population, size)
            result["ingest"] = ingest(both, population, size)
    result["ratios"] = ratios(result)
    result["missed"] = missed(result)
    conclude("metric_api", result, size is not QUICK)


if __name__ == "__main__":
    main(*sys.argv[1:])
