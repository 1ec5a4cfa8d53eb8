"""The state of a plot, which is its URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import HttpRequest

from meters.aggregation import is_method
from meters.ui import query

RANGES = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
METHODS = ("mean", "min", "max", "sum", "count", "last", "median", "95pct")
GRANULARITIES = ("auto", "raw", "10", "60", "300", "900", "3600", "86400")
RATES = ("auto", "1", "0")
MOST_METRICS = 12
LONGEST_S = 366 * 86400 * 10


@dataclass(frozen=True)
class PlotQuery:
    """`range` is a name of RANGES, or "" when `start` and `stop` are given."""

    metrics: tuple[UUID, ...] = ()
    range: str = "1h"
    start: datetime | None = None
    stop: datetime | None = None
    aggregation: str = "mean"
    granularity: str = "auto"
    rate: str = "auto"

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """(start, stop), stop exclusive. A relative range ends just after `now`."""
        if self.start and self.stop:
            return self.start, self.stop
        return now - RANGES[self.range], now + timedelta(seconds=1)

    def with_(self, **changes: Any) -> PlotQuery:
        return replace(self, **changes)

    def encoded(self) -> str:
        """The whole state as a query string, with only what differs from the default."""
        pairs: list[tuple[str, str]] = [("metric", str(metric)) for metric in self.metrics]
        if self.start and self.stop:
            pairs += [("start", _iso(self.start)), ("stop", _iso(self.stop))]
        else:
            pairs.append(("range", self.range))
        pairs.append(("aggregation", self.aggregation))
        pairs.append(("granularity", self.granularity))
        if self.rate != "auto":
            pairs.append(("rate", self.rate))
        return urlencode(pairs)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(request: HttpRequest) -> PlotQuery:
    """The state from the URL; `BadRequest` names what can't be understood."""
    start, stop = query.moment(request, "start"), query.moment(request, "stop")
    _check_window(start, stop)
    return PlotQuery(
        metrics=query.uuids(request, "metric", MOST_METRICS),
        range="" if start else query.choice(request, "range", tuple(RANGES), "1h"),
        start=start,
        stop=stop,
        aggregation=_method(query.text(request, "aggregation", "mean")),
        granularity=_granularity(query.text(request, "granularity", "auto")),
        rate=query.choice(request, "rate", RATES, "auto"),
    )


def _check_window(start: datetime | None, stop: datetime | None) -> None:
    if (start is None) != (stop is None):
        raise BadRequest("start and stop: give both, or neither and a range")
    if start is None or stop is None:
        return
    if start >= stop:
        raise BadRequest("stop: must be after start")
    if (stop - start).total_seconds() > LONGEST_S:
        raise BadRequest("start and stop: at most ten years apart")


def _method(name: str) -> str:
    name = name or "mean"
    if name.startswith("rate:") or not is_method(name):
        raise BadRequest(
            f"aggregation: {name!r} is not one of {', '.join(METHODS)} (or e.g. 99pct)"
        )
    return name


def _granularity(value: str) -> str:
    if value in ("", "auto", "raw"):
        return value or "auto"
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= LONGEST_S):
        raise BadRequest(f"granularity: {value!r} is not auto, raw or a whole number of seconds")
    return str(int(value))
