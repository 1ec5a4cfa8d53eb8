"""Alarms for tests, made through the lifecycle as every door makes them."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Now

from alarms import lifecycle
from alarms.choices import Type
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.support.batches import SECOND, batch_of, resource


def threshold(resource_id: str = "vm-1", **fields: Any) -> dict[str, Any]:
    """Mean of `cpu` above 80 over one minute."""
    return {
        "metric": "cpu",
        "resource_id": resource_id,
        "aggregation_method": "mean",
        "comparison_operator": "gt",
        "threshold": 80.0,
        "granularity": 60,
        "evaluation_periods": 1,
    } | fields


def group(query: str = "{}", **fields: Any) -> dict[str, Any]:
    rule = threshold(**fields)
    del rule["resource_id"]
    return rule | {"query": query, "resource_type": fields.get("resource_type", "generic")}


def make_alarm(
    rule: dict[str, Any] | None = None, project_id: str | None = "p1", **fields: Any
) -> Alarm:
    rule = threshold() if rule is None else rule
    kind = Type.GROUP_THRESHOLD if "query" in rule else Type.RESOURCE_THRESHOLD
    checked = lifecycle.check({"name": "cpu high", "type": kind, "rule": rule} | fields)
    return lifecycle.create(checked, project_id, "u1")


def evaluated(alarm: Alarm) -> Alarm:
    """After an evaluation of all alarms, which found no fault in it."""
    Alarm.objects.update(evaluate_at=Now())
    evaluate_due()
    alarm.refresh_from_db()
    assert alarm.evaluation_error == ""
    return alarm


def store(
    *values: float, name: str = "vm-1", meter: str = "cpu", every_s: int = 60, **fields: Any
) -> None:
    """The values as samples, one a period, the last one now."""
    now = now_us()
    one = resource(name, **fields)
    last = len(values) - 1
    store_batch(
        batch_of(
            *(
                (one, meter, value, now - (last - place) * every_s * SECOND - SECOND)
                for place, value in enumerate(values)
            )
        )
    )
