"""A test that cannot fail is a defect: each fault test fails with the safety it proves off.

The switches are those of `sabotage/sitecustomize.py`; what each test then says is in README.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from telemetry_site.paths import ROOT

#: (switch, the test that must notice). `[valkey]` is enough: the switches know no broker.
NOTICED = [
    ("forget_what_the_broker_has", "f01_killed_workers.py", "died_in_a_workers_socket"),
    ("promise_before_the_disk", "f02_killed_agents.py", "again_and_again"),
    ("receipt_before_commit", "f03_killed_at_each_point.py", "each_point"),
    ("tell_the_bus_at_once", "f08_killed_notification_agent.py", "each_point"),
    ("wait_for_the_beat", "f11_broker_away.py", "at_the_start"),
    ("send_all_that_waits", "f11_broker_away.py", "goes_and_comes_back"),
    ("newest_first", "f11_broker_away.py", "goes_and_comes_back"),
    ("forget_what_the_broker_has", "f15b_forgetful_broker.py", "forgets_everything"),
    ("events_without_identity", "f19_delivered_thrice.py", "three_times"),
    ("read_every_copy", "f19_delivered_thrice.py", "three_times"),
    ("acknowledge_early", "f20_database_away.py", "hold_messages"),
    ("send_without_lease", "f22_several.py", "three_notifiers"),
    ("poll_without_claims", "f23_central_agents.py", "each_slot_once"),
    ("write_piece_by_piece", "f24_killed_evaluator.py", "each_point"),
    ("leave_it_to_celery", "f28_malformed_messages.py", "among_good_ones"),
    ("mark_before_sending", "f32_killed_notifier.py", "each_point"),
    ("commit_without_waiting", "f33_crashed_database.py", "that_crashes"),
    ("pack_piece_by_piece", "killed_compactor.py", "at_each_point"),
    ("leave_the_drivers_errors", "killed_compactor.py", "inside_the_compactor"),
    ("write_in_place", "f37_killed_spool.py", "each_point"),
    ("write_without_fsync", "f37_killed_spool.py", "each_point"),
    ("keep_the_dead_connection", "f49_libvirtd_restarted.py", "restarts"),
    ("acknowledge_before_delivering", "f59_dead_publisher.py", "dead_target"),
]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("switch", "file", "name"), NOTICED)
def test_without_the_safety_the_test_fails(switch: str, file: str, name: str) -> None:
    argv = ["-n0", "-q", "-m", "not soak", f"tests/faults/test_{file}", "-k", f"{name} and valkey"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *argv],
        cwd=ROOT, env={**os.environ, "TELEMETRY_FAULT_SABOTAGE": switch},
        capture_output=True, text=True, timeout=580,
    )  # fmt: skip
    said = re.findall(r"^E +(\S.*)", done.stdout, re.MULTILINE)
    print(f"{switch}: {said[:1] or done.stdout[-2000:]}")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
