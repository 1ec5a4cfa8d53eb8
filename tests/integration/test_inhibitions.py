"""Inhibitions where the outbox is written, and their end."""

from __future__ import annotations

from typing import Any

import pytest

from alarms.errors import DefinitionError
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, Notification
from alarms.muting import inhibitions
from alarms.muting.releasing import release
from meters.models import CatalogueEpoch
from meters.store import write
from telemetry_site.clock import now
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.support.alarms import make_alarm, store, threshold
from tests.support.muting import make_inhibition, matcher

pytestmark = pytest.mark.django_db(transaction=True)
HOOK = "http://127.0.0.1:9/hook"
CRITICAL, LOW = matcher("severity", "critical"), matcher("severity", "low")


@pytest.fixture(autouse=True)
def _fresh(broker: EmbeddedValkey) -> None:
    write._cache.clear()
    CatalogueEpoch.objects.get_or_create(pk=1)
    store(95.0, 95.0, project_id="p1")


def alarm(name: str, severity: str, **fields: Any) -> Alarm:
    return make_alarm(name=name, severity=severity, alarm_actions=[HOOK], **fields)


def evaluate(*names: str) -> None:
    rows = Alarm.objects.filter(name__in=names) if names else Alarm.objects.all()
    rows.update(evaluate_at=now())
    evaluate_due()


def statuses() -> dict[str, str]:
    return dict(Notification.objects.values_list("alarm_name", "status"))


def test_of_two_that_fire_in_one_cycle_the_target_is_kept_back() -> None:
    source, _ = alarm("power", "critical"), alarm("light", "low")
    make_inhibition(CRITICAL, LOW)
    evaluate()
    assert statuses() == {"power": "pending", "light": "suppressed"}
    row = Notification.objects.get(alarm_name="light")
    assert (row.inhibited_by, row.silenced_by) == ([source.pk], [])
    assert release() == 0


@pytest.mark.parametrize("how", ["ok", "disabled", "deleted", "rule", "changed"])
def test_it_is_sent_once_when_the_source_fires_no_more(how: str) -> None:
    source = alarm("power", "critical")
    alarm("light", "low")
    rule = make_inhibition(CRITICAL, LOW)
    evaluate()
    match how:
        case "ok":
            Alarm.objects.filter(pk=source.pk).update(rule=threshold(threshold=200.0))
            evaluate("power")
        case "disabled":
            Alarm.objects.filter(pk=source.pk).update(enabled=False)
        case "deleted":
            source.delete()
        case "rule":
            inhibitions.delete(rule)
        case "changed":
            asked = {"source": [CRITICAL], "target": [matcher("severity", "moderate")]}
            inhibitions.change(rule, inhibitions.check(asked), "u1")
    assert (release(), release()) == (1, 0)
    assert statuses()["light"] == "pending"


def test_another_rule_goes_on_keeping_it_back() -> None:
    alarm("power", "critical")
    alarm("light", "low")
    first = make_inhibition(CRITICAL, LOW)
    make_inhibition(matcher("name", "power"), LOW)
    evaluate()
    inhibitions.delete(first)
    assert release() == 0
    assert Notification.objects.get(alarm_name="light").inhibited_by


def test_what_is_held_costs_the_sweep_one_look_up(
    django_assert_max_num_queries: Any,
) -> None:
    alarm("power", "critical")
    alarm("light", "low")
    make_inhibition(CRITICAL, LOW)
    evaluate()
    with django_assert_max_num_queries(3):  # with BEGIN and COMMIT
        assert release() == 0


def test_labels_must_agree() -> None:
    store(95.0, 95.0, name="vm-2", project_id="p1")
    alarm("power", "critical")
    alarm("same", "low")
    alarm("other", "low", rule=threshold("vm-2"))
    make_inhibition(CRITICAL, LOW, "resource_id", "metric")
    evaluate()
    assert statuses() == {"power": "pending", "same": "suppressed", "other": "pending"}


def test_what_both_have_not_agrees() -> None:
    """A label that neither has is empty on both sides, as in Alertmanager."""
    alarm("power", "critical", rule=threshold())
    alarm("light", "low")
    make_inhibition(CRITICAL, LOW, "type")
    evaluate()
    assert statuses()["light"] == "suppressed"


def test_two_that_are_both_sides_do_not_mute_each_other_nor_themselves() -> None:
    alarm("one", "low")
    alarm("two", "low")
    make_inhibition(LOW, LOW)
    evaluate()
    assert statuses() == {"one": "pending", "two": "pending"}


def test_a_target_that_is_a_source_as_well_is_muted_by_one_that_is_only_a_source() -> None:
    alarm("one", "critical")
    alarm("two", "low")
    any_metric = matcher("metric", "cpu")
    make_inhibition(any_metric, LOW)
    evaluate()
    assert statuses() == {"one": "pending", "two": "suppressed"}


def test_other_projects_and_quiet_sources_mute_nobody() -> None:
    alarm("power", "critical", project_id="p2", rule=threshold())
    alarm("light", "low")
    alarm("calm", "critical", rule=threshold(threshold=200.0))
    make_inhibition(CRITICAL, LOW)
    evaluate()
    assert statuses() == {"light": "pending"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"source": []}, "source"),
        ({"target": None}, "target"),
        ({"equal": "name"}, "equal"),
        ({"equal": ["tenant"]}, "equal[0]"),
        ({"more": 1}, "more"),
        ({"comment": 5}, "comment"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], field: str) -> None:
    whole = {"source": [CRITICAL], "target": [LOW]}
    with pytest.raises(DefinitionError) as error:
        inhibitions.check(whole | fields)
    assert error.value.field == field
