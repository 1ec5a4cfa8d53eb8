"""What whoever makes an alarm is told, though it is no fault."""

from __future__ import annotations

from typing import Any

import pytest

from alarms.cautions import as_header, of_parts
from alarms.definition import parse_rule
from meters.models import ArchivePolicy, Metric
from tests.api.alarming.people import RULE, AlarmingClient, rule
from tests.api.people import make_people, token_of, with_token
from tests.support.alarms import group, store, threshold

pytestmark = pytest.mark.usefixtures("fresh_store")
WORDS = "no such granularity: 300, 3600 exist"


@pytest.fixture(autouse=True)
def _believed_headers(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True


@pytest.fixture
def coarse(db: None) -> None:
    """cpu of vm-1 is kept by periods of 5 minutes and of an hour."""
    store(1.0)
    lines = [{"granularity": seconds * 1_000_000, "points": None} for seconds in (300, 3600)]
    policy = ArchivePolicy.objects.create(
        name="coarse", definition=lines, aggregation_methods=["mean"]
    )
    Metric.objects.update(archive_policy=policy)


def said(kind: str, own: dict[str, Any], project: str | None = "p1") -> str:
    parsed: Any = parse_rule(kind, own)
    return of_parts([parsed], project)


def test_a_granularity_that_its_policy_has_not(coarse: None) -> None:
    kind = "gnocchi_resources_threshold"
    assert said(kind, threshold()) == WORDS
    assert said("gnocchi_aggregation_by_resources_threshold", group()) == WORDS
    assert said(kind, threshold(granularity=300)) == ""
    assert said(kind, threshold("another")) == ""
    assert said(kind, threshold(), "p2") == ""
    assert said("prometheus", {"query": "cpu", "threshold": 1}) == ""


def test_a_metric_without_a_policy_has_every_granularity(db: None) -> None:
    store(1.0)
    assert said("gnocchi_resources_threshold", threshold()) == ""


def test_aodhs_door_says_it_in_a_header(coarse: None) -> None:
    member = AlarmingClient("u1", "p1", "member,reader")
    answer = member.ask("POST", "/alarms", rule(resource_id="vm-1"))
    assert answer.status_code == 201
    assert answer["Warning"] == f'299 - "{WORDS}"'
    own = rule(resource_id="vm-1", granularity=300)
    assert "Warning" not in member.ask("POST", "/alarms", own)
    part = rule(resource_id="vm-1")[RULE] | {"type": "gnocchi_resources_threshold"}
    composite = {"name": "c", "type": "composite", "composite_rule": {"or": [part]}}
    assert member.ask("POST", "/alarms", composite)["Warning"] == f'299 - "{WORDS}"'
    event = {"name": "e", "type": "event", "event_rule": {}}
    assert "Warning" not in member.ask("POST", "/alarms", event)


def test_the_native_door_too(coarse: None) -> None:
    admin = with_token(token_of(make_people()["admin"]))
    made = {"name": "n", "type": "gnocchi_resources_threshold", "rule": threshold()}
    assert admin.post("/api/alarms", made, format="json")["Warning"] == f'299 - "{WORDS}"'
    made["rule"] = threshold(granularity=300)
    assert "Warning" not in admin.post("/api/alarms", made, format="json")


def test_a_header_holds_whatever_is_said() -> None:
    assert as_header('a "b" \\ ü\r\nX: y') == '299 - "a \\"b\\" \\\\ ?X: y"'
