"""`manage.py create_alarm` and `manage.py alarms`."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from alarms.choices import State
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, AlarmHistory, PolicyMemory
from meters.models import Metric
from telemetry_site.clock import now
from tests.support.alarms import make_alarm, store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def create(*arguments: str, above: str = "50") -> str:
    side = ("--above", above) if above else ()
    return run("create_alarm", "--meter", "cpu", "--resource", "vm-1", *side, *arguments)


class TestCreating:
    def test_it_says_the_rule_in_words_and_where_the_page_is(self) -> None:
        store(95.0)
        text = create()
        alarm = Alarm.objects.get()
        made, page = text.splitlines()
        assert made == (
            f"Made alarm {alarm.pk}: mean of cpu of resource vm-1 above 50 for 1 period of 60 s."
        )
        assert page.endswith(f"/alarms/{alarm.pk}")
        assert alarm.name == "cpu of vm-1 above 50"
        assert AlarmHistory.objects.get(alarm_id=alarm.pk).type == "creation"

    def test_it_is_the_installations_and_turns_at_the_next_evaluation(self) -> None:
        store(95.0, project_id="p7")
        create("--url", "http://127.0.0.1:9099/")
        evaluate_due()
        alarm = Alarm.objects.get()
        assert (alarm.state, alarm.project_id) == (State.ALARM, None)
        assert alarm.alarm_actions == alarm.ok_actions == ["http://127.0.0.1:9099/"]

    def test_absence_is_an_alarm_as_simple_as_a_ping(self) -> None:
        store(1.0)
        text = run(
            "create_alarm", "--absent", "cpu", "--resource", "vm-1", "--for", "600",
            "--url", "http://127.0.0.1:9099/",
        )  # fmt: skip
        alarm = Alarm.objects.get()
        assert text.splitlines()[0] == (
            f"Made alarm {alarm.pk}: no samples of cpu of vm-1 any more for 600 s."
        )
        assert alarm.name == "cpu of vm-1 is absent"
        assert alarm.policy == {"no_data": "alarm", "no_data_for": 600}
        evaluate_due()
        alarm.refresh_from_db()
        assert alarm.state == State.OK
        assert Metric.objects.all().delete()[0]
        for waited in (0, 599, 600):
            began = now() - timedelta(seconds=waited)
            PolicyMemory.objects.filter(no_data_since__isnull=False).update(no_data_since=began)
            Alarm.objects.update(evaluate_at=Now())
            evaluate_due()
            alarm.refresh_from_db()
            assert alarm.state == (State.ALARM if waited == 600 else State.OK)

    def test_absence_and_a_threshold_exclude_each_other(self) -> None:
        with pytest.raises(CommandError, match="not allowed with"):
            run("create_alarm", "--absent", "cpu", "--above", "1")
        with pytest.raises(CommandError, match="leave --meter out"):
            run("create_alarm", "--absent", "cpu", "--meter", "cpu")
        with pytest.raises(CommandError, match="want a --meter"):
            run("create_alarm", "--above", "1")
        with pytest.raises(CommandError, match=r"policy\.no_data_for: Expected `int` >= 0"):
            run("create_alarm", "--absent", "cpu", "--for", "-1")

    def test_a_condition_may_have_to_last(self) -> None:
        create("--for", "300")
        assert Alarm.objects.get().policy == {"for": 300}

    def test_options_reach_the_rule(self) -> None:
        create(
            "--below", "-2.5", "--method", "max", "--granularity", "10", "--periods", "3",
            "--name", "low", "--severity", "critical", "--project", "p1", above="",
        )  # fmt: skip
        alarm = Alarm.objects.get()
        assert (alarm.name, alarm.severity, alarm.project_id) == ("low", "critical", "p1")
        assert alarm.rule == {
            "metric": "cpu", "resource_id": "vm-1", "resource_type": "generic", "threshold": -2.5,
            "aggregation_method": "max", "comparison_operator": "lt", "granularity": 10,
            "evaluation_periods": 3,
        }  # fmt: skip

    def test_a_metric_that_is_not_there_is_said(self) -> None:
        assert "It has no data so far: resource vm-1 does not exists." in create()

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            (["--url", "gopher://x/"], "--url gopher://x/: must begin"),
            (["--url", "http://127.0.0.1:8000/"], "--url http://127.0.0.1:8000/: leads into"),
            (["--method", "sometimes"], "aggregation_method"),
            (["--granularity", "0"], "granularity"),
            (["--periods", "101"], "evaluation_periods"),
            (["--name", "n" * 256], "name"),
            (["--name", "a\0b"], "name"),
        ],
    )
    def test_what_cannot_be_is_named_and_nothing_is_made(
        self, arguments: list[str], field: str
    ) -> None:
        with pytest.raises(CommandError) as refused:
            create(*arguments)
        assert field in str(refused.value)
        assert Alarm.objects.count() == 0

    def test_a_threshold_that_is_no_number_of_this_world_is_refused(self) -> None:
        with pytest.raises(CommandError, match=r"rule\.threshold"):
            create(above="nan")

    def test_a_project_that_has_as_many_as_it_may_have_is_told(self, settings: Any) -> None:
        settings.TELEMETRY_ALARMS_PER_PROJECT = 0
        with pytest.raises(CommandError, match="The project has 0 alarms, the most it may have"):
            create("--project", "p1")


class TestListing:
    def test_states_rules_and_reasons_are_shown(self) -> None:
        store(95.0)
        make_alarm(name="high [red]")
        evaluate_due()
        text = run("alarms")
        for part in ("alarm", "high [red]", "mean of cpu of resource vm-1 above 80", "95.0"):
            assert part in text

    def test_states_are_told_apart(self) -> None:
        make_alarm(name="one")
        assert run("alarms", "--state", "ok") == "No alarms match.\n"
        assert "one" in run("alarms", "--state", "insufficient data", "--project", "p1")

    def test_programs_get_json(self) -> None:
        store(95.0)
        alarm = make_alarm(enabled=False)
        found: list[dict[str, Any]] = json.loads(run("alarms", "--format", "json"))
        assert [(one["id"], one["enabled"], one["state"]) for one in found] == [
            (str(alarm.pk), False, "insufficient data")
        ]

    def test_a_rule_that_nobody_can_read_hides_no_others(self) -> None:
        broken = make_alarm(name="broken")
        Alarm.objects.filter(pk=broken.pk).update(rule={"metric": 5})
        make_alarm(name="whole")
        text = run("alarms")
        assert "unreadable" in text
        assert "whole" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("alarms", "--limit=0"), ("alarms", "--limit=-1"), ("alarms", f"--limit={10**30}"),
        ("notifications", "list", "--limit=-1"), ("notifications", "list", f"--limit={10**30}"),
        ("notifications", "list", "--since-hours=nan"),
        ("notifications", "list", "--since-hours=x"),
        ("notifications", "retry", "--since-hours=1e400"),
        ("create_alarm", "--meter", "cpu", "--above", "1", "--project", "p" * 256),
    ],
)  # fmt: skip
def test_what_no_database_could_count_is_refused_in_words(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
