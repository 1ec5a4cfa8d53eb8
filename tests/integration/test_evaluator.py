"""The evaluator on a real database: what is due, what is seen, what is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from alarms import lifecycle, rules
from alarms.choices import State
from alarms.definition import parse_rule
from alarms.evaluator import cycle, looking, reading
from alarms.evaluator.counting import measure
from alarms.evaluator.cycle import evaluate_due
from alarms.evaluator.selection import Subject
from alarms.models import Alarm, AlarmHistory, Notification
from meters.models import Resource
from meters.store.write import store_batch
from pollers.batch import BatchBuilder
from telemetry_site.clock import now, now_us
from tests.support.alarms import group, make_alarm, store, threshold
from tests.support.batches import SECOND, batch_of, resource
from tests.support.head import empty_head
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("fresh_store")
ID = State.INSUFFICIENT_DATA.value


def make_due(**conditions: Any) -> None:
    Alarm.objects.filter(**conditions).update(evaluate_at=Now())


def evaluate_again() -> None:
    make_due()
    evaluate_due()


def chain(alarm: Alarm) -> list[tuple[int, str, str]]:
    rows = AlarmHistory.objects.filter(alarm_id=alarm.pk, state_version__isnull=False)
    return list(rows.order_by("id").values_list("state_version", "from_state", "to_state"))


class TestTransitions:
    def test_a_value_above_the_threshold_raises_the_alarm_with_history_and_outbox(self) -> None:
        alarm = make_alarm(alarm_actions=["log://", "http://r.example/x"], severity="critical")
        store(95.0)
        assert evaluate_due() == 1
        alarm.refresh_from_db()
        reason = "Transition to alarm due to 1 samples outside threshold, most recent: 95.0"
        assert (alarm.state, alarm.state_reason, alarm.state_version) == ("alarm", reason, 1)
        assert alarm.state_reason_data["most_recent"] == 95.0
        row = AlarmHistory.objects.get(alarm_id=alarm.pk, type="state transition")
        assert row.detail == {"state": "alarm", "transition_reason": reason}
        assert (row.severity, row.project_id, row.from_state, row.to_state, row.state_version) == (
            "critical", "p1", ID, "alarm", 1,
        )  # fmt: skip
        sent = Notification.objects.order_by("action_no")
        assert [one.url for one in sent] == ["log://", "http://r.example/x"]
        assert [one.destination for one in sent] == ["log", "http://r.example:80"]
        assert {one.status for one in sent} == {"pending"}
        assert sent[0].body == (
            f'{{"alarm_name": "cpu high", "alarm_id": "{alarm.pk}", "severity": "critical", '
            f'"previous": "{ID}", "current": "alarm", "reason": "{reason}", "reason_data": '
            '{"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 95.0}}'
        )

    def test_actions_are_those_of_the_new_state(self) -> None:
        make_alarm(alarm_actions=["log://alarm"], ok_actions=["log://ok"])
        store(5.0)
        evaluate_due()
        assert [one.url for one in Notification.objects.all()] == ["log://ok"]

    def test_what_stays_as_it_is_writes_nothing(self) -> None:
        alarm = make_alarm(alarm_actions=["log://"])
        store(95.0)
        for _ in range(20):
            evaluate_again()
        assert chain(alarm) == [(1, ID, "alarm")]
        assert Notification.objects.count() == 1

    def test_repeat_actions_fire_at_each_evaluation_and_leave_one_transition(self) -> None:
        alarm = make_alarm(alarm_actions=["log://"], repeat_actions=True)
        store(95.0)
        for _ in range(5):
            evaluate_again()
        assert chain(alarm) == [(1, ID, "alarm")]
        assert list(Notification.objects.order_by("repeat_no").values_list("repeat_no")) == [
            (0,), (1,), (2,), (3,), (4,),
        ]  # fmt: skip
        again = Notification.objects.get(repeat_no=4)
        assert "Remaining as alarm due to 1 samples outside" in again.body
        alarm.refresh_from_db()
        assert alarm.state_reason.startswith("Transition to alarm")

    def test_a_mixed_window_keeps_the_state(self) -> None:
        rule = threshold(evaluation_periods=3)
        alarm = make_alarm(rule)
        store(95.0, 95.0, 95.0)
        evaluate_again()
        store(5.0)
        evaluate_again()
        assert chain(alarm) == [(1, ID, "alarm")]

    def test_data_that_stop_end_in_insufficient_data(self) -> None:
        alarm = make_alarm(threshold(granularity=1))
        store(95.0)
        evaluate_due()
        Alarm.objects.filter(pk=alarm.pk).update(evaluate_at=Now())
        with connection.cursor() as cursor:
            cursor.execute("UPDATE meters_head_0 SET timestamp = timestamp - interval '1 minute'")
        evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.state_reason) == (ID, "No datapoint for granularity 1")

    def test_a_sample_that_comes_late_counts_from_the_next_evaluation_on(self) -> None:
        alarm = make_alarm(threshold(aggregation_method="max", granularity=604_800))
        store(5.0)
        evaluate_due()
        store(500.0, 4.0)
        evaluate_again()
        assert chain(alarm) == [(1, ID, "ok"), (2, "ok", "alarm")]

    def test_two_periods_that_are_missing_at_the_end_are_tolerated(self) -> None:
        alarm = make_alarm(threshold(evaluation_periods=2))
        at = now_us() // (60 * SECOND) * 60 * SECOND
        one = resource()
        store_batch(batch_of(*((one, "cpu", 95.0, at - age * 60 * SECOND + 1) for age in (2, 3))))
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.state == "alarm"


class TestReasons:
    @pytest.mark.parametrize(
        ("rule", "reason"),
        [
            (threshold("nosuch"), "resource nosuch does not exists"),
            (threshold(metric="no.such"), "metric no.such for resource vm-1 does not exists"),
            (threshold(evaluation_periods=5), "5 datapoints are unknown"),
            (group('{"=": {"type": "nosuch"}}'), "metric cpu does not exists"),
            (group(metric="no.such"), "metric no.such does not exists"),
        ],
    )
    def test_an_alarm_without_data_says_why_without_a_transition(
        self, rule: dict[str, Any], reason: str
    ) -> None:
        alarm = make_alarm(rule)
        store(95.0)
        evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.state_reason, alarm.state_version) == (ID, reason, 0)
        assert chain(alarm) == []
        assert Notification.objects.count() == 0

    def test_it_goes_on_by_itself_when_data_come(self) -> None:
        alarm = make_alarm(group('{"=": {"type": "instance"}}'))
        evaluate_due()
        store(95.0)
        evaluate_again()
        alarm.refresh_from_db()
        assert alarm.state == "alarm"


class TestTenancy:
    def test_a_project_does_not_look_at_anothers_metric(self) -> None:
        alarm = make_alarm(project_id="p2")
        several = make_alarm(group(), project_id="p2")
        store(95.0)
        evaluate_due()
        for one in (alarm, several):
            one.refresh_from_db()
            assert one.state == ID
            assert "95" not in one.state_reason

    def test_the_installation_looks_at_everything(self) -> None:
        alarm = make_alarm(project_id=None)
        store(95.0)
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.state == "alarm"

    @pytest.mark.parametrize("rule", [threshold(), group()])
    def test_samples_of_the_former_owners_time_do_not_count(self, rule: dict[str, Any]) -> None:
        alarm = make_alarm(rule | {"aggregation_method": "max"}, project_id="p2")
        store(95.0, 95.0, project_id="p1", every_s=5)
        store(5.0, project_id="p2")
        evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.state_reason_data["most_recent"]) == ("ok", 5.0)

    def test_a_resource_is_found_by_its_uuid_here_too(self) -> None:
        store(95.0)
        alarm = make_alarm(threshold(str(Resource.objects.get().uuid)))
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.state == "alarm"


class TestGroups:
    def test_the_mean_over_members_that_are_left_goes_on(self) -> None:
        alarm = make_alarm(group('{"like": {"display_name": "name of web-%"}}'))
        store(100.0, name="web-1")
        store(70.0, name="web-2")
        store(0.0, name="db-1")
        evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.state_reason_data["most_recent"]) == ("alarm", 85.0)

    def test_the_rate_of_a_group_of_counters_survives_a_reset(self) -> None:
        rule = group(aggregation_method="rate:max", granularity=60, threshold=50.0)
        alarm = make_alarm(rule)
        at = now_us()
        counter = resource("vm-1")
        builder = BatchBuilder("compute.h1")
        for age, value in ((20, 1000.0), (10, 1030.0), (1, 5.0)):
            builder.add(counter, "cpu", value, at - age * SECOND, "ns", "cumulative")
        for batch in builder.batches():
            store_batch(batch)
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.state == "ok", alarm.state_reason


class TestSharing:
    def test_an_alarm_is_due_again_at_the_next_multiple_of_its_interval(self) -> None:
        alarm = make_alarm(threshold(granularity=20))
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.evaluate_at.timestamp() % 20 == 0
        assert timedelta(0) < alarm.evaluate_at - now() <= timedelta(seconds=20)
        assert evaluate_due() == 0

    def test_disabled_alarms_are_left_alone(self) -> None:
        make_alarm(enabled=False)
        assert evaluate_due() == 0

    def test_an_outage_costs_one_evaluation_with_present_data(self) -> None:
        alarm = make_alarm(alarm_actions=["log://"], repeat_actions=True)
        store(95.0)
        Alarm.objects.update(evaluate_at=Now() - timedelta(hours=1))
        assert evaluate_due() == 1
        assert Notification.objects.filter(alarm_id=alarm.pk).count() == 1

    def test_a_clock_that_was_put_back_silences_nobody(self) -> None:
        alarm = make_alarm(threshold(granularity=20))
        Alarm.objects.update(evaluate_at=Now() + timedelta(hours=2))
        assert evaluate_due() == 1
        alarm.refresh_from_db()
        assert alarm.evaluate_at - now() <= timedelta(seconds=20)

    @pytest.mark.parametrize(
        ("failures", "minutes", "due"), [(0, 0.9, 0), (3, 60.5, 0), (3, 62, 1)]
    )
    def test_one_that_waits_as_long_as_it_may_is_not_taken_for_that(
        self, failures: int, minutes: float, due: int
    ) -> None:
        make_alarm()
        later = Now() + timedelta(minutes=minutes)
        Alarm.objects.update(evaluate_at=later, evaluation_failures=failures)
        assert evaluate_due() == due

    def test_several_evaluators_decide_each_alarm_once(self) -> None:
        store(95.0)
        alarms = [make_alarm(name=f"a{n}", alarm_actions=["log://"]) for n in range(200)]
        assert sum(at_once(4, evaluate_due)) == len(alarms)
        assert AlarmHistory.objects.filter(type="state transition").count() == 200
        assert Notification.objects.count() == 200


class TestOvertaken:
    """Rule E7: a decision about what is no longer so is dropped."""

    @pytest.fixture
    def interrupt(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Do something between the look and the write."""

        def arrange(act: Any) -> None:
            real = cycle.write

            def write(decisions: Any) -> None:
                act()
                real(decisions)

            monkeypatch.setattr(cycle, "write", write)

        return arrange

    def test_an_alarm_deleted_meanwhile_stays_deleted_and_nothing_is_sent(
        self, interrupt: Any
    ) -> None:
        alarm = make_alarm(alarm_actions=["log://"])
        store(95.0)
        interrupt(lambda: lifecycle.delete(alarm, "u1"))
        evaluate_due()
        assert not Alarm.objects.exists()
        kinds = AlarmHistory.objects.filter(alarm_id=alarm.pk).order_by("id")
        assert [row.type for row in kinds] == ["creation", "deletion"]
        assert not Notification.objects.exists()

    def test_a_changed_rule_wins_and_is_kept(self, interrupt: Any) -> None:
        alarm = make_alarm(alarm_actions=["log://"])
        store(95.0)
        interrupt(lambda: lifecycle.change(alarm, {"rule": threshold(threshold=99.0)}, "u1"))
        evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.rule["threshold"]) == (ID, 99.0)
        assert not Notification.objects.exists()

    def test_a_state_set_by_hand_wins_until_the_next_evaluation(
        self, interrupt: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarm = make_alarm(alarm_actions=["log://"])
        store(95.0)
        interrupt(lambda: lifecycle.set_state(alarm, "ok", "u1"))
        evaluate_due()
        assert chain(alarm) == [(1, ID, "ok")]
        monkeypatch.undo()
        evaluate_again()
        assert chain(alarm)[1:] == [(2, "ok", "alarm")]

    def test_one_that_was_frozen_past_its_turn_writes_nothing(self, interrupt: Any) -> None:
        alarm = make_alarm(alarm_actions=["log://"])
        store(95.0)
        later = timedelta(minutes=1)
        interrupt(lambda: Alarm.objects.update(evaluate_at=F("evaluate_at") + later))
        evaluate_due()
        assert chain(alarm) == []
        assert not Notification.objects.exists()


class TestFaults:
    def test_one_broken_alarm_among_many_does_not_stop_the_others(self) -> None:
        store(95.0)
        good = [make_alarm(name=f"good {n}") for n in range(20)]
        broken = make_alarm(name="broken")
        Alarm.objects.filter(pk=broken.pk).update(rule={"metric": "cpu", "granularity": "x"})
        assert evaluate_due() == 21
        assert Alarm.objects.filter(state="alarm").count() == len(good)
        broken.refresh_from_db()
        assert broken.evaluation_error.startswith("DefinitionError: rule")
        assert broken.evaluation_failures == 1
        assert broken.evaluate_at > now() + timedelta(seconds=50)
        Alarm.objects.filter(pk=broken.pk).update(rule=good[0].rule)
        evaluate_again()
        broken.refresh_from_db()
        assert (broken.evaluation_error, broken.state) == ("", "alarm")

    def test_a_query_that_takes_too_long_is_its_alarms_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store(95.0)
        good, slow = make_alarm(), make_alarm(group('{"=": {"type": "slow"}}'), name="slow")
        real = looking.find

        def find(subjects: Any) -> Any:
            if any("slow" in getattr(one.rule, "query", "") for one in subjects):
                with connection.cursor() as cursor:
                    cursor.execute("SET statement_timeout = '50ms'")
                    try:
                        cursor.execute("SELECT pg_sleep(5)")
                    finally:
                        cursor.execute("SET statement_timeout = '30s'")
            return real(subjects)

        monkeypatch.setattr(looking, "find", find)
        evaluate_due()
        good.refresh_from_db()
        slow.refresh_from_db()
        assert good.state == "alarm"
        assert "statement timeout" in slow.evaluation_error

    def test_a_database_that_is_away_changes_no_state(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarm = make_alarm()
        store(95.0)
        evaluate_again()

        def away(*_: Any) -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(reading, "read_points", away)
        make_due()
        with pytest.raises(OperationalError):
            evaluate_due()
        alarm.refresh_from_db()
        assert (alarm.state, alarm.evaluation_error) == ("alarm", "")


numbers = st.integers(0, 200).map(float)
cases = st.tuples(
    st.sampled_from(["vm-1", "vm-2", "vm-3", "vm-none"]),
    st.sampled_from(["mean", "max", "count", "last", "rate:mean", "std", "90pct"]),
    st.sampled_from(sorted(rules.COMPARE)),
    st.sampled_from([0.0, 50.0, 80.0]),
    st.integers(1, 4),
    st.sampled_from([1, 5, 60]),
)


@settings(max_examples=15, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 240), numbers), max_size=60),
    st.lists(cases, min_size=1, max_size=30),
)
def test_a_set_of_alarms_sees_what_each_would_see_alone(
    samples: list[tuple[int, int, float]], wanted: list[tuple[Any, ...]]
) -> None:
    empty_head()
    at = now_us()
    rows = [(resource(f"vm-{n}"), "cpu", value, at - age * SECOND) for n, age, value in samples]
    if rows:
        store_batch(batch_of(*rows))
    subjects = [
        Subject(
            parse_rule(
                "gnocchi_resources_threshold",
                threshold(
                    name, aggregation_method=method, comparison_operator=how, threshold=limit,
                    evaluation_periods=periods, granularity=granularity,
                ),
            ),
            "p1",
        )
        for name, method, how, limit, periods, granularity in wanted
    ]  # fmt: skip
    together = looking.look_at(subjects, at)
    for place, subject in enumerate(subjects):
        assert together.look(place) == looking.look_at([subject], at).look(0)
        values = together.buckets(place).values.tolist()
        rule = subject.rule
        if values:
            plain = rules.look(
                values, rule.comparison_operator, rule.threshold, rule.evaluation_periods
            )
            seen = together.look(place)
            assert (seen.last, seen.problem) == (plain.last, plain.problem)
            if not seen.problem:
                assert seen == plain


def test_an_alarm_that_nobody_can_decide_is_left_alone() -> None:
    """The others go on; why it is not evaluated stands on its page, and is written once."""
    store(90.0)
    decided = make_alarm()
    rule = {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"}
    checked = lifecycle.check({"name": "n", "type": "loadbalancer_member_health", "rule": rule})
    other = lifecycle.create(checked, "p1", "u1")
    evaluate_due()
    decided.refresh_from_db()
    other.refresh_from_db()
    assert decided.state == "alarm"
    assert (other.state, other.state_version) == ("insufficient data", 0)
    assert other.evaluation_error == (
        "Alarms of type loadbalancer_member_health are not evaluated here."
    )
    assert other.evaluated_at > other.created_at


def test_an_unscoped_alarm_sees_other_projects_samples() -> None:
    store(90.0, project_id="p2")
    fields = lifecycle.check(
        {"name": "n", "type": "gnocchi_resources_threshold", "rule": threshold()}
    )
    scoped = lifecycle.create(fields, "p1", "u1")
    unscoped = lifecycle.create(fields, "p1", "u1", is_unscoped=True)
    evaluate_due()
    scoped.refresh_from_db()
    unscoped.refresh_from_db()
    assert (scoped.state, unscoped.state) == ("insufficient data", "alarm")
    lifecycle.change(unscoped, {"rule": threshold(threshold=1.0)}, "u2")
    unscoped.refresh_from_db()
    assert not unscoped.is_unscoped


def test_alarms_are_counted_by_state_for_the_operators_metrics() -> None:
    """A disabled one counts nowhere; one that is due is also counted as such."""
    make_alarm(threshold(), name="fires")
    make_alarm(threshold(), name="off", enabled=False)
    Alarm.objects.filter(name="fires").update(state=State.ALARM)
    measure()
    counted = {
        state: REGISTRY.get_sample_value("telemetry_alarms", {"state": state})
        for state in State.values
    }
    assert counted == {"insufficient data": 0, "ok": 0, "alarm": 1}
    assert REGISTRY.get_sample_value("telemetry_evaluation_overdue") == 1
    evaluate_due()
    measure()
    assert REGISTRY.get_sample_value("telemetry_evaluation_overdue") == 0
