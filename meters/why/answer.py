"""From facts to the ordered findings, the first of which is the answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from meters.why import losses, polling, standing, stored
from meters.why.facts import Facts
from meters.why.findings import Finding, Rule, Weight, has_data

#: In the order of how much a rule explains, which is that of findings of one weight.
RULES: tuple[Rule, ...] = (
    *stored.CAUSES, *standing.CLUES, *losses.WHOLE, *polling.CAUSES, *losses.CAUSES,
    *polling.LAST_CAUSES, *polling.CLUES, *standing.CHECKS, *polling.CHECKS, *losses.CHECKS,
)  # fmt: skip
ORDER = (Weight.CAUSE, Weight.CLUE, Weight.FINE)


@dataclass(frozen=True)
class Answer:
    """`has_data`: the newest sample is as young as it should be. `findings` are never empty."""

    resource: str
    meter: str
    has_data: bool
    findings: tuple[Finding, ...]

    @property
    def headline(self) -> str:
        return self.findings[0].verdict

    @property
    def explained(self) -> bool:
        """Whether a cause was found, or there is nothing to explain."""
        return self.has_data or self.findings[0].weight is Weight.CAUSE


def explain(facts: Facts) -> Answer:
    """Causes, then clues, then what is in order; with data at hand there are no causes."""
    found = [finding for rule in RULES for finding in rule(facts)]
    fresh = has_data(facts)
    if fresh:
        head, *rest = found
        found = [head, *sorted(map(_demoted, rest), key=_place)]
    else:
        found.sort(key=_place)
    return Answer(facts.resource_asked, facts.meter_asked, fresh, tuple(found))


def _demoted(finding: Finding) -> Finding:
    return replace(finding, weight=Weight.CLUE) if finding.weight is Weight.CAUSE else finding


def _place(finding: Finding) -> int:
    return ORDER.index(finding.weight)
