"""`test_alarms`: alarms over series that a file gives, without any database."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alarms.testing.notation import NotationError, duration, seconds_of, values_of

ALARMS = """
alarms:
  - name: cpu high
    project: p1
    type: gnocchi_resources_threshold
    rule: {metric: cpu, resource_id: vm-1, aggregation_method: mean, comparison_operator: gt,
           threshold: 80, granularity: 60}
    policy: {for: 300, recovery_threshold: 70}
"""
TESTS = """
alarm_files: [alarms.yaml]
tests:
  - name: fires after five minutes, recovers below 70
    alarm: cpu high
    input:
      - {metric: cpu, resource_id: vm-1, start: 10s, values: "10x9 95x9 75x4 60x5"}
    expect:
      - {at: 5m, state: ok, phase: normal}
      - {at: 14m, state: ok, phase: pending}
      - at: 16m
        state: alarm
        reason: "Transition to alarm due to 1 samples outside threshold, most recent: 95.0"
        fired: 1
      - {at: 24m, state: alarm}
      - {at: 26m, state: ok}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alarms.yaml").write_text(ALARMS)
    return tmp_path


def run(folder: Path, text: str) -> tuple[str, str]:
    """(output, error)"""
    path = folder / "tests.yaml"
    path.write_text(text)
    out = StringIO()
    try:
        call_command("test_alarms", str(path), stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_what_is_expected_passes(folder: Path) -> None:
    said, error = run(folder, TESTS)
    assert (said, error) == (
        "ok  fires after five minutes, recovers below 70\n1 passed, 0 failed.\n", "",
    )  # fmt: skip


def test_what_differs_is_shown_beside_what_was_expected(folder: Path) -> None:
    said, error = run(folder, TESTS.replace("{at: 14m, state: ok", "{at: 14m, state: alarm"))
    assert error == "0 passed, 1 failed."
    lines = said.splitlines()
    assert lines[0] == "FAILED  fires after five minutes, recovers below 70"
    assert lines[1] == f"  {folder}/tests.yaml:10: at 14m"
    assert lines[2:4] == ["    - state: alarm", "    + state: ok"]
    assert lines[4] == "  what happened until then:"
    assert lines[5].startswith("    1m  ok: Transition to ok due to 1 samples inside threshold")


PART = {
    "gnocchi_resources_threshold": "{metric: cpu, resource_id: r, aggregation_method: mean, "
    "threshold: 80, comparison_operator: gt}",
    "gnocchi_aggregation_by_resources_threshold": "{metric: cpu, query: '{}', "
    "aggregation_method: mean, threshold: 80, comparison_operator: gt}",
    "gnocchi_aggregation_by_metrics_threshold": "{metrics: "
    "[3be3d611-459f-405b-a88c-9062a8de3480], aggregation_method: mean, threshold: 80, "
    "comparison_operator: gt}",
    "threshold": "{meter_name: cpu, threshold: 80, comparison_operator: gt, "
    "query: [{field: metadata.role, op: eq, value: web, type: string}]}",
    "prometheus": "{query: 'cpu{role=\"web\"}', threshold: 80, comparison_operator: gt}",
    "composite": "{or: [{type: prometheus, query: cpu, threshold: 80, comparison_operator: gt}, "
    "{type: prometheus, query: memory, threshold: 999}]}",
}


@pytest.mark.parametrize("kind", PART)
def test_alarms_of_every_type_over_samples(folder: Path, kind: str) -> None:
    said, error = run(folder, f"""
tests:
  - alarm: {{type: {kind}, rule: {PART[kind]}}}
    input:
      - metric: cpu
        resource_id: r
        id: 3be3d611-459f-405b-a88c-9062a8de3480
        metadata: {{role: web}}
        values: "10x9 95x9"
      - {{metric: memory, resource_id: other, values: "99x20"}}
    expect:
      - {{at: 9m, state: ok}}
      - {{at: 13m, state: alarm}}
""")  # fmt: skip
    assert (said.splitlines()[-1], error) == ("1 passed, 0 failed.", ""), said


def test_absent_data(folder: Path) -> None:
    said, error = run(folder, """
tests:
  - name: ping
    alarm:
      type: gnocchi_resources_threshold
      rule: {metric: up, resource_id: r, aggregation_method: last, comparison_operator: lt,
             threshold: 0}
      policy: {no_data: alarm, no_data_for: 600}
    input:
      - {metric: up, resource_id: r, values: "1x4 _x20 1"}
    expect:
      - {at: 5m, state: ok}
      - {at: 16m, state: ok, phase: no data}
      - {at: 18m, state: alarm, reason: No datapoint for granularity 60}
      - {at: 26m, state: ok, fired: 1}
""")  # fmt: skip
    assert error == "", said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("95x9", "95xx9", "tests.yaml:7: values: '95xx9' is neither a value nor a row"),
        ("at: 5m", "at: soon", "tests.yaml:9: at: 'soon' is no time; write it like"),
        ("state: ok, phase: normal", "stat: ok", "tests.yaml:9: stat: is none of at, state"),
        ("state: ok, phase: normal", "state: fine", "tests.yaml:9: state: must be one of ok"),
        ("alarm: cpu high", "alarm: cpu low", "tests.yaml:5: alarm: no alarm is named 'cpu low'"),
        ("alarm: cpu high", "alarm: {type: event, rule: {}}", "type: alarms of type event"),
        ("alarm: cpu high", "alarm: {type: prometheus, rule: {query: '(', threshold: 1}}",
         "tests.yaml:5: rule.query: "),
        ("[alarms.yaml]", "[nothing.yaml]", "nothing.yaml: cannot be read"),
        ("tests:", "test:", "tests.yaml:1: must be a mapping with a list named tests"),
        ("metric: cpu, resource_id", "metrik: cpu, resource_id", "tests.yaml:7: metrik: is none"),
        ("10s", "10s, interval: 0", "tests.yaml:7: interval: must be more than 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    folder: Path, old: str, new: str, words: str
) -> None:
    assert old in TESTS
    _, error = run(folder, TESTS.replace(old, new, 1))
    assert words in error


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []), ("1 2.5 -3", [1.0, 2.5, -3.0]), ("0+10x3", [0.0, 10.0, 20.0, 30.0]),
        ("5-2x2", [5.0, 3.0, 1.0]), ("7x2", [7.0, 7.0, 7.0]), ("_ 1 _x2", [None, 1.0, None, None]),
        ("-1+0.5x1", [-1.0, -0.5]), ("1e3", [1000.0]), (5, [5.0]), ("1x0", [1.0]),
    ],
)  # fmt: skip
def test_values(text: Any, values: list[float | None]) -> None:
    assert values_of(text) == values


@pytest.mark.parametrize("text", ["a", "1+x3", "1x", "x3", "_+1x2", "1x999999999", None, True, []])
def test_values_that_are_none(text: Any) -> None:
    with pytest.raises(NotationError):
        values_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", None), (90, 90), ("1m30s", 90), ("1h", 3600), ("2d1m", 172_860),
                          ("", None), (-1, None), (True, None), ("1s1m", None), ("0s", 0)],
)  # fmt: skip
def test_durations(text: Any, seconds: int | None) -> None:
    if seconds is None:
        with pytest.raises(NotationError):
            seconds_of(text)
    else:
        assert seconds_of(text) == seconds
        assert seconds_of(duration(seconds)) == seconds
