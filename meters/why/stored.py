"""Rules about the resource and the meter themselves: known, ended, shut off, elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.why.facts import Facts
from meters.why.findings import Finding, Rule, Weight, at, has_data, is_fresh, operations_of

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
            ("its source said that it was deleted; a sample from after that would make it live "
             "again",),
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
    known = operations_of(facts).sources
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


CAUSES: tuple[Rule, ...] = (
    fresh, taken_away, no_such_resource, ended, shut_off, relatives, unknown_meter,
)  # fmt: skip
