"""Odd input at every field of every type of alarm, by both doors: kept or refused, never a 5xx; and
what is kept is shown, tried out and evaluated (W6, 5.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from alarms.choices import Type
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm
from meters.store import write
from telemetry_site.clock import now
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.api.people import Client, error_of
from tests.support.alarms import group, store, threshold

pytestmark = pytest.mark.django_db

ODD: list[Any] = [
    "", "a" * 70_000, "\0", "%(a)s", "[" * 5000, '{"=": {"a": "\\ud800"}}', "NaN", "9" * 5000, None,
    -1, 10**400, 1e308, True, [], {}, [None],
]  # fmt: skip
#: Written as they are: no encoder makes them.
RAW = [b"1e999", b"1" * 5000, b'"\\ud800"']
CONDITION = {"field": "resource_id", "op": "eq", "type": "string", "value": "vm-1"}
TIME = {"name": "n", "description": "d", "start": "0 23 * * *", "duration": 60, "timezone": "UTC"}
METRICS = {"metrics": ["00000000-0000-4000-8000-000000000001"], "aggregation_method": "mean",
           "threshold": 1}  # fmt: skip
PROMQL = {"query": "cpu", "threshold": 1, "comparison_operator": "gt"}
RULES: dict[str, dict[str, Any]] = {
    Type.RESOURCE_THRESHOLD: threshold(resource_type="generic"),
    Type.METRICS_THRESHOLD: METRICS,
    Type.GROUP_THRESHOLD: group(),
    Type.CLASSIC_THRESHOLD: {
        "meter_name": "cpu", "threshold": 1, "statistic": "avg", "period": 60,
        "evaluation_periods": 1, "query": [CONDITION], "exclude_outliers": True,
    },
    Type.COMPOSITE: {"or": [PROMQL | {"type": "prometheus"}, METRICS | {
        "type": "gnocchi_aggregation_by_metrics_threshold"}]},
    Type.EVENT: {"event_type": "x.*", "query": [CONDITION | {"field": "traits.a"}]},
    Type.PROMETHEUS: PROMQL,
    Type.MEMBER_HEALTH: {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "enabled": True, "repeat_actions": True, "severity": "low", "description": "d",
    "alarm_actions": ["https://8.8.8.8/"], "time_constraints": [TIME],
    "policy": {
        "for": 1, "keep_firing_for": 1, "recovery_threshold": 0, "no_data": "alarm",
        "no_data_for": 1, "repeat_interval": 60, "mute": [TIME],
        "template": {"subject": "s", "body": "b"},
    },
}  # fmt: skip
Path = tuple[str | int, ...]


@pytest.fixture(autouse=True)
def _believed_headers(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True
    settings.TELEMETRY_ALARMS_PER_PROJECT = -1


@pytest.fixture
def samples(member: Client) -> Iterator[None]:
    store(50.0, 95.0, project_id="p1")
    yield
    write._cache.clear()


@pytest.mark.parametrize("kind", RULES)
def test_every_field_of_a_rule(member: Client, samples: None, kind: str) -> None:
    for path in paths(RULES[kind]):
        for sent in changed(RULES[kind], path):
            both_doors(member, kind, sent, {})
        evaluate(member)


def test_every_other_field(member: Client, samples: None) -> None:
    kind, rule = Type.RESOURCE_THRESHOLD.value, json.dumps(RULES[Type.RESOURCE_THRESHOLD]).encode()
    for path in paths(OTHERS):
        if path:
            for sent in changed(OTHERS[str(path[0])], path[1:]):
                both_doors(member, kind, rule, {str(path[0]): sent})
            evaluate(member)


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    named: Any = ()
    if isinstance(value, dict):
        named = value.items()
    elif isinstance(value, list):
        named = enumerate(value)
    for name, one in named:
        yield from paths(one, (*at, name))


def changed(whole: Any, path: Path) -> Iterator[bytes]:
    """The JSON of `whole` with something odd at the path."""
    texts = [*(json.dumps(one).encode() for one in ODD), *RAW]
    copy = {"": json.loads(json.dumps(whole))}
    here: Any = copy
    for name in ("", *path)[:-1]:
        here = here[name]
    here[("", *path)[-1]] = "HERE"
    for text in texts:
        yield json.dumps(copy[""]).encode().replace(b'"HERE"', text)


def both_doors(member: Client, kind: str, rule: bytes, others: dict[str, bytes]) -> None:
    """What is taken is tried out as well."""
    own = b"".join(b', "%s": %s' % (name.encode(), text) for name, text in others.items())
    native = b'{"name": "a", "type": "%s", "rule": %s%s}' % (kind.encode(), rule, own)
    aodhs = b'{"name": "a", "type": "%s", "%s_rule": %s%s}' % (
        kind.encode(), kind.encode(), rule, own,
    )  # fmt: skip
    door = AlarmingClient("u1", "p1", "member,reader")
    answer = door.ask("POST", "/alarms", raw=aodhs)
    if answer.status_code == 201:
        assert door.fetch(f"/alarms/{answer.json()['alarm_id']}")
    else:
        assert fault_of(answer, 400), aodhs[:300]
    answer = member.post("/api/alarms", native, content_type="application/json")
    if answer.status_code == 201:
        tried = b'{"alarm": %s, "start": "%s"}' % (native, an_hour_ago().encode())
        answer = member.post("/api/alarms/dry-run", tried, content_type="application/json")
    if answer.status_code not in (200, 201):
        assert error_of(answer, 400), native[:300]


def an_hour_ago() -> str:
    return (now() - timedelta(hours=1)).isoformat()


def evaluate(member: Client) -> None:
    """All that were taken, and show them."""
    Alarm.objects.update(evaluate_at=Now())
    evaluate_due()
    member.fetch("/api/alarms")
    Alarm.objects.all().delete()
