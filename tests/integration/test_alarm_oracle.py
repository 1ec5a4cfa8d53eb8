"""Random samples and rules of every kind: a set at once, each alone, and a slow plain reading."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alarms import rules
from alarms.definition import ClassicThreshold, GroupThreshold, MetricsThreshold, Part, parse_rule
from alarms.evaluator.looking import look_at
from alarms.evaluator.subjects import Subject
from meters.models import Metric
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.support.batches import SECOND, batch_of, resource
from tests.support.head import empty_head

pytestmark = pytest.mark.usefixtures("fresh_store")
VMS = ("vm-1", "vm-2", "vm-3")
#: (machine, time in µs, value)
Sample = tuple[str, int, float]
PLAIN: dict[str, Any] = {
    "mean": fmean, "avg": fmean, "max": max, "min": min, "sum": sum, "count": len,
}  # fmt: skip


def periods_of(
    samples: list[Sample], width_us: int, start: int, stop: int, origin: int
) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for _, at, value in sorted(samples, key=lambda one: one[1]):
        if start <= at < stop:
            found[(at - origin) // width_us].append(value)
    return found


def plain(rule: Part, samples: list[Sample], now: int) -> list[float]:
    """The values of the window, oldest first."""
    if isinstance(rule, ClassicThreshold):
        more = rule.evaluation_periods if rule.exclude_outliers else 1
        start = now - rule.period * SECOND * (rule.evaluation_periods + more)
        periods = periods_of(samples, rule.period * SECOND, start, now, start)
        chosen = [periods[number] for number in sorted(periods)]
        if rule.exclude_outliers and chosen:
            counts = [len(one) for one in chosen]
            mean, spread = fmean(counts), 2 * pstdev(counts)
            chosen = [one for one in chosen if abs(len(one) - mean) <= spread + 1e-9]
        return [float(PLAIN[rule.statistic](one)) for one in chosen][-rule.evaluation_periods :]
    assert isinstance(rule, GroupThreshold | MetricsThreshold)
    width = rule.granularity * SECOND
    start = (now - width * (rule.evaluation_periods + 1)) // width * width
    together: dict[int, list[float]] = defaultdict(list)
    for name in VMS:
        own = [one for one in samples if one[0] == name]
        for number, values in periods_of(own, width, start, now, 0).items():
            together[number].append(float(PLAIN[rule.aggregation_method](values)))
    method = PLAIN[rule.aggregation_method]
    return [float(method(together[number])) for number in sorted(together)][
        -rule.evaluation_periods :
    ]


comparisons = st.sampled_from(sorted(rules.COMPARE))
limits = st.sampled_from([0.0, 50.0, 80.0])
bucketed = st.fixed_dictionaries({
    "aggregation_method": st.sampled_from(["mean", "max", "min", "sum", "count"]),
    "comparison_operator": comparisons, "threshold": limits,
    "evaluation_periods": st.integers(1, 4), "granularity": st.sampled_from([5, 20, 60]),
})  # fmt: skip
classic = st.fixed_dictionaries({
    "meter_name": st.just("cpu"), "comparison_operator": comparisons, "threshold": limits,
    "statistic": st.sampled_from(["avg", "max", "min", "sum", "count"]),
    "evaluation_periods": st.integers(1, 4), "period": st.sampled_from([5, 20, 60]),
    "exclude_outliers": st.booleans(),
})  # fmt: skip
samples_ = st.lists(
    st.tuples(st.sampled_from(VMS), st.integers(1, 400), st.integers(0, 200).map(float)),
    max_size=60, unique_by=lambda one: (one[0], one[1]),
)  # fmt: skip


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    samples_,
    st.lists(bucketed, max_size=8),
    st.lists(bucketed, max_size=8),
    st.lists(classic, min_size=1, max_size=8),
)
def test_what_a_set_sees_is_what_a_plain_reading_sees(
    given_samples: list[tuple[str, int, float]],
    groups: list[dict[str, Any]],
    listed: list[dict[str, Any]],
    classics: list[dict[str, Any]],
) -> None:
    empty_head()
    at = now_us()
    known = [(name, 400, 1.0) for name in VMS]  # so that each metric exists
    samples = [(name, at - age * SECOND, value) for name, age, value in [*given_samples]]
    old = [(name, at - age * 10 * SECOND, value) for name, age, value in known]
    store_batch(
        batch_of(*((resource(one), "cpu", value, when) for one, when, value in samples + old))
    )
    ids = [str(one) for one in Metric.objects.order_by("pk").values_list("uuid", flat=True)]
    made = [
        parse_rule("gnocchi_aggregation_by_resources_threshold",
                   {**fields, "metric": "cpu", "query": "{}"})
        for fields in groups
    ]  # fmt: skip
    by_metrics = "gnocchi_aggregation_by_metrics_threshold"
    made += [parse_rule(by_metrics, {**fields, "metrics": ids}) for fields in listed]
    made += [parse_rule("threshold", fields) for fields in classics]
    subjects = [Subject(rule, "p1") for rule in made if isinstance(rule, Part)]
    together = look_at(subjects, at)
    for place, subject in enumerate(subjects):
        rule = subject.rule
        assert not isinstance(rule, str)
        expected = plain(rule, samples, at)
        assert together.buckets(place).values.tolist() == pytest.approx(expected)
        assert together.look(place) == look_at([subject], at).look(0)
        if len(expected) == together.numbers.periods[place]:
            outside = sum(
                bool(rules.COMPARE[rule.comparison_operator](value, rule.threshold))
                for value in together.buckets(place).values.tolist()
            )
            assert together.look(place).outside == outside
        else:
            assert together.problems[place]
