"""The archive policies that an installation begins with."""

from __future__ import annotations

from django.db import transaction

from meters.archive_policies import DEFAULT_METHODS, Item, define
from meters.models import AGENTS_POLICY, ArchivePolicy, ArchivePolicyRule, Metric

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86_400 * _SECOND
_MINUTES_OF_A_WEEK = Item(_MINUTE, timespan_us=7 * _DAY)
_HOURS_OF_A_YEAR = Item(_HOUR, timespan_us=365 * _DAY)

#: name → (back window, definition, methods)
POLICIES: dict[str, tuple[int, tuple[Item, ...], tuple[str, ...]]] = {
    "bool": (3600, (Item(_SECOND, timespan_us=365 * _DAY),), ("last",)),
    "low": (0, (Item(5 * _MINUTE, timespan_us=30 * _DAY),), DEFAULT_METHODS),
    "medium": (0, (_MINUTES_OF_A_WEEK, _HOURS_OF_A_YEAR), DEFAULT_METHODS),
    "high": (
        0,
        (Item(_SECOND, timespan_us=_HOUR), _MINUTES_OF_A_WEEK, _HOURS_OF_A_YEAR),
        DEFAULT_METHODS,
    ),
    AGENTS_POLICY: (
        0,
        (Item(_MINUTE), Item(5 * _MINUTE), Item(_HOUR)),
        (*DEFAULT_METHODS, "last", "rate:mean"),
    ),
}
RULE = ("default", "*", "low")


@transaction.atomic
def make_default_policies() -> None:
    """Once, where nobody has made a policy or a rule; what agents measured so far gets its own."""
    if ArchivePolicy.objects.exists() or ArchivePolicyRule.objects.exists():
        return
    made = {
        policy.name: policy
        for policy in ArchivePolicy.objects.bulk_create(
            ArchivePolicy(
                name=name,
                back_window=back_window,
                definition=define(items),
                aggregation_methods=list(methods),
            )
            for name, (back_window, items, methods) in POLICIES.items()
        )
    }
    name, pattern, policy = RULE
    ArchivePolicyRule.objects.create(name=name, metric_pattern=pattern, archive_policy=made[policy])
    Metric.objects.filter(archive_policy=None, resource__creator="").update(
        archive_policy=made[AGENTS_POLICY]
    )
