"""What an alarm would have done: by both doors, by command, as the evaluator itself would have."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alarms import lifecycle, preview
from alarms.evaluator.walking import plan_of
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now_us
from tests.api.alarming.people import AlarmingClient, fault_of, rule
from tests.support.alarms import make_alarm, threshold
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.usefixtures("fresh_store")
MINUTE = 60 * SECOND
ID = "insufficient data"


@pytest.fixture(autouse=True)
def _believed_headers(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True


@pytest.fixture
def began() -> int:
    """An hour ago cpu of vm-1 began: 20 quiet minutes, 20 high ones, 10 quiet, 10 of nothing."""
    first = (now_us() // MINUTE - 60) * MINUTE
    values = [10.0] * 20 + [95.0] * 20 + [10.0] * 10
    one = resource("vm-1")
    store_batch(
        batch_of(*((one, "cpu", value, first + n * MINUTE) for n, value in enumerate(values)))
    )
    return first


def run(began: int, **fields: Any) -> list[preview.Tried]:
    kind = fields.pop("type", "gnocchi_resources_threshold")
    checked = lifecycle.check({"name": "n", "type": kind, "rule": threshold()} | fields)
    start, stop = from_us(began + 2 * MINUTE), from_us(began + 60 * MINUTE)
    return preview.dry_run(plan_of(checked), "p1", start, stop, stop)


def changes(tried: list[preview.Tried], began: int) -> list[tuple[int, str]]:
    """(minute, state) where the state changed."""
    found, before = [], ""
    for one in tried:
        if one.step.state != before:
            found.append(((one.step.at_us - began) // MINUTE, one.step.state))
        before = one.step.state
    return found


def test_each_evaluation_is_told(began: int) -> None:
    tried = run(began)
    assert len(tried) == 58
    assert changes(tried, began) == [(2, "ok"), (21, "alarm"), (41, "ok"), (52, ID)]
    assert preview.fired(tried) == 1
    fired = tried[19]
    assert fired.values == [[95.0]]
    assert fired.step.reason == (
        "Transition to alarm due to 1 samples outside threshold, most recent: 95.0"
    )
    assert tried[-1].step.reason == "No datapoint for granularity 60"


def test_by_its_policy(began: int) -> None:
    assert changes(run(began, policy={"for": 300}), began)[1] == (26, "alarm")
    assert preview.fired(run(began, policy={"for": 3600})) == 0
    told = changes(run(began, policy={"no_data": "alarm", "no_data_for": 120}), began)
    assert told[-1] == (54, "alarm")


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("threshold", {"meter_name": "cpu", "threshold": 80, "comparison_operator": "gt"}),
        ("prometheus", {"query": "cpu", "threshold": 80, "comparison_operator": "gt"}),
        ("composite", {"or": [threshold() | {"type": "gnocchi_resources_threshold"}]}),
    ],
)
def test_of_every_type_over_samples(began: int, kind: str, own: dict[str, Any]) -> None:
    told = changes(run(began, type=kind, rule=own), began)
    assert [state for _, state in told] == ["ok", "alarm", "ok", ID]
    assert told[1][0] in (21, 22)


def test_time_constraints_hold(began: int) -> None:
    never = {"name": "never", "start": "0 0 1 1 *", "duration": 0}
    assert changes(run(began, time_constraints=[never]), began) == [(2, ID)]


@pytest.mark.parametrize("kind", ["event", "loadbalancer_member_health"])
def test_what_looks_at_no_samples_cannot_be_tried(member: AlarmingClient, kind: str) -> None:
    own = {"event_type": "x"} if kind == "event" else {
        "pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"}  # fmt: skip
    asked = {"alarm": {"name": "e", "type": kind, f"{kind}_rule": own}}
    answer = member.ask("POST", "/alarms/dry-run", asked)
    assert fault_of(answer, 400) == f"type: alarms of type {kind} can't be tried out"


@pytest.fixture
def member(db: None) -> AlarmingClient:
    return AlarmingClient("u1", "p1", "member,reader")


def asked(began: int, **more: Any) -> dict[str, Any]:
    alarm = rule(resource_id="vm-1", comparison_operator="gt", threshold=80)
    start, stop = (from_us(began + n * MINUTE).isoformat() for n in (2, 60))
    return {"alarm": alarm, "start": start, "stop": stop} | more


def test_aodhs_door_answers_a_list_and_says_what_it_is(began: int, member: AlarmingClient) -> None:
    answer = member.ask("POST", "/alarms/dry-run", asked(began))
    assert answer.status_code == 200
    rows = answer.json()
    assert len(rows) == 58
    assert rows[19] == {
        "timestamp": from_us(began + 21 * MINUTE).replace(tzinfo=None).isoformat(),
        "state": "alarm",
        "reason": "Transition to alarm due to 1 samples outside threshold, most recent: 95.0",
        "values": [95.0],
    }
    assert answer["Warning"].startswith('299 - "Periods are seen as they are now')
    assert member.fetch("/alarms") == []


@pytest.mark.parametrize(("query", "value"), [("cpu / 0", "inf"), ("(cpu - cpu) / 0", "nan")])
def test_a_value_that_is_no_number_of_jsons_is_null(
    began: int, member: AlarmingClient, query: str, value: str
) -> None:
    own = {"query": query, "threshold": 1, "comparison_operator": "gt"}
    alarm = {"name": "a", "type": "prometheus", "prometheus_rule": own}
    answer = member.ask("POST", "/alarms/dry-run", asked(began) | {"alarm": alarm})
    row = json.loads(answer.content, parse_constant=pytest.fail)[0]
    assert row["reason"].endswith(f"most recent: {value}")
    assert row["values"] == [None]


def test_others_samples_are_not_seen(began: int) -> None:
    stranger = AlarmingClient("u2", "p2", "member")
    rows = stranger.ask("POST", "/alarms/dry-run", asked(began)).json()
    assert {row["state"] for row in rows} == {ID}
    named = asked(began)
    named["alarm"]["project_id"] = "p1"
    answer = stranger.ask("POST", "/alarms/dry-run", named)
    assert fault_of(answer, 401) == "Not Authorized to access project p1"
    assert AlarmingClient().ask("POST", "/alarms/dry-run", named).status_code == 401


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": "2020-01-01"}, "start: "),
        ({"start": "x"}, "Invalid input for field/attribute start. Value: 'x'."),
        ({"stop": 7}, "Invalid input for field/attribute stop."),
        ({"stop": "2020-01-01"}, "start: must be before stop"),
        ({"alarm": []}, "Invalid input for field/attribute alarm."),
        ({"more": 1}, "Unknown attribute for argument data: more"),
    ],
)
def test_what_cannot_be_answered(
    began: int, member: AlarmingClient, change: dict[str, Any], words: str
) -> None:
    answer = member.ask("POST", "/alarms/dry-run", asked(began) | change)
    assert fault_of(answer, 400).startswith(words)


def test_the_command_tells_of_an_alarm_and_of_a_file(began: int, tmp_path: Path) -> None:
    alarm = make_alarm()
    path = tmp_path / "a.yaml"
    entry = {"name": "cpu high", "project": "p1", "type": alarm.type, "rule": alarm.rule}
    path.write_text(json.dumps({"alarms": [entry]}))
    start, stop = from_us(began + 2 * MINUTE), from_us(began + 60 * MINUTE)
    times = ["--start", start.isoformat(), "--stop", stop.isoformat()]
    said = []
    for what in (str(alarm.pk), str(path)):
        out = StringIO()
        call_command("dry_run_alarm", what, *times, stdout=out)
        said.append(out.getvalue())
    assert said[0] == said[1]
    lines = said[0].splitlines()
    assert lines[0].startswith("cpu high: would have fired 1 time from ")
    assert len(lines) == 6
    assert lines[-1] == preview.NOTE
    with pytest.raises(CommandError, match="There is no alarm nothing"):
        call_command("dry_run_alarm", "nothing")
    far = (start - timedelta(days=300)).isoformat()
    with pytest.raises(CommandError, match="at most 10000"):
        call_command("dry_run_alarm", str(alarm.pk), "--start", far)
