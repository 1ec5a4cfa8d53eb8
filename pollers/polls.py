"""One poll of one source: time it, count it, report it. All sources go through here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from meters import wire
from pollers import poll_metrics
from pollers.batch import BatchBuilder
from pollers.errors import SourceError
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

#: A report names this many troubles and counts the others.
MAX_PROBLEMS = 20
MAX_SENTENCE = 1000


@dataclass
class Findings:
    """What a poll has to say beside its samples.

    `problems` are sentences for an operator; each is a part that gave nothing while the others
    did. `details` is for the sources page (JSON, small).
    """

    problems: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """Something that can be polled. `kind` and `name` are those of `wire.PollReport`."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def poll(self, builder: BatchBuilder) -> Findings:
        """Add samples to `builder`. Raises `SourceError` when there is nothing to say but that."""


def run_poll(
    source: Source, builder: BatchBuilder, slot_us: int, interval_s: float,
    chosen: Mapping[str, Any] = MappingProxyType({}),
) -> wire.PollReport:  # fmt: skip
    """Poll `source` once and put its report into `builder`; returns the report, never raises.

    `chosen` goes into the report's details, whatever comes of the poll (`pollers.chosen`).

    An exception that nobody foresaw ends this poll only: it is logged with its traceback,
    counted as `error` and reported by its text.
    """
    builder.slot_us = slot_us
    started, clock, before = now_us(), time.monotonic(), builder.samples
    outcome: wire.Outcome = "ok"
    try:
        findings = source.poll(builder)
        if findings.problems:
            outcome = "partial"
    except SourceError as error:
        findings, outcome = Findings([str(error)]), "error"
    except Exception as error:
        log.exception("poll failed", kind=source.kind, source=source.name)
        findings, outcome = Findings([f"unforeseen: {type(error).__name__}: {error}"]), "error"
    report = wire.PollReport(
        kind=source.kind,
        source=source.name,
        slot=slot_us,
        started=started,
        duration_s=round(time.monotonic() - clock, 6),
        samples=builder.samples - before,
        interval_s=interval_s,
        outcome=outcome,
        errors=shorten(findings.problems),
        details={**findings.details, **chosen},
    )
    builder.report(report)
    count(report)
    return report


def shorten(problems: list[str]) -> list[str]:
    """At most `MAX_PROBLEMS` sentences of bounded length; the last one counts the rest."""
    kept = [problem[:MAX_SENTENCE] for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        kept.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return kept


def count(report: wire.PollReport) -> None:
    poll_metrics.POLLS.labels(report.kind, report.outcome).inc()
    poll_metrics.POLL_DURATION.labels(report.kind).observe(report.duration_s)
    poll_metrics.SAMPLES_BUILT.labels(report.kind).inc(report.samples)
