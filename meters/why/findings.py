"""What a finding is, and the words that all rules share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from meters.ui.formats import duration
from meters.why.facts import Facts, Operations, SourceFact

#: Samples may come this much later than their rhythm says before they count as missing.
SLACK_S = 60.0
#: The rhythm of what has no known one.
USUAL_STEP_S = 300.0


class Weight(StrEnum):
    """A cause explains the absence by itself; a clue may have to do with it; fine is in order."""

    CAUSE = "cause"
    CLUE = "clue"
    FINE = "fine"


@dataclass(frozen=True)
class Finding:
    """One thing found out: the verdict, what it stands on, what to do.

    `command` is for a terminal; `source`, `quarantined` and `resource` are ids of pages to look at.
    """

    code: str
    weight: Weight
    verdict: str
    evidence: tuple[str, ...] = ()
    action: str = ""
    command: str = ""
    source: int | None = None
    quarantined: int | None = None
    resource: UUID | None = None


Rule = Callable[[Facts], Iterator[Finding]]


def at(moment: datetime, now: datetime) -> str:
    """The time in UTC and its distance from now."""
    seconds = (now - moment).total_seconds()
    distance = f"{duration(seconds)} ago" if seconds >= 0 else f"{duration(-seconds)} ahead of now"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({distance})"


def operations_of(facts: Facts) -> Operations:
    """What is known of the installation; nothing for those who may not know."""
    return facts.operations or Operations()


def weight_of(source: SourceFact) -> Weight:
    """Of what is wrong with a source: one of many that could have measured it proves nothing."""
    return Weight.CAUSE if source.is_sure else Weight.CLUE


def likely(facts: Facts) -> SourceFact | None:
    """The source that is known to measure the resource."""
    sources = operations_of(facts).sources
    return sources[0] if sources and sources[0].is_sure else None


def step_s(facts: Facts) -> float:
    """How far apart the samples should be."""
    source = likely(facts)
    known = [facts.series.step_s if facts.series else None, source.interval_s if source else None]
    return max((step for step in known if step), default=USUAL_STEP_S)


def is_fresh(facts: Facts, newest: datetime | None) -> bool:
    """Whether the next sample is not overdue by more than one step."""
    if newest is None:
        return False
    return (facts.now - newest).total_seconds() <= 2 * step_s(facts) + SLACK_S


def has_data(facts: Facts) -> bool:
    return facts.series is not None and is_fresh(facts, facts.series.newest)
