"""Prometheus text → resources and meters. Pure.

Each label set of an endpoint is a resource of its own, with the labels in its metadata, and the
sample's name is the meter: what Prometheus calls a series is exactly one series here, labels can
be filtered and grouped by like any metadata, and PromQL can be answered later without renaming
anything. (The other way, one resource an endpoint and the label set inside the meter's name,
would hide the labels from every query.) The ids::

    http://node1:9100/metrics                      samples without labels, and `up`
    http://node1:9100/metrics{cpu="0",mode="idle"} labels sorted by name

An id of more than 255 characters ends in a digest of its labels instead; they are in the metadata
anyway.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_fd_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_fd_to_metric_families as text_families
from prometheus_client.samples import Sample

from meters import wire

MAX_BAD_LINES = 10
_LINE_HEAD = 120
_UNITS = (("_bytes", "B"), ("_seconds", "s"), ("_celsius", "C"), ("_volts", "V"), ("_ratio", "1"))
_COUNTERS = {"counter", "histogram", "gaugehistogram"}


class Point(NamedTuple):
    """One sample of an exposition. `timestamp_ms` is None where the endpoint gives none."""

    meter: str
    labels: dict[str, str]
    value: float
    type: wire.SampleType
    unit: str
    timestamp_ms: int | None


@dataclass
class Exposition:
    """`problems` are lines that could not be read; `without_value` counts NaN and infinities."""

    points: list[Point] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    without_value: int = 0


class _Lines:
    """A text as the parsers want it, which knows the line they are at."""

    def __init__(self, lines: list[str]) -> None:
        self.number = 0
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, start=1):
            self.number = number
            yield line + "\n"


def parse_exposition(text: str, *, openmetrics: bool = False) -> Exposition:
    """Read an exposition. A line that can't be read is named and left out, the others count.

    After `MAX_BAD_LINES` the rest is given up: then it is no exposition at all.
    """
    parse: Callable[[Any], Iterable[Metric]] = (
        openmetrics_families if openmetrics else text_families
    )
    # A label's value may hold what Python takes for the end of a line.
    lines = text.removesuffix("\n").split("\n")
    numbers = list(range(1, len(lines) + 1))
    found = Exposition()
    families: list[Metric] | None = None
    while families is None and len(found.problems) < MAX_BAD_LINES:
        feed = _Lines(lines)
        try:
            families = list(parse(feed))
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            bad = max(feed.number - 1, 0)
            number, line = numbers.pop(bad), lines.pop(bad)
            found.problems.append(f"line {number}: {line[:_LINE_HEAD]!r}: {error!s:.200}")
            if not lines:
                break
    bare = set() if openmetrics else _bare_counters(text)
    for family in families or ():
        _add_family(found, family, bare)
    return found


def _bare_counters(text: str) -> set[str]:
    """Counters declared without `_total`: the parser adds it, so it must be taken off again."""
    names = re.findall(r"^#\s*TYPE\s+(\S+)\s+counter\s*$", text, re.MULTILINE)
    return {name for name in names if not name.endswith("_total")}


def _add_family(found: Exposition, family: Metric, bare: set[str]) -> None:
    for sample in family.samples:
        value = _finite(sample.value)
        if value is None:
            found.without_value += 1
            continue
        meter = family.name if family.type == "counter" and family.name in bare else sample.name
        kind, unit = _sample_type(family.type, sample), _unit(meter, family)
        time_s = 0.0 if sample.timestamp is None else _finite(sample.timestamp)
        if time_s is None:
            if len(found.problems) < MAX_BAD_LINES:
                found.problems.append(f"{meter}: its time is none")
            continue
        at = None if sample.timestamp is None else round(time_s * 1000)
        found.points.append(Point(meter, dict(sample.labels), value, kind, unit, at))


def _finite(number: Any) -> float | None:
    """The parsers give integers of any length, and times that are objects."""
    try:
        value = float(number)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _sample_type(family_type: str, sample: Sample) -> wire.SampleType:
    """Counters and the parts of histograms and summaries grow; quantiles and the rest don't."""
    if sample.name.endswith("_created"):
        return "gauge"
    if family_type in _COUNTERS:
        return "cumulative"
    is_part = family_type == "summary" and sample.name.endswith(("_sum", "_count"))
    return "cumulative" if is_part else "gauge"


def _unit(meter: str, family: Metric) -> str:
    """Prometheus writes the base unit into the name; `_bucket` and `_count` count observations."""
    if family.unit:
        return str(family.unit)
    if meter.endswith(("_bucket", "_count")):
        return ""
    base = meter.removesuffix("_total").removesuffix("_sum")
    return next((unit for suffix, unit in _UNITS if base.endswith(suffix)), "")


def resource_id(url: str, labels: dict[str, str]) -> str:
    """`url` must be without secrets."""
    text = ",".join(f'{name}="{_escape(labels[name])}"' for name in sorted(labels))
    full = f"{url}{{{text}}}" if labels else url
    if len(full) <= wire.MAX_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:32]
    return f"{url[: wire.MAX_NAME - 33]}#{digest}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
