"""Random samples beside ceilometer 9.0.7: statistics that its own API answers, and what its own
transformers make (../README.md)."""

from __future__ import annotations

import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from meters import wire
from tests.compat import oracle_process
from tests.compat.conversion.comparison import Made, differences, read_meant, unmeant
from tests.compat.outcomes import Outcome
from tests.compat.server import Server
from tests.compat.statistics.questions import SEEDS, questions, samples
from tests.compat.statistics.series import PIPELINE, TARGETS, series

PREFIX = "metric"
SETTINGS = {"TELEMETRY_NOAUTH": "1", "TELEMETRY_METER_PIPELINE": str(PIPELINE)}
HERE = Path(__file__).parent
IDENTITY = {"X-User-Id": "admin", "X-Project-Id": "admin", "X-Roles": "admin"}
#: Sums of floats in another order.
DIGITS = 9


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each question, and of each meter that is made of two samples; a seed is a
    file."""
    seeds = [seed for seed in SEEDS if not files or str(seed) in files]
    asked = {seed: questions(seed) for seed in seeds}
    gave = _ask(environment, {str(seed): (samples(seed), asked[seed]) for seed in seeds})
    meant = read_meant(HERE / "differences.yaml")
    for seed in seeds:
        server.empty()
        _store(samples(seed))
        for question, theirs in zip(asked[seed], gave["answers"][str(seed)], strict=True):
            ours = _fetch(f"{server.root}/metering{question.path}")
            found = unmeant(differences(question.title, made(*theirs), made(*ours)), meant)
            yield Outcome(
                str(seed), question.title, "failed" if found else "passed",
                request=question.path, got="\n".join(map(str, found)),
            )  # fmt: skip
        yield from _transformers(server, seed, gave["made"][str(seed)])
    for line in meant if len(seeds) == len(SEEDS) else ():
        for pattern in sorted(line.unused):
            yield Outcome("differences", pattern, "failed", got="it covers nothing")


def _transformers(
    server: Server, seed: int, theirs: Sequence[Mapping[str, Any]]
) -> Iterator[Outcome]:
    server.empty()
    _store(series(seed))
    for target in TARGETS:
        path = f"/v2/meters/{target}?limit=10000"
        _, ours = _fetch(f"{server.root}/metering{path}")
        of_theirs = made_samples([one for one in theirs if one["name"] == target], "")
        of_ours = made_samples(ours, "counter_")
        found = list(differences(target, of_theirs, of_ours)) if of_theirs else ["they make none"]
        yield Outcome(
            str(seed), target, "failed" if found else "passed", request=path,
            got="\n".join(map(str, found)),
        )  # fmt: skip


def made_samples(some: Sequence[Mapping[str, Any]], prefix: str) -> Made:
    """By resource and time."""
    fields = ("name", "type", "unit", "volume")
    return {
        f"sample {one['resource_id']} {one['timestamp']}": {
            name: _plain(one[f"{prefix}{name}"]) for name in fields
        } | {"project_id": one["project_id"]}
        for one in some
    }  # fmt: skip


def _ask(environment: Path, seeds: Mapping[str, Any]) -> Any:
    """What ceilometer answers to each seed's questions, (status, answer), and what it makes of its
    series."""
    from telemetry_site.embedded.postgres import EmbeddedPostgres

    EmbeddedPostgres().ensure_database("ceilometer")
    database = EmbeddedPostgres().url("ceilometer").replace("postgresql:", "postgresql+psycopg2:")
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        wanted = {
            "database": database, "folder": folder, "seeds": seeds, "pipeline": str(PIPELINE),
            "series": {seed: series(int(seed)) for seed in seeds},
        }  # fmt: skip
        return oracle_process.ask(environment, HERE / "oracle.py", wanted)


def _store(some: Sequence[Mapping[str, Any]]) -> None:
    """By the way of every sample, half of them into the packed store."""
    # Only where Django has been set up.
    from meters.store.compaction import compact, merge
    from meters.store.head import rotate
    from meters.store.write import store_batch

    for place, one in enumerate(some):
        resource = wire.Resource(
            one["resource_id"], one["project_id"], one["user_id"], "generic",
            one["resource_metadata"], one["source"],
        )  # fmt: skip
        series = wire.Series(0, one["counter_name"], one["counter_unit"], one["counter_type"])
        catalogue = wire.Catalogue([resource], [series])
        columns = [0], [one["timestamp_us"]], [one["counter_volume"]]
        store_batch(
            wire.Batch(
                v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat",
                created_at=one["timestamp_us"], samples=wire.pack_samples(catalogue, *columns),
            )
        )  # fmt: skip
        if place == len(some) // 2:
            rotate(at_once=True)
            compact()
            merge()


def _fetch(url: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, headers=IDENTITY)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def made(status: int, rows: Any) -> Made:
    """Rows by what tells them apart; a refusal by its status."""
    if status != 200:
        return {"refusal": {"status": status}}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = f"row {_group(row['groupby'])}{row['unit']}"
        if row["period"]:
            name += f" {row['period_start']}"
        fields = {key: _plain(value) for key, value in row.items() if key != "aggregate"}
        aggregate = row.get("aggregate") or {}
        found[name] = fields | {f"aggregate.{key}": _plain(aggregate[key]) for key in aggregate}
    return found


def _group(values: Mapping[str, Any] | None) -> str:
    return "".join(f"{key}={value} " for key, value in sorted((values or {}).items()))


def _plain(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
