"""Rules about the way to the database: refused, dropped, waiting, late. Pure.

All of it is for administrators: without `Facts.operations` none of these rules says anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from meters.ui.formats import duration
from meters.ui.health import BACKLOG_LIMIT, LAG_LIMIT_S
from meters.why.facts import Facts
from meters.why.findings import (
    Finding,
    Rule,
    Weight,
    at,
    has_data,
    likely,
    operations_of,
    weight_of,
)


def refused(facts: Facts) -> Iterator[Finding]:
    for one in operations_of(facts).refused:
        yield Finding(
            "quarantined", Weight.CLUE if has_data(facts) else Weight.CAUSE,
            f"Samples or messages of it were refused and lie in the quarantine: {one.reason}.",
            (f"{one.count} open, the newest from {at(one.newest, facts.now)}", one.detail),
            "See what is wrong, mend it, then replay or discard.",
            f"manage.py quarantine show {one.pk}", quarantined=one.pk,
        )  # fmt: skip


def dropped(facts: Facts) -> Iterator[Finding]:
    agents = {source.agent_id for source in operations_of(facts).sources if source.is_sure}
    for one in operations_of(facts).dropped:
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
    known, source = operations_of(facts), likely(facts)
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
    for source in operations_of(facts).sources:
        if source.lag_s > LAG_LIMIT_S and not source.silent:
            yield Finding(
                "late", weight_of(source),
                f"Reports of {source.label} come {duration(source.lag_s)} after their poll.",
                ("so do its samples; or the agent's clock is behind by so much",),
                "Compare the host's clock (chronyc tracking), then the broker's queues.",
                source=source.pk,
            )  # fmt: skip


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


#: What holds up everything comes before what is wrong with one source.
WHOLE: tuple[Rule, ...] = (behind,)
CAUSES: tuple[Rule, ...] = (refused, dropped, late)
CHECKS: tuple[Rule, ...] = (nothing_lost, on_time)
