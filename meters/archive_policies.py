"""Archive policies and their rules: what a definition means, which methods, which policy for whom.

Spans are whole microseconds. Errors carry the texts that the metric API's clients know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Any, NamedTuple

from meters.aggregation import every_method, is_method
from meters.models import ArchivePolicy, ArchivePolicyRule
from telemetry_site.prepared import Prepared

#: What a policy has that names no methods.
DEFAULT_METHODS = ("mean", "min", "max", "sum", "std", "count")
ALL_METHODS = "*"
_SIGNS = ("+", "-")
#: Longer than the years 1970 to 2262; more would not fit into 64 bits of microseconds.
_LONGEST_US = 10**16

Definition = list[dict[str, int | None]]


class PolicyError(ValueError):
    """Something about a policy or a rule can't be; the text is for the client."""


class Item(NamedTuple):
    """One line of a definition as it was asked for; two of the three say the third."""

    granularity_us: int | None = None
    points: int | None = None
    timespan_us: int | None = None


def define(items: Iterable[Item]) -> Definition:
    """What `ArchivePolicy.definition` holds. Raises `PolicyError`."""
    definition = [_derive(item) for item in items]
    seen = set()
    for line in definition:
        granularity_us = line["granularity"]
        if granularity_us in seen:
            raise PolicyError(
                f"More than one archive policy uses granularity `{_seconds(granularity_us)}'"
            )
        seen.add(granularity_us)
    return definition


def _derive(item: Item) -> dict[str, int | None]:
    """Points and timespans are rounded down to what fits."""
    granularity_us, points, timespan_us = item
    if granularity_us is None:
        if points is None or timespan_us is None:
            raise PolicyError("At least two of granularity/points/timespan must be provided")
        granularity_us = timespan_us // points
        if not granularity_us:
            raise PolicyError("Timespan must be positive")
    elif points is None and timespan_us is not None:
        points = timespan_us // granularity_us
        if not points:
            raise PolicyError("Calculated number of points is < 0")
    elif points is not None and timespan_us not in (None, granularity_us * points):
        raise PolicyError("timespan ≠ granularity × points")
    if points is not None and granularity_us * points > _LONGEST_US:
        raise PolicyError(f"Timespan must be at most {_seconds(_LONGEST_US)} seconds")
    return {"granularity": granularity_us, "points": points}


def redefine(policy: ArchivePolicy, definition: Definition) -> None:
    """How long it keeps may change, at which granularities may not. Raises `PolicyError`."""
    before = sorted(policy.granularities_us)
    after = sorted(line["granularity"] or 0 for line in definition)
    if len(before) != len(after):
        raise _unsupported(policy, "Cannot add or drop granularities")
    for old, new in zip(before, after, strict=True):
        if old != new:
            raise _unsupported(policy, f"{_seconds(old)} granularity interval was changed")
    policy.definition = definition


def _unsupported(policy: ArchivePolicy, reason: str) -> PolicyError:
    return PolicyError(f"Archive policy {policy.name} does not support change: {reason}")


def _seconds(span_us: int | None) -> float:
    return (span_us or 0) / 1_000_000


# --- aggregation methods -----------------------------------------------------------------------


def is_method_entry(text: str) -> bool:
    """A method's name, one with a sign in front, or `*`."""
    return text == ALL_METHODS or is_method(text[1:] if text.startswith(_SIGNS) else text)


def resolve_methods(entries: Sequence[str]) -> list[str]:
    """`*` is all, ``+x`` and ``-x`` change what the others say, alone they change the default."""
    added = {entry[1:] for entry in entries if entry.startswith("+")}
    removed = {entry[1:] for entry in entries if entry.startswith("-")}
    named = {entry for entry in entries if not entry.startswith(_SIGNS)}
    everything = every_method()
    if ALL_METHODS in named:
        named = set(everything)
    chosen = (named or set(DEFAULT_METHODS)) - removed | added
    return [method for method in everything if method in chosen]


# --- JSON --------------------------------------------------------------------------------------


def policy_json(policy: ArchivePolicy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "back_window": policy.back_window,
        "definition": [_line_json(policy, line) for line in policy.definition],
        "aggregation_methods": policy.aggregation_methods,
    }


def _line_json(policy: ArchivePolicy, line: dict[str, int | None]) -> dict[str, Any]:
    granularity_us = line["granularity"] or 0
    timespan_us = policy.timespan_us(granularity_us)
    return {
        "timespan": None if timespan_us is None else str(timedelta(microseconds=timespan_us)),
        "granularity": str(timedelta(microseconds=granularity_us)),
        "points": line["points"],
    }


def rule_json(rule: ArchivePolicyRule) -> dict[str, str]:
    return {
        "name": rule.name,
        "archive_policy_name": rule.archive_policy.name,
        "metric_pattern": rule.metric_pattern,
    }


# --- the policy of a new metric ----------------------------------------------------------------


_rules: Prepared[ArchivePolicyRule] = Prepared(
    lambda: ArchivePolicyRule.objects.select_related("archive_policy")
)


def rules_in_order() -> list[ArchivePolicyRule]:
    """As they are tried: patterns backwards, so that the longer of two beginnings comes first.

    By code points, whatever the database's collation.
    """
    rules = _rules.rows()
    rules.sort(key=attrgetter("name"))
    rules.sort(key=attrgetter("metric_pattern"), reverse=True)
    return rules


def policy_names(wanted: Sequence[tuple[str, str | None]]) -> list[str]:
    """The policy of each (metric's name, policy's name): the one named, else the first rule's.

    Raises `PolicyError` where no rule fits. Whether there is one of a name is not asked.
    """
    rules = rules_in_order() if any(policy is None for _, policy in wanted) else []
    return [_by_rule(metric, rules) if policy is None else policy for metric, policy in wanted]


def _by_rule(metric: str, rules: Sequence[ArchivePolicyRule]) -> str:
    for rule in rules:
        if fnmatchcase(metric, rule.metric_pattern):
            return rule.archive_policy.name
    raise PolicyError(
        "No archive policy name specified and no archive policy rule found matching the metric "
        f"name {metric or None}"
    )
