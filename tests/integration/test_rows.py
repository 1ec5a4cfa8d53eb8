"""Rows by COPY are the rows that `bulk_create` makes."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError

from alarms.choices import Change, State
from alarms.models import AlarmHistory, Notification
from alarms.rows import copy_in

pytestmark = pytest.mark.django_db(transaction=True)
HARD = 'tab\there, line\nthere, back\\slash, "quotes", \\N, ü, 𝄞, {a,b}'


def history(**fields: object) -> AlarmHistory:
    told = {"type": Change.STATE_TRANSITION, "detail": {"state": HARD, "n": [1, None, 2.5]}}
    return AlarmHistory(alarm_id=uuid.uuid4(), project_id=None, user_id=HARD, **told | fields)


def message(**fields: object) -> Notification:
    told = {"alarm_name": HARD, "url": HARD, "destination": "a", "body": HARD, "severity": "low"}
    changed = {"previous": State.OK, "current": State.ALARM}
    return Notification(alarm_id=uuid.uuid4(), project_id="p1", **told | changed | fields)


@pytest.mark.parametrize("make", [history, message])
def test_they_equal_those_of_bulk_create(make: type[AlarmHistory] | type[Notification]) -> None:
    copied, created = [make(), make(state_version=7)], [make(), make(state_version=7)]
    model = type(copied[0])
    copy_in(copied)
    model.objects.bulk_create(created)  # type: ignore[attr-defined]
    unlike = {"id", "event_id", "alarm_id", "timestamp", "created_at", "next_attempt_at"}

    def stored(rows: list[AlarmHistory] | list[Notification]) -> list[dict[str, object]]:
        found = model.objects.filter(alarm_id__in=[row.alarm_id for row in rows])  # type: ignore[attr-defined]
        values = list(found.order_by("state_version").values())
        assert all(row[name] is not None for row in values for name in unlike & row.keys())
        return [{k: v for k, v in row.items() if k not in unlike} for row in values]

    assert stored(copied) == stored(created)
    assert len(stored(copied)) == 2


def test_one_that_is_there_already_refuses_all() -> None:
    first = history(state_version=1)
    copy_in([first])
    again = history(state_version=1)
    again.alarm_id = first.alarm_id
    with pytest.raises(IntegrityError):
        copy_in([history(state_version=1), again])
    assert AlarmHistory.objects.count() == 1


def test_no_rows_are_no_rows() -> None:
    copy_in([])
    assert not AlarmHistory.objects.exists()
