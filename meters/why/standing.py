"""Rules about the series: since when nothing came, whose it is, how long it is kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.why.facts import Facts
from meters.why.findings import Finding, Rule, Weight, at, has_data, is_fresh


def stopped(facts: Facts) -> Iterator[Finding]:
    resource, series = facts.resource, facts.series
    if not resource or not series or series.newest is None or has_data(facts):
        return
    others = "and nor did any other meter of the resource"
    if is_fresh(facts, resource.newest):
        others = "while other meters of the resource go on"
    rhythm = (f"its samples were {duration(series.step_s)} apart",) if series.step_s else ()
    yield Finding(
        "stopped", Weight.CLUE,
        f"No sample has come since {at(series.newest, facts.now)}, {others}.", rhythm,
    )  # fmt: skip


def never(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if not resource or facts.series:
        return
    alive = resource.newest and is_fresh(facts, resource.newest)
    state = "The resource is measured" if alive else "The resource is known"
    evidence = []
    if resource.newest:
        evidence.append(f"newest sample of any meter: {at(resource.newest, facts.now)}")
    if facts.meter_on:
        types = f", of type {', '.join(facts.meter_types)}" if facts.meter_types else ""
        evidence.append(f"{facts.meter_on} other resources have the meter{types}")
        if facts.meter_types and resource.type not in facts.meter_types:
            evidence.append(f"this one is of type {resource.type}")
    yield Finding(
        "never_measured", Weight.CLUE,
        f"{state}, but no sample of {facts.meter_asked} has ever come for it.", tuple(evidence),
    )  # fmt: skip


def expired(facts: Facts) -> Iterator[Finding]:
    series = facts.series
    if not series or series.newest is not None:
        return
    kept = _kept(facts)
    yield Finding(
        "no_samples", Weight.CLUE,
        f"The metric is there since {at(series.created_at, facts.now)} but has no sample"
        + (" that is yours." if facts.resource and facts.resource.mine_since else "."),
        (f"it was made without samples, or all were older than is kept: {kept}",),
    )  # fmt: skip


def posted(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if resource and resource.sender and not has_data(facts):
        yield Finding(
            "posted", Weight.CLUE,
            f"Nobody polls this resource: project {resource.sender} posts its samples.", (),
            "Ask the sender whether its posts are answered with 201.",
        )  # fmt: skip


def owner(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if resource and resource.mine_since:
        yield Finding(
            "owner", Weight.CLUE,
            f"The resource is yours since {at(resource.mine_since, facts.now)}.",
            ("samples of before belong to its owner of that time",),
        )  # fmt: skip


def namesakes(facts: Facts) -> Iterator[Finding]:
    if facts.namesakes and facts.resource:
        yield Finding(
            "namesakes", Weight.CLUE,
            f"{facts.namesakes} more resources are called {facts.resource_asked!r}.",
            (f"this answer is about {facts.resource.id}, uuid {facts.resource.uuid}",),
            "Ask by the uuid of the one you mean.",
        )  # fmt: skip


def for_operators(facts: Facts) -> Iterator[Finding]:
    if facts.operations is None and not has_data(facts):
        yield Finding(
            "ask_operator", Weight.CLUE,
            "Whether it is polled, with what error, and what was dropped only administrators see.",
            (), "Ask them, with the address of this page.",
        )  # fmt: skip


def discovered(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if resource:
        newest = (
            f"newest sample {at(resource.newest, facts.now)}" if resource.newest else "none yet"
        )
        yield Finding(
            "discovered", Weight.FINE,
            f"Discovered: {resource.type} {resource.id}, known since "
            f"{resource.started_at:%Y-%m-%d %H:%M} UTC; {newest}.",
            resource=resource.uuid,
        )  # fmt: skip


def kept(facts: Facts) -> Iterator[Finding]:
    if facts.series:
        widths = ", ".join(duration(one) for one in facts.series.granularities_s)
        answered = (f"the metric API answers it at {widths}",) if widths else ()
        yield Finding("kept", Weight.FINE, f"Kept: {_kept(facts)}.", answered)


def _kept(facts: Facts) -> str:
    series = facts.series
    if series and series.policy:
        span = "for ever" if series.kept_s is None else f"for {duration(series.kept_s)}"
        return f"{span}, counted from the newest sample (archive policy {series.policy})"
    if facts.retention is None:
        return "for ever"
    return f"for {duration(facts.retention.total_seconds())} (TELEMETRY_RETENTION_DAYS)"


CLUES: tuple[Rule, ...] = (
    stopped, never, expired, posted, owner, namesakes, for_operators,
)  # fmt: skip
CHECKS: tuple[Rule, ...] = (discovered, kept)
