"""A Prometheus text endpoint as a source."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import requests

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central.exposition import Point, parse_exposition, resource_id
from pollers.central.scrape_file import ScrapeTarget
from pollers.errors import SourceError
from pollers.http import HttpError, following, plain_session, read_within, refusal, words
from pollers.polls import Findings
from pollers.urls import without_secrets
from telemetry_site.clock import now_us

#: The whole answer must be here within this share of the interval.
DEADLINE_SHARE = 0.6
MAX_BYTES = 16 << 20
#: Series of one endpoint; more is a mistake in its labels, and the rest is left out and said.
MAX_SERIES = 20_000
#: Lines of one answer, before rules leave some out: each takes a hundred times its room in memory.
MAX_LINES = 200_000
ACCEPT = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5"


class ScrapeError(SourceError):
    """The endpoint gave nothing that can be read."""


class ScrapeSource:
    """One endpoint. Adds `up` (0 or 1) and `scrape_duration_seconds` beside what it serves."""

    kind = "prometheus"

    def __init__(self, url: str, interval_s: float, target: ScrapeTarget | None = None) -> None:
        """`target` is what a scrape file says of this URL."""
        self.name = without_secrets(url)
        self.interval_s = interval_s
        self._url = url
        self._target = target or ScrapeTarget(url, interval_s)
        self._deadline_s = self._target.timeout_s or max(interval_s * DEADLINE_SHARE, 1.0)
        self._session = plain_session()
        self._session.headers["Accept"] = ACCEPT
        self._session.headers.update(self._target.headers)
        if self._target.verify is not True:
            self._session.verify = self._target.verify
        self._resources: dict[str, wire.Resource] = {}

    def poll(self, builder: BatchBuilder) -> Findings:
        at_us, clock = now_us() // 1000 * 1000, time.monotonic()
        try:
            text, openmetrics = self._fetch()
            if text.count("\n") > MAX_LINES:
                raise ScrapeError(f"{self.name}: more than {MAX_LINES} lines")
            exposition = parse_exposition(text, openmetrics=openmetrics)
            if exposition.problems and not exposition.points:
                raise ScrapeError(f"{self.name}: no Prometheus text: {text[:200]!r}")
        except SourceError:
            builder.add(self._resource(self._target.labels), "up", 0, at_us)
            raise
        problems = [f"{self.name}: {problem}" for problem in exposition.problems]
        relabelled = self._relabelled(exposition.points)
        self._refuse_too_many(relabelled, builder, at_us)
        points = relabelled[:MAX_SERIES]
        if len(points) < len(relabelled):
            problems.append(f"{self.name}: {len(relabelled)} series, {MAX_SERIES} kept")
        self._add(builder, points, at_us)
        builder.add(self._resource(self._target.labels), "up", 1, at_us)
        took = time.monotonic() - clock
        builder.add(
            self._resource(self._target.labels), "scrape_duration_seconds", took, at_us, "s"
        )
        return Findings(
            problems, {"series": len(points), "without_value": exposition.without_value}
        )

    def close(self) -> None:
        self._session.close()

    def _relabelled(self, points: list[Point]) -> list[Point]:
        """With the target's labels and rules; those that the rules drop are left out."""
        if not self._target.labels and not self._target.rules:
            return points
        kept = ((point, self._target.labelled(point.meter, point.labels)) for point in points)
        return [point._replace(meter=found[0], labels=found[1]) for point, found in kept if found]

    def _refuse_too_many(self, points: list[Point], builder: BatchBuilder, at_us: int) -> None:
        """As Prometheus does: over the limit the whole scrape has failed."""
        limit = self._target.sample_limit
        if limit and len(points) > limit:
            builder.add(self._resource(self._target.labels), "up", 0, at_us)
            raise ScrapeError(f"{self.name}: {len(points)} series, sample_limit is {limit}")

    def _add(self, builder: BatchBuilder, points: list[Point], at_us: int) -> None:
        known, self._resources = self._resources, {}
        for point in points:
            identity = resource_id(self.name, point.labels)
            resource = known.get(identity) or self._resource(point.labels)
            known[identity] = self._resources[identity] = resource
            own_time = point.timestamp_ms if self._target.honor_timestamps else None
            at = at_us if own_time is None else own_time * 1000
            builder.add(resource, point.meter, point.value, at, point.unit, point.type)

    def _resource(self, labels: dict[str, str]) -> wire.Resource:
        parts = urlsplit(self.name)
        metadata = {"labels": labels, "instance": parts.netloc, "endpoint": self.name}
        identity = resource_id(self.name, labels)
        return wire.Resource(identity, None, None, "prometheus", metadata, "prometheus")

    def _fetch(self) -> tuple[str, bool]:
        """(text, whether it is OpenMetrics). Raises `ScrapeError` in words without secrets."""
        end = time.monotonic() + self._deadline_s
        try:
            with following(self._session, self._url, end) as response:
                if response.status_code != 200:
                    raise HttpError(refusal(response))
                body = read_within(response, MAX_BYTES, end, self._deadline_s)
                kind = response.headers.get("Content-Type", "")
        except HttpError as error:
            raise ScrapeError(f"{self.name}: {error}") from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise ScrapeError(f"{self.name}: {words(error)}") from None
        return body.decode(errors="replace"), "openmetrics" in kind


class MisconfiguredSource:
    """A URL that can't be polled; its report says why."""

    def __init__(self, name: str, why: str, kind: str = ScrapeSource.kind) -> None:
        self.name = name
        self.kind = kind
        self._why = why

    def poll(self, builder: BatchBuilder) -> Findings:
        raise SourceError(f"{self.name}: {self._why}")
