"""Debian's own Prometheus beside us: the same remote write to both, the same questions, and its
`promtool` as a client of ours."""

from __future__ import annotations

import math
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cramjam
import requests

from bench.peers.promlike import WRITE_HEADERS, prometheus, unpacked
from tests.compat.aodhclient import administrator_token
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS: dict[str, str] = {}
MINUTES = 100
HOSTS = ("a", "b", "c", "d")
RANGES = ("1m", "90s", "5m", "17m")
OVER_RANGES = (
    "rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets",
    *(f"{name}_over_time" for name in ("avg", "min", "max", "sum", "count", "last", "present",
                                       "stddev", "stdvar")),
)  # fmt: skip
PLAIN = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
VALUES = ("abs", "ceil", "floor", "round", "sqrt", "exp", "ln", "log2", "log10", "sgn", "timestamp")
QUANTILES = ("0", "0.1", "0.5", "0.99", "1", "-1", "2")
OTHERS = (
    "cpu", "mem offset 3m", "rate(cpu[5m] offset 7m)", "predict_linear(mem[10m], 600)",
    "topk(2, mem)", "bottomk(1, mem)", "topk(1, mem) by (host)", "sum without(host) (mem)",
    "cpu + on(host) mem", "cpu > on(host) mem", "cpu * on(host) group_left mem", "mem > 20",
    "mem > bool 20", "mem == mem", "mem - mem", "cpu % 7", "-mem", "mem ^ 2", "2 ^ -mem", "1 + 1",
    "1 / 0 * mem", "round(-mem, 0.5)", "clamp(mem, 0, 10)", "clamp(mem, 10, 0)",
    "clamp_min(mem, 3)", "clamp_max(mem, 3)", "absent(none)", 'absent(none{host="a"})',
    "absent(mem)", "scalar(sum(mem))", "vector(3)", "time()", "mem and cpu", "mem or cpu",
    "mem and on(host) (cpu > 1200)", "mem unless on(host) (cpu > 1500)", "avg(mem > 40)",
    'mem{host=~"a|b"}', 'mem{host!~"a.*"}', '{__name__=~"c.*",host!=""}', "sum(mem / 0)",
    "quantile(0.5, mem / (mem > 20))", "max(mem / (mem - mem))", "count(mem == bool 3)",
    "rate(cpu[5m]) > 0.3 or mem < 0", "min_over_time(mem[5m]) < bool 0",
)  # fmt: skip
#: What a series that is new here needs.
POLICY = {
    "archive_policy": {"name": "p", "definition": [{"granularity": "1m", "timespan": "30d"}]},
    "archive_policy_rule": {
        "name": "all", "metric_pattern": "*", "archive_policy_name": "p",
    },
}  # fmt: skip
#: Of the labels those that both have.
COMMON = ("__name__", "host")
#: Ours evaluates a microsecond after the instant.
NEAR = 1e-7


def questions() -> Iterator[str]:
    for name in OVER_RANGES:
        meters = ("cpu",) if name in ("rate", "increase") else ("cpu", "mem")
        yield from (f"{name}({meter}[{width}])" for width in RANGES for meter in meters)
    for at in QUANTILES:
        yield from (f"quantile_over_time({at}, mem[7m])", f"quantile({at}, mem)")
        yield f"quantile by (host) ({at}, mem)"
    yield from (f"{name}(mem)" for name in (*PLAIN, *VALUES))
    yield from OTHERS


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each question, and of each command."""
    server.empty()
    token = administrator_token()
    ours, us = f"{server.root}/prometheus", {"Authorization": f"Bearer {token}"}
    end = int(time.time()) // 60 * 60
    body = _written(end)
    for path, made in POLICY.items():
        answer = requests.post(f"{server.url}/v1/{path}", json=made, headers=us, timeout=60)
        assert answer.ok, answer.text
    with tempfile.TemporaryDirectory(prefix="compat-") as folder, prometheus(Path(folder)) as peer:
        for url, headers in (
            (peer.write_url, WRITE_HEADERS),
            (f"{server.url}/v1/prometheus/write", WRITE_HEADERS | us),
        ):
            answer = requests.post(url, body, headers=headers, timeout=60)
            assert answer.ok, answer.text
        for query in questions():
            found = ""
            for begin, stop, step in ((end - 6_000, end, 60), (end - 3_587, end - 100, 97)):
                span = {"query": query, "start": begin, "end": stop, "step": step}
                found = found or _difference(_ask(peer.url, span, {}), _ask(ours, span, us))
            yield Outcome("queries", query, "failed" if found else "passed", got=found)
    address = ours.replace("://", f"://any:{token}@")
    yield from _commands(unpacked("prometheus") / "usr" / "bin" / "promtool", address, end)


def _written(end: int) -> bytes:
    """A sample a minute, with gaps and resets, never just at the edge of a question's range.

    Counters stay far from zero: how near to it they are stretched has changed with Prometheus 3.
    """
    from telemetry_site.remotewrite import WriteRequest

    rng, request = random.Random(7), WriteRequest()
    for name in ("cpu", "mem"):
        for host in HOSTS:
            value, one = 1000.0, request.timeseries.add()
            for label, text in (("__name__", name), ("host", host)):
                one.labels.add(name=label, value=text)
            for minute in range(MINUTES):
                begun = name == "cpu" and rng.random() < 0.03
                value = 1000.0 if begun else value + rng.randrange(50)
                shown = value if name == "cpu" else round(rng.uniform(-5, 50), 3)
                at = end - (MINUTES - minute) * 60 + rng.randrange(20) * (minute > 0) + 0.4
                if minute == 0 or rng.random() < 0.9:
                    one.samples.add(value=shown, timestamp=round(at * 1000))
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def _ask(url: str, span: dict[str, Any], headers: dict[str, str]) -> dict[Any, dict[float, float]]:
    """Values by time, by common labels."""
    answer = requests.post(f"{url}/api/v1/query_range", data=span, headers=headers, timeout=60)
    body = answer.json()
    if body["status"] != "success":
        return {body["error"]: {}}
    found: dict[Any, dict[float, float]] = {}
    for one in body["data"]["result"]:
        key = tuple(sorted((name, one["metric"].get(name, "")) for name in COMMON))
        found[key] = {at: float(value) for at, value in one["values"]}
    return found


def _difference(theirs: dict[Any, dict[float, float]], ours: dict[Any, dict[float, float]]) -> str:
    """The first one, in words; "" where there is none."""
    if theirs.keys() != ours.keys():
        return f"series {sorted(map(str, theirs))} and {sorted(map(str, ours))}"
    for key, known in theirs.items():
        if known.keys() != ours[key].keys():
            return f"{key} at {sorted(known.keys() ^ ours[key].keys())[:3]}"
        for at, value in known.items():
            own = ours[key][at]
            same = math.isclose(value, own, rel_tol=NEAR, abs_tol=NEAR)
            if not same and not (math.isnan(value) and math.isnan(own)):
                return f"{key} at {at}: {value} and {own}"
    return ""


def _commands(promtool: Path, url: str, end: int) -> Iterator[Outcome]:
    span = ["--start", str(end - 600), "--end", str(end), "--step", "60s"]
    for name, arguments, told in (
        ("instant", [url, "count(cpu)"], "{} => 4 @"),
        ("range", [*span, url, "sum by (host) (mem)"], '{host="d"} =>'),
        ("series", ["--match", "cpu", url], 'host="a"'),
        ("labels", [url, "__name__"], "cpu\nmem"),
    ):
        done = subprocess.run(
            [promtool, "query", name, *arguments], capture_output=True, text=True, check=False
        )
        good = done.returncode == 0 and told in done.stdout
        said = f"{done.returncode}: {done.stdout}{done.stderr}".replace(url, "URL")
        yield Outcome(
            "promtool",
            name,
            "passed" if good else "failed",
            expected=told,
            got="" if good else said,
        )
