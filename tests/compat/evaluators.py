"""aodh's real evaluators judge rules on measures that the metric API holds.

Runs in aodh's environment (`make compat SUITE=aodh`). What an evaluator does after its judgement
(its database, its notifier) asks nothing of us and is left out.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from aodh.evaluator.gnocchi import (
    GnocchiAggregationMetricsThresholdEvaluator,
    GnocchiAggregationResourcesThresholdEvaluator,
    GnocchiResourceThresholdEvaluator,
)
from aodh.evaluator.threshold import InsufficientDataError
from aodh.service import prepare_service

URL = os.environ["METRIC_API_URL"]
MINUTE = timedelta(minutes=1)
#: Stays the newest minute with a measure, should the clock go on meanwhile: a rule looks at three.
LAST = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("aodh") / "aodh.conf"
    login = f"auth_type = gnocchi-basic\nuser = admin\nendpoint = {URL}\n"
    # No message is sent: the transport is opened all the same.
    file.write_text(f"[DEFAULT]\ntransport_url = fake://\n[service_credentials]\n{login}")
    return prepare_service([], [str(file)])


def post(path: str, body: Any) -> Any:
    answer = requests.post(f"{URL}/v1/{path}", json=body, auth=("admin", ""), timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def policy() -> str:
    name = f"policy-{uuid4()}"
    definition = [{"granularity": "1min", "timespan": "1h"}, {"granularity": "1h", "points": 9}]
    methods = ["mean", "max", "rate:mean"]
    post("archive_policy", {"name": name, "definition": definition, "aggregation_methods": methods})
    return name


@pytest.fixture
def project() -> str:
    return f"project-{uuid4()}"


def measured(policy: str, project: str, *values: float) -> tuple[str, str]:
    """Ids of a resource and its metric `load`: a value a minute, the last one in `LAST`."""
    resource = str(uuid4())
    body = {
        "id": resource, "project_id": project, "metrics": {"load": {"archive_policy_name": policy}}
    }  # fmt: skip
    metric = post("resource/generic", body)["metrics"]["load"]
    measures = [
        {"timestamp": (LAST - age * MINUTE).isoformat(), "value": value}
        for age, value in enumerate(reversed(values))
    ]
    post(f"metric/{metric}/measures", measures)
    return resource, metric


def rule(**fields: Any) -> dict[str, Any]:
    """More than 10 for two minutes."""
    usual = {
        "granularity": 60.0, "evaluation_periods": 2, "aggregation_method": "mean",
        "comparison_operator": "gt", "threshold": 10,
    }  # fmt: skip
    return usual | fields


def judged(evaluator: Any, **fields: Any) -> tuple[str | None, str | None, list[float]]:
    """State, trend (when the minutes differ), and the values judged."""
    state, trend, values, _, _ = evaluator.evaluate_rule(rule(**fields))
    return state, trend, values


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((1, 11, 12), ("alarm", None, [11, 12])),
        ((99, 9, 8), ("ok", None, [9, 8])),
        ((1, 9, 12), (None, "alarm", [9, 12])),
    ],
)
def test_one_metric_of_a_resource(
    conf: Any, policy: str, project: str, values: tuple[float, ...], wanted: tuple[Any, ...]
) -> None:
    resource, _ = measured(policy, project, *values)
    evaluator = GnocchiResourceThresholdEvaluator(conf)
    assert judged(evaluator, metric="load", resource_id=resource) == wanted


def test_the_rate_of_one_metric(conf: Any, policy: str, project: str) -> None:
    resource, _ = measured(policy, project, 0, 11, 23, 43)
    evaluator = GnocchiResourceThresholdEvaluator(conf)
    rate = {"metric": "load", "resource_id": resource, "aggregation_method": "rate:mean"}
    assert judged(evaluator, **rate) == ("alarm", None, [12, 20])


def test_several_metrics(conf: Any, policy: str, project: str) -> None:
    """The second began later: a minute without its measure is that of the first."""
    _, first = measured(policy, project, 1, 20, 10)
    _, second = measured(policy, project, 14)
    evaluator = GnocchiAggregationMetricsThresholdEvaluator(conf)
    assert judged(evaluator, metrics=[first, second]) == ("alarm", None, [20, 12])
    highest = judged(evaluator, metrics=[first, second], aggregation_method="max")
    assert highest == ("alarm", None, [20, 14])


def test_metrics_of_found_resources(conf: Any, policy: str, project: str) -> None:
    measured(policy, project, 1, 2, 4)
    measured(policy, project, 1, 4, 6)
    measured(policy, f"not-{project}", 99, 99, 99)
    evaluator = GnocchiAggregationResourcesThresholdEvaluator(conf)
    # aodh's API wraps a tenant's query like this.
    query = {"and": [{"=": {"created_by_project_id": ""}}, {"=": {"project_id": project}}]}
    asked = {"metric": "load", "resource_type": "generic", "query": json.dumps(query)}
    assert judged(evaluator, **asked) == ("ok", None, [3, 5])


def why(evaluator: Any, **fields: Any) -> str:
    """Why there are not enough data."""
    with pytest.raises(InsufficientDataError) as caught:
        evaluator.evaluate_rule(rule(**fields))
    return str(caught.value.reason)


def test_what_is_not_there_is_insufficient_data(conf: Any, policy: str, project: str) -> None:
    """aodh tells the cases apart by the words of the 404."""
    resource, metric = measured(policy, project, 1, 2, 3)
    one = GnocchiResourceThresholdEvaluator(conf)
    of = {"metric": "load", "resource_id": resource}
    unknown = str(uuid4())
    named = f"metric idle for resource {resource} does not exists"
    assert why(one, **of | {"metric": "idle"}) == named
    assert why(one, **of | {"resource_id": unknown}) == f"resource {unknown} does not exists"
    assert why(one, **of, aggregation_method="min").startswith("aggregation min does not exist")
    assert why(one, **of, evaluation_periods=5) == "5 datapoints are unknown"

    several = GnocchiAggregationMetricsThresholdEvaluator(conf)
    # gnocchi's 404 is not the client's MetricNotFound here, either.
    assert why(several, metrics=[metric, unknown]).startswith("aggregation mean does not exist")
    found = GnocchiAggregationResourcesThresholdEvaluator(conf)
    nobody = json.dumps({"=": {"project_id": f"nobody-{project}"}})
    asked = {"metric": "load", "resource_type": "generic", "query": nobody}
    assert why(found, **asked) == "metric load does not exists"
