"""Rules about what the store knows of the resource, the meter and its samples. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.why.facts import Facts
from meters.why.findings import Finding, Rule, Weight, at, has_data, is_fresh

#: `power.state` of a domain that is shut off (libvirt's virDomainState), and its meter.
SHUT_OFF, STATE_METER = 5.0, "power.state"


def fresh(facts: Facts) -> Iterator[Finding]:
    if has_data(facts) and facts.series and facts.series.newest:
        rhythm = facts.series.step_s
        evidence = [f"samples are {duration(rhythm)} apart"] if rhythm else []
        yield Finding(
            "has_data", Weight.FINE,
            f"There is data: the newest sample is from {at(facts.series.newest, facts.now)}.",
            tuple(evidence),
            "An empty plot then shows a range or a granularity without samples: choose another.",
        )  # fmt: skip


def taken_away(facts: Facts) -> Iterator[Finding]:
    if facts.taken_away:
        yield Finding(
            "other_owner", Weight.CAUSE,
            f"The resource went to another project: {at(facts.taken_away, facts.now)}.",
            ("samples belong to whoever owned their resource at their time",),
            "What was measured before is still yours to read; ask its new owner for the rest.",
        )  # fmt: skip


def no_such_resource(facts: Facts) -> Iterator[Finding]:
    if facts.resource is None and not facts.taken_away:
        yield Finding(
            "unknown_resource", Weight.CAUSE,
            f"No resource {facts.resource_asked!r} has ever been measured, as far as you may see.",
            ("its first sample would have made it known: it was never discovered, or is called "
             "otherwise here",),
            "Check the id (an instance is known by its UUID, a disk or interface by a longer id).",
        )  # fmt: skip


def ended(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if resource and resource.ended_at and not has_data(facts):
        yield Finding(
            "ended", Weight.CAUSE,
            f"The resource has ended: {at(resource.ended_at, facts.now)}.",
            ("its source said that it was deleted; a later sample would make it live again",),
            "Nothing, if it was deleted on purpose. Its samples stay readable.",
        )  # fmt: skip


def shut_off(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if (
        resource and resource.state == SHUT_OFF and facts.meter_asked != STATE_METER
        and is_fresh(facts, resource.newest) and not has_data(facts)
    ):  # fmt: skip
        yield Finding(
            "shut_off", Weight.CAUSE,
            "The instance is shut off: until it runs again only power.state is measured.",
            (f"power.state is {SHUT_OFF:g}, the newest sample is from "
             f"{at(resource.newest or facts.now, facts.now)}",),
            "Start the instance.",
        )  # fmt: skip


def relatives(facts: Facts) -> Iterator[Finding]:
    """Meters of disks and interfaces lie on resources of their own."""
    if facts.resource and facts.series is None and facts.relatives:
        names = [f"{id_} ({type_})" for id_, type_, _ in facts.relatives]
        yield Finding(
            "other_resource", Weight.CAUSE,
            f"{facts.meter_asked} is measured on parts of this resource, not on itself.",
            tuple(names), "Ask for one of these.", resource=facts.relatives[0][2],
        )  # fmt: skip


def unknown_meter(facts: Facts) -> Iterator[Finding]:
    known = facts.operations.sources if facts.operations else ()
    told = any(facts.meter_asked in one.selection.meters | one.selection.left_out for one in known)
    if facts.meter_on or facts.series or told:
        return
    near = ("names near it: " + ", ".join(facts.similar),) if facts.similar else ()
    unknown = tuple(facts.operations.unknown) if facts.operations else ()
    yield Finding(
        "unknown_meter", Weight.CAUSE,
        f"No resource has a meter {facts.meter_asked!r}, as far as you may see"
        + (", and no agent says that it measures one." if facts.operations else "."),
        (*unknown, *near),
        "Check the name; a meter of your own needs a pollster or a meter definition.",
        "manage.py check_definitions" if facts.operations else "",
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


def for_operators(facts: Facts) -> Iterator[Finding]:
    if facts.operations is None and not has_data(facts):
        yield Finding(
            "ask_operator", Weight.CLUE,
            "Whether it is polled, with what error, and what was dropped only administrators see.",
            (), "Ask them, with the address of this page.",
        )  # fmt: skip


def _kept(facts: Facts) -> str:
    series = facts.series
    if series and series.policy:
        span = "for ever" if series.kept_s is None else f"for {duration(series.kept_s)}"
        return f"{span}, counted from the newest sample (archive policy {series.policy})"
    if facts.retention is None:
        return "for ever"
    return f"for {duration(facts.retention.total_seconds())} (TELEMETRY_RETENTION_DAYS)"


CAUSES: tuple[Rule, ...] = (
    fresh, taken_away, no_such_resource, ended, shut_off, relatives, unknown_meter,
)  # fmt: skip
CLUES: tuple[Rule, ...] = (
    stopped, never, expired, posted, owner, namesakes, for_operators,
)  # fmt: skip
CHECKS: tuple[Rule, ...] = (discovered, kept)
