"""Rules that compare values with a threshold."""

from __future__ import annotations

import msgspec

from alarms.definition.conditions import Condition, check_conditions
from alarms.definition.fields import (
    Comparison,
    Name,
    Names,
    Periods,
    Seconds,
    Statistic,
    Text,
    check_method,
    check_number,
    check_text,
)
from alarms.errors import DefinitionError
from meters.promql.parsing import parse as parse_promql
from meters.promql.tables import PromqlError
from meters.search import SearchError, parse_search


class _Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`evaluation_periods` values of `granularity` seconds each are compared with `threshold`."""

    comparison_operator: Comparison = "eq"
    threshold: float
    aggregation_method: Name
    evaluation_periods: Periods = 1
    granularity: Seconds = 60

    def check(self) -> None:
        check_method(self.aggregation_method)
        check_number("threshold", self.threshold)
        for name in ("metric", "resource_id", "resource_type", "query"):
            check_text(name, getattr(self, name, ""))


class ResourceThreshold(_Threshold, frozen=True):
    """`metric` of one resource; `resource_id` is its UUID here or its id in its own world."""

    metric: Name
    resource_id: Name
    resource_type: Name = "generic"


class MetricsThreshold(_Threshold, frozen=True):
    """`metrics`, by their UUIDs, put together by the method."""

    metrics: Names

    def check(self) -> None:
        super().check()
        for name in self.metrics:
            check_text("metrics", name)


class GroupThreshold(_Threshold, frozen=True):
    """`metric` over all resources that `query` (a JSON search as text) finds."""

    metric: Name
    query: Text
    resource_type: Name = "generic"

    def check(self) -> None:
        super().check()
        try:
            parse_search(self.query)
        except SearchError as error:
            fault = f"Invalid input for field/attribute rule/query. Value: '{self.query}'. {error}"
            raise DefinitionError("rule.query", str(error), fault) from error


class ClassicThreshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """ceilometer's own: `statistic` of the samples of a meter that `query` finds, by periods.

    `exclude_outliers` drops periods with an unusual number of samples (alarms.md 2.6).
    """

    meter_name: Name
    comparison_operator: Comparison = "eq"
    threshold: float
    statistic: Statistic = "avg"
    evaluation_periods: Periods = 1
    period: Seconds = 60
    query: list[Condition] = []
    exclude_outliers: bool = False

    def check(self) -> None:
        check_text("meter_name", self.meter_name)
        check_number("threshold", self.threshold)
        check_conditions(self.query)
        for condition in self.query:
            if condition.field in ("timestamp", "search_offset"):
                raise DefinitionError("rule.query", f"may not limit {condition.field}")


class PromqlThreshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Each element of the vector that `query` makes is compared; there are no periods."""

    comparison_operator: Comparison = "eq"
    threshold: float
    query: Text

    def check(self) -> None:
        check_number("threshold", self.threshold)
        check_text("query", self.query)
        try:
            parse_promql(self.query)
        except PromqlError as error:
            fault = f"Invalid input for field/attribute query. Value: '{self.query}'. {error}"
            raise DefinitionError("rule.query", str(error), fault) from error
