"""Rules about who polls it: sources, what they leave out, their silence, errors and clocks. Pure.

All of it is for administrators: without `Facts.operations` none of these rules says anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.why.facts import Facts, SourceFact
from meters.why.findings import Finding, Rule, Weight, at, has_data, operations_of, weight_of

#: A clock that is this far off is worth a word (reliability K2), and from here on samples are
#: refused as coming from the future (K3).
SKEW_S, REFUSED_AHEAD_S = 5.0, 300.0


def lacking(facts: Facts) -> Iterator[Finding]:
    for source in operations_of(facts).sources:
        if source.lacks and not has_data(facts):
            yield Finding(
                "lacking", Weight.CAUSE,
                f"The source finds the resource but has no {facts.meter_asked} of it: "
                f"{source.lacks}.",
                (_polled(source, facts),), source=source.pk,
            )  # fmt: skip


def left_out(facts: Facts) -> Iterator[Finding]:
    for source in operations_of(facts).sources:
        if facts.meter_asked in source.selection.left_out:
            yield Finding(
                "left_out", weight_of(source),
                f"The polling file of agent {source.agent_id} does not select "
                f"{facts.meter_asked}.",
                tuple(source.selection.rules),
                "Add the meter to a source of that file and start the agent again.",
                "manage.py check_definitions", source=source.pk,
            )  # fmt: skip


def silent(facts: Facts) -> Iterator[Finding]:
    for source in operations_of(facts).sources:
        if source.silent:
            yield Finding(
                "silent", weight_of(source),
                f"{source.label} has reported nothing for "
                f"{duration(source.silent.total_seconds())}.",
                (f"expected every {duration(source.interval_s)}", _polled(source, facts),
                 source.why),
                f"On the agent's host: does it run, does it reach the broker? Agent "
                f"{source.agent_id}.",
                "manage.py status", source=source.pk,
            )  # fmt: skip


def failing(facts: Facts) -> Iterator[Finding]:
    for source in operations_of(facts).sources:
        if source.silent or not source.errors:
            continue
        whole = source.outcome == "error"
        named = any(facts.resource_asked in one for one in source.errors) or (
            facts.resource is not None and any(facts.resource.id in one for one in source.errors)
        )
        success = (
            f"last success {at(source.last_success, facts.now)}" if source.last_success else ""
        )
        yield Finding(
            "error", weight_of(source) if whole else Weight.CAUSE if named else Weight.CLUE,
            f"{source.label} {'can not be polled' if whole else 'answers in part'}: "
            f"{source.errors[0]}",
            tuple(filter(None, (*source.errors[1:4], _polled(source, facts), success, source.why))),
            "See to what the sentence names; the next poll tries again by itself.",
            source=source.pk,
        )  # fmt: skip


def clock(facts: Facts) -> Iterator[Finding]:
    for source in operations_of(facts).sources:
        ahead = -(source.last_received - source.last_poll).total_seconds()
        if ahead > SKEW_S:
            is_refused = ahead > REFUSED_AHEAD_S
            yield Finding(
                "clock", weight_of(source) if is_refused else Weight.CLUE,
                f"The clock of agent {source.agent_id} is {duration(ahead)} ahead.",
                ("samples more than 300 s ahead are refused",) if is_refused else
                ("its samples are stored under times that have not come yet",),
                "Set the host's clock (chronyc makestep).", source=source.pk,
            )  # fmt: skip


def nobody(facts: Facts) -> Iterator[Finding]:
    resource = facts.resource
    if (
        facts.operations and not facts.operations.sources and not has_data(facts)
        and not (resource and resource.sender)
        and (facts.meter_on or facts.series)  # else it is the meter that nobody knows
    ):  # fmt: skip
        yield Finding(
            "no_source", Weight.CAUSE,
            "No source that has reported measures this meter.",
            ("agents report each poll; a source that was forgotten or never ran is not known",),
            "Start the agent, and look at what the sources page says of it.",
            "manage.py status",
        )  # fmt: skip


def missed(facts: Facts) -> Iterator[Finding]:
    known = operations_of(facts)
    if known.sources and known.expected and known.reports < 0.9 * known.expected:
        yield Finding(
            "missed", Weight.CLUE,
            f"Only {known.reports} of {known.expected} polls of the last hour were reported "
            f"({known.sources[0].label}).", (known.sources[0].why,),
            "Polls longer than their interval, or an agent that was away: see its reports.",
            source=known.sources[0].pk,
        )  # fmt: skip


def polled(facts: Facts) -> Iterator[Finding]:
    known = operations_of(facts)
    for source in known.sources:
        if not source.silent and source.outcome != "error":
            more = (f"{source.others} more sentences of its report name other things",)
            yield Finding(
                "polled", Weight.FINE, f"Polled: {_polled(source, facts)}.",
                (source.why, *(more if source.others else ())), source=source.pk,
            )  # fmt: skip
    if known.others:
        yield Finding("others", Weight.FINE, f"{known.others} more sources could measure it, too.")


def chosen(facts: Facts) -> Iterator[Finding]:
    takes = [
        one for one in operations_of(facts).sources if facts.meter_asked in one.selection.meters
    ]
    if takes:
        rules = tuple(takes[0].selection.rules) or ("there is no polling file: all is measured",)
        yield Finding("selected", Weight.FINE, "Not filtered: the rules select this meter.", rules)


def _polled(source: SourceFact, facts: Facts) -> str:
    return (
        f"{source.label}, last {at(source.last_poll, facts.now)}: {source.outcome}, "
        f"{source.samples} samples in {duration(source.duration_s)}"
    )


CAUSES: tuple[Rule, ...] = (lacking, left_out, silent, failing, clock)
LAST_CAUSES: tuple[Rule, ...] = (nobody,)
CLUES: tuple[Rule, ...] = (missed,)
CHECKS: tuple[Rule, ...] = (polled, chosen)
