"""Old history of alarms goes, all of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alarms import lifecycle
from alarms.models import AlarmHistory
from alarms.retention import history_rules
from meters import housekeeping
from telemetry_site.clock import now
from tests.support.alarms import make_alarm


@pytest.fixture
def after_a_week(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "RULES", history_rules(7))
    monkeypatch.setattr(housekeeping, "BATCH", 100)


def age(days: int, **which: Any) -> None:
    AlarmHistory.objects.filter(**which).update(timestamp=now() - timedelta(days=days))


def test_every_old_row_goes_in_one_run(after_a_week: None) -> None:
    """aodh's expirer deletes a hundred and stops."""
    gone = make_alarm()
    lifecycle.delete(gone, "u1")
    rows = [AlarmHistory(alarm_id=gone.pk, type="rule change", detail={}) for _ in range(250)]
    AlarmHistory.objects.bulk_create(rows)
    age(8)
    young = make_alarm()
    assert housekeeping.keep_house()["alarms_alarmhistory"] == 252
    assert [row.alarm_id for row in AlarmHistory.objects.all()] == [young.pk]


def test_the_row_of_the_present_state_stays(after_a_week: None) -> None:
    alarm = make_alarm()
    lifecycle.set_state(alarm, "alarm", "u1")
    lifecycle.set_state(alarm, "ok", "u1")
    age(8)
    housekeeping.keep_house()
    assert [row.to_state for row in AlarmHistory.objects.all()] == ["ok"]


def test_without_a_limit_everything_stays() -> None:
    assert history_rules(0) == history_rules(-1) == []
