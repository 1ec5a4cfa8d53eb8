"""Alarms of every type that is evaluated by the clock, on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alarms import lifecycle
from alarms.choices import State
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, AlarmHistory, CompositeMemory, EvaluationCount, Notification
from meters.models import Metric
from meters.store.write import store_batch
from pollers.batch import BatchBuilder
from pollers.compute.domain_xml import parse_domain
from pollers.compute.mapping import instance_resource
from telemetry_site.clock import now, now_us
from tests.libvirt_host import telemetry_metadata
from tests.support.alarms import evaluated, store, threshold
from tests.support.batches import SECOND, batch_of, resource
from tests.support.head import empty_head

pytestmark = pytest.mark.usefixtures("fresh_store")
ID = State.INSUFFICIENT_DATA.value


def make(kind: str, rule: dict[str, Any], project_id: str | None = "p1", **fields: Any) -> Alarm:
    checked = lifecycle.check({"name": kind, "type": kind, "rule": rule} | fields)
    return lifecycle.create(checked, project_id, "u1")


def test_metrics_by_their_ids_are_put_together() -> None:
    store(100.0, name="vm-1")
    store(70.0, name="vm-2")
    ids = [str(one.uuid) for one in Metric.objects.order_by("pk")]
    rule = {"metrics": ids, "aggregation_method": "mean", "threshold": 80.0,
            "comparison_operator": "gt"}  # fmt: skip
    alarm = evaluated(make("gnocchi_aggregation_by_metrics_threshold", rule))
    assert (alarm.state, alarm.state_reason_data["most_recent"]) == ("alarm", 85.0)
    unknown = "00000000-0000-0000-0000-000000000000"
    rule = rule | {"metrics": [ids[0], unknown]}
    alarm = evaluated(make("gnocchi_aggregation_by_metrics_threshold", rule))
    text = f"At least of metrics in ['{ids[0]}', '{unknown}'] does not exist"
    assert (alarm.state, alarm.state_reason) == (ID, text)


def test_a_metric_of_another_project_is_as_one_that_does_not_exist() -> None:
    store(100.0, project_id="p2")
    rule = {"metrics": [str(Metric.objects.get().uuid)], "aggregation_method": "mean",
            "threshold": 80.0}  # fmt: skip
    alarm = evaluated(make("gnocchi_aggregation_by_metrics_threshold", rule))
    assert alarm.state == ID
    assert "100" not in alarm.state_reason


class TestClassic:
    def rule(self, **fields: Any) -> dict[str, Any]:
        return {
            "meter_name": "cpu", "threshold": 80.0, "comparison_operator": "gt", "period": 60,
        } | fields  # fmt: skip

    @pytest.mark.parametrize(
        ("statistic", "value"),
        [("avg", 85.0), ("sum", 170.0), ("max", 100.0), ("min", 70.0), ("count", 2.0)],
    )
    def test_a_statistic_is_of_all_samples_of_the_period(
        self, statistic: str, value: float
    ) -> None:
        store(100.0, name="vm-1")
        store(70.0, name="vm-2")
        store(999.0, name="vm-3", project_id="p2")
        alarm = evaluated(make("threshold", self.rule(statistic=statistic, threshold=-1.0)))
        assert alarm.state_reason == (
            f"Transition to alarm due to 1 samples outside threshold, most recent: {value}"
        )

    @pytest.mark.parametrize(
        ("field", "op", "value", "found"),
        [
            ("resource_id", "eq", "vm-2", 70.0),
            ("resource", "ne", "vm-2", 100.0),
            ("metadata.display_name", "eq", "name of vm-2", 70.0),
            ("resource_metadata.display_name", "lt", "name of vm-2", 100.0),
            ("user_id", "eq", "u1", 85.0),
        ],
    )
    def test_its_query_chooses(self, field: str, op: str, value: str, found: float) -> None:
        store(100.0, name="vm-1")
        store(70.0, name="vm-2")
        query = [{"field": field, "op": op, "value": value, "type": "string"}]
        alarm = evaluated(make("threshold", self.rule(query=query)))
        assert alarm.state_reason_data["most_recent"] == found

    @pytest.mark.parametrize(
        ("field", "value"),
        [("metadata.user_metadata.server_group", "asg1"), ("metadata.labels.role", "db")],
    )
    def test_guests_of_plain_hypervisors_are_chosen_by_their_own_keys(
        self, field: str, value: str
    ) -> None:
        keys = {"metering.server_group": "asg1", "role": "db"}
        builder = BatchBuilder("compute.test")
        for name, cpu, metadata in (
            ("grouped", 90.0, telemetry_metadata('project="p1" user="u1"', **keys)),
            ("other", 10.0, telemetry_metadata('project="p1" user="u1"')),
        ):
            info = parse_domain(
                f"<domain><name>{name}</name><uuid>{name}</uuid>{metadata}</domain>", "cmp01"
            )
            builder.add(instance_resource(info, 1), "cpu", cpu, now_us() - 30 * SECOND, "ns")
        for batch in builder.batches():
            store_batch(batch)
        query = [{"field": field, "op": "eq", "value": value, "type": "string"}]
        alarm = evaluated(make("threshold", self.rule(query=query)))
        assert alarm.state_reason_data["most_recent"] == 90.0

    def test_a_field_that_no_series_has_is_the_alarms_fault_and_nobody_elses(self) -> None:
        store(100.0)
        query = [{"field": "nosuch", "value": "1", "type": ""}]
        bad, good = make("threshold", self.rule(query=query)), make("threshold", self.rule())
        evaluate_due()
        bad.refresh_from_db()
        good.refresh_from_db()
        assert "names the field nosuch" in bad.evaluation_error
        assert good.state == "alarm"

    def test_periods_with_an_unusual_number_of_samples_are_left_out(self) -> None:
        at = now_us()
        one = resource()
        rows = [(one, "cpu", 10.0, at - age * SECOND) for age in range(70, 600, 4)]
        rows.append((one, "cpu", 500.0, at - 30 * SECOND))
        store_batch(batch_of(*rows))
        fields = {"statistic": "max", "evaluation_periods": 5}
        with_it = evaluated(make("threshold", self.rule(**fields)))
        without = evaluated(make("threshold", self.rule(**fields, exclude_outliers=True)))
        assert with_it.state_reason_data["most_recent"] == 500.0
        assert (without.state, without.state_reason_data["most_recent"]) == ("ok", 10.0)

    def test_too_few_periods_are_no_data(self) -> None:
        store(100.0)
        alarm = evaluated(make("threshold", self.rule(evaluation_periods=3)))
        assert (alarm.state, alarm.state_reason) == (ID, "3 datapoints are unknown")
        alarm = evaluated(make("threshold", self.rule(meter_name="nosuch")))
        assert (alarm.state, alarm.state_reason) == (ID, "meter nosuch does not exist")


def part(name: str, **fields: Any) -> dict[str, Any]:
    return threshold(name, **fields) | {"type": "gnocchi_resources_threshold"}


class TestComposite:
    def test_its_parts_are_looked_at_with_everybody_elses(self) -> None:
        store(95.0, name="vm-1")
        store(20.0, name="vm-2")
        rule = {"and": [part("vm-1"), {"or": [part("vm-2"), part("vm-1", threshold=90.0)]}]}
        alarm = evaluated(make("composite", rule, alarm_actions=["log://"]))
        assert alarm.state_reason == (
            "Composite rule alarm with composition form: (rule1 and (rule2 or rule3)) "
            "transition to alarm, due to rules: rule1, rule3 outside their threshold."
        )
        assert set(alarm.state_reason_data["causative_rules"]) == {"rule1", "rule3"}
        assert Notification.objects.get().current == "alarm"
        assert alarm.state_version == 1
        evaluated(alarm)
        assert AlarmHistory.objects.filter(type="state transition").count() == 1

    def test_it_says_what_its_parts_lack(self) -> None:
        store(95.0)
        rule = {"and": [part("vm-1"), part("nosuch")]}
        alarm = evaluated(make("composite", rule))
        assert (alarm.state, alarm.state_reason) == (ID, "rule2: resource nosuch does not exists")

    @pytest.mark.parametrize(("remembers", "state"), [(True, "ok"), (False, "alarm")])
    def test_a_part_on_its_way_down_does_not_raise_the_alarm_where_it_is_remembered(
        self, settings: Any, remembers: bool, state: str
    ) -> None:
        """C8 of the truth table, with and without the memory."""
        settings.TELEMETRY_COMPOSITE_MEMORY = remembers
        two = {"evaluation_periods": 2, "granularity": 5}
        rule = {"and": [part("vm-1", **two), part("vm-2", **two, threshold=10.0)]}
        alarm = make("composite", rule)
        store(20.0, 20.0, name="vm-1", every_s=5)
        store(5.0, 5.0, name="vm-2", every_s=5)
        assert evaluated(alarm).state == "ok"
        assert CompositeMemory.objects.exists() is remembers
        at = now_us() // (5 * SECOND) * 5 * SECOND
        empty_head()
        windows = {"vm-1": (95.0, 20.0), "vm-2": (50.0, 50.0)}
        rows = [
            (resource(name), "cpu", value, at - age * SECOND + 1)
            for name, values in windows.items()
            for age, value in zip((5, 0), values, strict=True)
        ]
        store_batch(batch_of(*rows))
        assert evaluated(alarm).state == state


class TestPromql:
    def rule(self, query: str, **fields: Any) -> dict[str, Any]:
        return {"query": query, "threshold": 80.0, "comparison_operator": "gt"} | fields

    @pytest.mark.parametrize(
        ("query", "state", "recent"),
        [
            ("cpu", "ok", 70.0),
            ("max(cpu)", "alarm", 100.0),
            ('cpu{resource_id="vm-1"}', "alarm", 100.0),
            ('cpu{display_name=~"name of .*-2|x", project="p1"}', "ok", 70.0),
            ("sum by (resource_type) (cpu) / 2", "alarm", 85.0),
            ("cpu > 90", "alarm", 100.0),
            ("absent(nosuch) * 100", "alarm", 100.0),
            ("count(cpu offset 5s) * 50", "alarm", 100.0),
            ("avg_over_time(cpu[10m])", "ok", 70.0),
        ],
    )
    def test_an_expression_over_our_store(self, query: str, state: str, recent: float) -> None:
        store(100.0, 100.0, name="vm-1")
        store(70.0, 70.0, name="vm-2")
        store(999.0, name="vm-3", project_id="p2")
        alarm = evaluated(make("prometheus", self.rule(query)))
        assert (alarm.state, alarm.state_reason_data["most_recent"]) == (state, recent)

    def test_an_empty_vector_is_no_data(self) -> None:
        alarm = make("prometheus", self.rule("cpu"))
        store(100.0)
        assert evaluated(alarm).state == "alarm"
        lifecycle.change(alarm, {"rule": self.rule("nosuch")}, "u1")
        alarm = evaluated(alarm)
        assert (alarm.state, alarm.state_reason) == (ID, "datapoints are unknown")
        data = {"type": "threshold", "disposition": "unknown", "count": 0, "most_recent": None}
        assert alarm.state_reason_data == data

    def test_elements_that_match_several_are_the_alarms_fault(self) -> None:
        store(100.0, name="vm-1")
        store(70.0, name="vm-2")
        alarm = make("prometheus", self.rule("cpu / on(project) cpu"))
        evaluate_due()
        alarm.refresh_from_db()
        assert "matches several elements" in alarm.evaluation_error

    def test_it_is_a_part_of_composites(self) -> None:
        store(100.0)
        rule = {"and": [part("vm-1"), self.rule("max(cpu)") | {"type": "prometheus"}]}
        assert evaluated(make("composite", rule)).state == "alarm"

    def test_series_that_prometheus_wrote_have_their_labels(self) -> None:
        at = now_us() - SECOND
        one = resource("node@h1", metadata={"job": "node", "instance": "h1"})
        store_batch(
            batch_of(
                (one, "net_bytes@device=eth0,side=a=b", 100.0, at),
                (one, "net_bytes@device=lo", 1.0, at),
            )
        )
        query = 'net_bytes{device="eth0", side="a=b", job="node"}'
        alarm = evaluated(make("prometheus", self.rule(query)))
        assert (alarm.state, alarm.state_reason_data["count"]) == ("alarm", 1)


class TestTimeConstraints:
    def constraint(self, after_s: int) -> dict[str, Any]:
        """Open for a minute, from so many seconds from now on."""
        start = now() + timedelta(seconds=after_s)
        cron = f"{start.minute} {start.hour} * * * {start.second}"
        return {"name": f"c{after_s}", "start": cron, "duration": 60}

    def test_an_alarm_is_left_alone_while_all_are_closed(self) -> None:
        store(95.0)
        alarm = make(
            "gnocchi_resources_threshold", threshold(),
            time_constraints=[self.constraint(600), self.constraint(-600)],
        )  # fmt: skip
        assert evaluated(alarm).state == ID
        assert alarm.state_reason == "Not evaluated yet"

    def test_and_evaluated_while_one_is_open(self) -> None:
        store(95.0)
        alarm = make(
            "gnocchi_resources_threshold", threshold(),
            time_constraints=[self.constraint(600), self.constraint(-20)],
        )  # fmt: skip
        assert evaluated(alarm).state == "alarm"

    def test_some_that_cannot_be_read_stop_nobody_else(self) -> None:
        store(95.0)
        good = make("gnocchi_resources_threshold", threshold())
        bad = make("gnocchi_resources_threshold", threshold())
        Alarm.objects.filter(pk=bad.pk).update(time_constraints=[{"name": "n"}])
        assert evaluate_due() == 2
        good.refresh_from_db()
        bad.refresh_from_db()
        assert (good.state, bad.state) == ("alarm", ID)
        assert bad.evaluation_error.startswith("DefinitionError")


def test_evaluations_are_counted_an_alarm_where_that_is_switched_on(settings: Any) -> None:
    settings.TELEMETRY_EVALUATION_COUNTS = True
    store(95.0)
    alarm = make("gnocchi_resources_threshold", threshold())
    for _ in range(3):
        evaluated(alarm)
    other = make("gnocchi_resources_threshold", threshold("nosuch"))
    evaluated(other)
    assert [
        (row.insufficient_data, row.ok, row.alarming)
        for row in EvaluationCount.objects.order_by("alarming")
    ] == [(1, 0, 0), (0, 0, 4)]
