"""Rules about how collection goes: sources, their rules and errors, losses, lateness. Pure.

All of it is for administrators: without `Facts.operations` none of them says anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.ui.health import BACKLOG_LIMIT, LAG_LIMIT_S
from meters.why.facts import Facts, Operations, SourceFact
from meters.why.findings import Finding, Rule, Weight, at, has_data, likely

#: A clock that is this far off is worth a word (reliability K2), and from here on samples are
#: refused as coming from the future (K3).
SKEW_S, REFUSED_AHEAD_S = 5.0, 300.0


def _of(facts: Facts) -> Operations:
    return facts.operations or Operations()


def _weight(source: SourceFact) -> Weight:
    """One of many that could have measured it proves nothing."""
    return Weight.CAUSE if source.is_sure else Weight.CLUE


def lacking(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
        if source.lacks and not has_data(facts):
            yield Finding(
                "lacking", Weight.CAUSE,
                f"The source finds the resource but has no {facts.meter_asked} of it: "
                f"{source.lacks}.",
                (_polled(source, facts),), source=source.pk,
            )  # fmt: skip


def left_out(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
        if facts.meter_asked in source.selection.left_out:
            yield Finding(
                "left_out", _weight(source),
                f"The polling file of agent {source.agent_id} does not select "
                f"{facts.meter_asked}.",
                tuple(source.selection.rules),
                "Add the meter to a source of that file and start the agent again.",
                "manage.py check_definitions", source=source.pk,
            )  # fmt: skip


def silent(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
        if source.silent:
            yield Finding(
                "silent", _weight(source),
                f"{source.label} has reported nothing for "
                f"{duration(source.silent.total_seconds())}.",
                (f"expected every {duration(source.interval_s)}", _polled(source, facts),
                 source.why),
                f"On the agent's host: does it run, does it reach the broker? Agent "
                f"{source.agent_id}.",
                "manage.py status", source=source.pk,
            )  # fmt: skip


def failing(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
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
            "error", _weight(source) if whole else Weight.CAUSE if named else Weight.CLUE,
            f"{source.label} {'can not be polled' if whole else 'answers in part'}: "
            f"{source.errors[0]}",
            tuple(filter(None, (*source.errors[1:4], success, source.why))),
            "See to what the sentence names; the next poll tries again by itself.",
            source=source.pk,
        )  # fmt: skip


def refused(facts: Facts) -> Iterator[Finding]:
    for one in _of(facts).refused:
        yield Finding(
            "quarantined", Weight.CLUE if has_data(facts) else Weight.CAUSE,
            f"Samples or messages of it were refused and lie in the quarantine: {one.reason}.",
            (f"{one.count} open, the newest from {at(one.newest, facts.now)}", one.detail),
            "See what is wrong, mend it, then replay or discard.",
            f"manage.py quarantine show {one.pk}", quarantined=one.pk,
        )  # fmt: skip


def dropped(facts: Facts) -> Iterator[Finding]:
    agents = {source.agent_id for source in _of(facts).sources if source.is_sure}
    for one in _of(facts).dropped:
        span = ""
        if one.first and one.last:
            span = f"samples from {one.first:%Y-%m-%d %H:%M:%S} to {one.last:%Y-%m-%d %H:%M:%S} UTC"
        yield Finding(
            "dropped", Weight.CAUSE if one.agent_id in agents else Weight.CLUE,
            f"Agent {one.agent_id} dropped {one.items} items, its spool being full "
            f"({one.reason}).",
            tuple(filter(None, (f"told {at(one.at, facts.now)}", span))),
            "They are lost. Look why the broker or the collector was away so long, or give the "
            "spool more room.",
        )  # fmt: skip


def behind(facts: Facts) -> Iterator[Finding]:
    """A source whose report came through lately says that the way was free."""
    known, source = _of(facts), likely(facts)
    came_through = source is not None and not source.silent
    weight = Weight.CLUE if came_through else Weight.CAUSE
    if known.broker_away is not None:
        yield Finding(
            "broker_away", weight,
            "The broker does not answer: samples wait in the agents' spools.",
            (f"for {duration(max(known.broker_away.total_seconds(), 1))}",),
            "Bring the broker back; what waits comes by itself.", "manage.py status",
        )  # fmt: skip
    if (known.waiting or 0) > BACKLOG_LIMIT:
        yield Finding(
            "backlog", weight, f"The collector is behind: {known.waiting} batches wait for it.", (),
            "Start another collector, or look at its log.", "manage.py status",
        )  # fmt: skip


def late(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
        if source.lag_s > LAG_LIMIT_S and not source.silent:
            yield Finding(
                "late", _weight(source),
                f"Reports of {source.label} come {duration(source.lag_s)} after their poll.",
                ("so do its samples; or the agent's clock is behind by so much",),
                "Compare the host's clock (chronyc tracking), then the broker's queues.",
                source=source.pk,
            )  # fmt: skip


def clock(facts: Facts) -> Iterator[Finding]:
    for source in _of(facts).sources:
        ahead = -(source.last_received - source.last_poll).total_seconds()
        if ahead > SKEW_S:
            is_refused = ahead > REFUSED_AHEAD_S
            yield Finding(
                "clock", _weight(source) if is_refused else Weight.CLUE,
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
    ):  # fmt: skip
        yield Finding(
            "no_source", Weight.CAUSE,
            "No source that has reported measures this meter.",
            ("agents report each poll; a source that was forgotten or never ran is not known",),
            "Start the agent, and look at what the sources page says of it.",
            "manage.py status",
        )  # fmt: skip


def missed(facts: Facts) -> Iterator[Finding]:
    known = _of(facts)
    if known.sources and known.expected and known.reports < 0.9 * known.expected:
        yield Finding(
            "missed", Weight.CLUE,
            f"Only {known.reports} of {known.expected} polls of the last hour were reported "
            f"({known.sources[0].label}).", (known.sources[0].why,),
            "Polls longer than their interval, or an agent that was away: see its reports.",
            source=known.sources[0].pk,
        )  # fmt: skip


def polled(facts: Facts) -> Iterator[Finding]:
    known = _of(facts)
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
    takes = [one for one in _of(facts).sources if facts.meter_asked in one.selection.meters]
    if takes:
        rules = tuple(takes[0].selection.rules) or ("there is no polling file: all is measured",)
        yield Finding("selected", Weight.FINE, "Not filtered: the rules select this meter.", rules)


def nothing_lost(facts: Facts) -> Iterator[Finding]:
    known = facts.operations
    if known and not known.refused and not known.dropped:
        yield Finding(
            "nothing_lost", Weight.FINE,
            "Not dropped: nothing of it is in the quarantine, and no agent has told of a drop in "
            "the last 7 days.",
        )  # fmt: skip


def on_time(facts: Facts) -> Iterator[Finding]:
    known = facts.operations
    if known and not any(behind(facts)) and not any(late(facts)):
        slowest = max((source.lag_s for source in known.sources), default=0.0)
        waits = f"{known.waiting or 0} batches wait for the collector"
        told = (f"the last report took {duration(max(slowest, 0))}",) if known.sources else ()
        yield Finding("on_time", Weight.FINE, f"Not late: {waits}.", told)


def _polled(source: SourceFact, facts: Facts) -> str:
    return (
        f"{source.label}, last {at(source.last_poll, facts.now)}: {source.outcome}, "
        f"{source.samples} samples in {duration(source.duration_s)}"
    )


CAUSES: tuple[Rule, ...] = (
    lacking, left_out, behind, silent, failing, refused, dropped, late, clock, nobody,
)  # fmt: skip
CLUES: tuple[Rule, ...] = (missed,)
CHECKS: tuple[Rule, ...] = (polled, chosen, nothing_lost, on_time)
