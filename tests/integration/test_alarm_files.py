"""`load_alarms` and `dump_alarms`: a folder of YAML and the alarms in the database."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from alarms import lifecycle
from alarms.models import Alarm, AlarmHistory
from tests.support.alarms import make_alarm

pytestmark = pytest.mark.django_db

CPU = """
project: p1
alarms:
  - name: cpu high
    type: gnocchi_resources_threshold
    severity: critical
    rule:
      metric: cpu
      resource_id: vm-1
      aggregation_method: mean
      comparison_operator: gt
      threshold: 80
    alarm_actions: ["log://"]
    policy: {for: 300, recovery_threshold: 70}
"""
DISK = """
alarms:
  - name: disk full
    project: p2
    type: prometheus
    rule: {query: disk_used, comparison_operator: gt, threshold: 90}
"""


def load(folder: Path, *options: str) -> str:
    out = StringIO()
    call_command("load_alarms", str(folder), *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cpu.yaml").write_text(CPU)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "disk.yml").write_text(DISK)
    (tmp_path / "README").write_text("none of it")
    return tmp_path


def test_a_folder_is_loaded_once_however_often(folder: Path) -> None:
    assert load(folder) == (
        "made: p1/cpu high\nmade: p2/disk full\n2 made, 0 changed, 0 deleted, 0 same.\n"
    )
    alarm = Alarm.objects.get(name="cpu high")
    assert (alarm.project_id, alarm.severity, alarm.managed_by) == ("p1", "critical", "files")
    assert alarm.policy == {"for": 300, "recovery_threshold": 70.0}
    versions = list(Alarm.objects.values_list("pk", "definition_version", "updated_at"))
    assert load(folder) == "0 made, 0 changed, 0 deleted, 2 same.\n"
    assert list(Alarm.objects.values_list("pk", "definition_version", "updated_at")) == versions


def test_a_change_is_one_of_the_same_alarm_with_history(folder: Path) -> None:
    load(folder)
    alarm = Alarm.objects.get(name="cpu high")
    (folder / "cpu.yaml").write_text(CPU.replace("threshold: 80", "threshold: 85"))
    assert "changed: p1/cpu high\n" in load(folder)
    row = AlarmHistory.objects.get(alarm_id=alarm.pk, type="rule change")
    assert row.detail["rule"]["threshold"] == 85.0
    assert set(row.detail) == {"rule"}


def test_a_policy_that_is_gone_from_the_file_is_gone(folder: Path) -> None:
    load(folder)
    (folder / "cpu.yaml").write_text(CPU[: CPU.index("    policy")])
    load(folder)
    assert Alarm.objects.get(name="cpu high").policy is None


def test_a_dry_run_prints_a_diff_and_changes_nothing(folder: Path) -> None:
    load(folder)
    (folder / "cpu.yaml").write_text(CPU.replace("threshold: 80", "threshold: 85"))
    (folder / "more" / "disk.yml").unlink()
    said = load(folder, "--dry-run", "--prune")
    assert "--- database/p1/cpu high\n+++ files/p1/cpu high\n" in said
    assert "-    threshold: 80.0\n+    threshold: 85.0\n" in said
    assert "--- database/p2/disk full\n+++ /dev/null\n" in said
    assert said.endswith("Nothing is done yet: 0 made, 1 changed, 1 deleted, 0 same.\n")
    assert Alarm.objects.get(name="cpu high").rule["threshold"] == 80.0
    assert Alarm.objects.count() == 2


def test_only_pruning_deletes_and_only_what_came_from_files(folder: Path) -> None:
    load(folder)
    make_alarm(name="by hand")
    (folder / "more" / "disk.yml").unlink()
    load(folder)
    assert Alarm.objects.count() == 3
    assert load(folder, "--prune").endswith("0 made, 0 changed, 1 deleted, 1 same.\n")
    assert set(Alarm.objects.values_list("name", flat=True)) == {"cpu high", "by hand"}


def test_two_folders_with_two_marks_leave_each_other_alone(folder: Path, tmp_path: Path) -> None:
    load(folder)
    other = tmp_path / "none"
    other.mkdir()
    assert load(other, "--prune", "--mark", "other").startswith("0 made, 0 changed, 0 deleted")
    assert Alarm.objects.count() == 2


def test_an_alarm_made_by_hand_is_taken_over_only_when_told(folder: Path) -> None:
    alarm = make_alarm(name="cpu high")
    with pytest.raises(CommandError, match=r"cpu.yaml:4: name: .*--adopt"):
        load(folder)
    assert Alarm.objects.count() == 1
    load(folder, "--adopt")
    alarm.refresh_from_db()
    assert (alarm.managed_by, alarm.rule["threshold"], alarm.severity) == (
        "files",
        80.0,
        "critical",
    )


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("threshold: 80", "threshold: x", "cpu.yaml:12: rule.threshold: Expected `float`"),
        ("for: 300", "for: -1", "cpu.yaml:14: policy.for: Expected `int` >= 0"),
        ("severity: critical", "severity: bad", "cpu.yaml:6: severity: must be one of"),
        ("severity: critical", "colour: red", "cpu.yaml:6: colour: is no field"),
        ("threshold: 80", "threshold: !!bool x", "cpu.yaml:12: is not valid YAML: no value of"),
        (
            "threshold: 80",
            "threshold: !!timestamp x",
            "cpu.yaml:12: is not valid YAML: no value of",
        ),
        ("threshold: 80", "threshold: !!int ''", "cpu.yaml:12: is not valid YAML: no value of"),
        ('["log://"]', '["log://", 7]', "cpu.yaml:13: alarm_actions[1]: must be a text"),
        ('["log://"]', '["ftp://x"]', "cpu.yaml:13: alarm_actions[0]: "),
        ("project: p1", "owner: p1", "cpu.yaml:2: owner: is no field of a file of alarms"),
        ("- name: cpu high", "- name: disk full", ""),
        ("- name: cpu high", "- just text", "cpu.yaml"),
        ("alarms:", "alarm:", "cpu.yaml:1: must be a mapping with a list named alarms"),
        ("    policy", "    severity: low\n    policy", "cpu.yaml:14: key 'severity' stands twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_nothing_is_done(
    folder: Path, old: str, new: str, place: str
) -> None:
    assert old in CPU
    (folder / "cpu.yaml").write_text(CPU.replace(old, new, 1))
    if not place:
        assert load(folder).startswith("made: p1/disk full")
        return
    with pytest.raises(CommandError) as raised:
        load(folder)
    assert f"{folder}/{place}" in str(raised.value)
    assert not Alarm.objects.exists()


def test_one_name_twice_in_a_project_is_refused_with_both_places(folder: Path) -> None:
    (folder / "again.yaml").write_text(CPU)
    with pytest.raises(CommandError) as raised:
        load(folder)
    assert f"stands in this project already, at {folder}/again.yaml:4" in str(raised.value)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no folder"):
        load(tmp_path / "nothing")


def test_what_is_dumped_loads_as_the_same(folder: Path, tmp_path: Path) -> None:
    load(folder)
    make_alarm(name="plain", project_id=None, time_constraints=[
        {"name": "n", "start": "0 1 * * *", "duration": 60}])  # fmt: skip
    out = StringIO()
    call_command("dump_alarms", stdout=out)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "all.yaml").write_text(out.getvalue())
    said = load(copy, "--adopt", "--dry-run")
    assert said.endswith("0 made, 1 changed, 0 deleted, 2 same.\n")
    assert "@@" not in said
    before = {
        one.name: {n: getattr(one, n) for n in lifecycle.FIELDS} for one in Alarm.objects.all()
    }
    load(copy, "--adopt")
    after = {
        one.name: {n: getattr(one, n) for n in lifecycle.FIELDS} for one in Alarm.objects.all()
    }
    assert before == after
