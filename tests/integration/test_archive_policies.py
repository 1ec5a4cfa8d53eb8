"""Which policy a metric gets: by name, by the first rule that fits, by who measures it."""

from __future__ import annotations

import pytest

from meters.archive_policies import PolicyError, policy_names, rules_in_order
from meters.default_policies import POLICIES, make_default_policies
from meters.models import ArchivePolicy, ArchivePolicyRule, Metric
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.support.batches import batch_of, resource


@pytest.fixture
def low(db: None) -> ArchivePolicy:
    return ArchivePolicy.objects.create(name="low", definition=[], aggregation_methods=[])


@pytest.fixture
def other(db: None) -> ArchivePolicy:
    return ArchivePolicy.objects.create(name="other", definition=[], aggregation_methods=[])


def rule(policy: ArchivePolicy, pattern: str, name: str = "") -> None:
    ArchivePolicyRule.objects.create(
        name=name or pattern, metric_pattern=pattern, archive_policy=policy
    )


def test_rules_are_in_reverse_order_of_patterns_then_by_name(low: ArchivePolicy) -> None:
    for pattern, name in [
        ("*", "b"), ("disk.*", "c"), ("disk.io.*", "d"), ("*", "a"), ("Disk", "e"), ("é", "f"),
    ]:  # fmt: skip
        rule(low, pattern, name)
    assert [one.name for one in rules_in_order()] == ["f", "d", "c", "e", "a", "b"]


def test_the_first_rule_that_fits_decides(low: ArchivePolicy, other: ArchivePolicy) -> None:
    rule(low, "*")
    rule(other, "disk.[!x]?*")
    wanted = [("disk.io", None), ("disk.x1", None), ("Disk.io", None), ("", None), ("a", "other")]
    assert policy_names(wanted) == ["other", "low", "low", "low", "other"]


def test_without_a_rule_that_fits_there_is_no_policy(low: ArchivePolicy) -> None:
    rule(low, "disk.*")
    text = "No archive policy name specified and no archive policy rule found matching"
    for name, shown in (("cpu", "cpu"), ("", "None")):
        with pytest.raises(PolicyError, match=f"{text} the metric name {shown}"):
            policy_names([(name, None)])


def test_the_first_policies_are_made_once(db: None) -> None:
    make_default_policies()
    assert set(ArchivePolicy.objects.values_list("name", flat=True)) == set(POLICIES)
    assert [one.archive_policy.name for one in rules_in_order()] == ["low"]
    ArchivePolicy.objects.filter(name="bool").delete()
    make_default_policies()
    assert ArchivePolicy.objects.count() == len(POLICIES) - 1


def test_nothing_is_made_where_there_is_a_policy(low: ArchivePolicy) -> None:
    make_default_policies()
    assert ArchivePolicy.objects.count() == 1
    assert not ArchivePolicyRule.objects.exists()


def measure(creator: str = "", *meters: str) -> None:
    samples = [(resource("vm-1"), meter, 1.0, now_us()) for meter in meters]
    store_batch(batch_of(*samples), creator=creator)


@pytest.mark.usefixtures("fresh_store")
def test_what_agents_measure_has_their_policy_and_what_others_post_none() -> None:
    measure("", "before")
    measure("p2", "posted.before")
    make_default_policies()
    measure("", "after")
    measure("p2", "posted.after")
    found = dict(Metric.objects.values_list("name", "archive_policy__name"))
    assert found == {
        "before": "telemetry", "after": "telemetry", "posted.before": None, "posted.after": None,
    }  # fmt: skip


@pytest.mark.usefixtures("fresh_store")
def test_without_that_policy_agents_measure_all_the_same() -> None:
    measure("", "cpu")
    assert Metric.objects.get().archive_policy is None
