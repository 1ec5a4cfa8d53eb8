"""The health of a load balancer's members: L1 to L5 of the truth table (alarms.md 7.4, 2.8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alarms import health
from alarms.definition import MemberHealth, parse_rule

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
YOUNG = timedelta(seconds=120)
ID = "insufficient data"


def member(name: str = "m1", age_s: int = 121, **fields: Any) -> dict[str, Any]:
    created = (NOW - timedelta(seconds=age_s)).replace(tzinfo=None).isoformat()
    return {
        "id": name, "admin_state_up": True, "operating_status": "ERROR", "created_at": created,
    } | fields  # fmt: skip


def rule() -> MemberHealth:
    fields = {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"}
    parsed = parse_rule("loadbalancer_member_health", fields)
    assert isinstance(parsed, MemberHealth)
    return parsed


BAD = member()
TABLE: list[tuple[str, str, bool, list[dict[str, Any]] | None, str, str | None]] = [
    (
        "L1", "ok", False, [BAD], "alarm",
        f"Transition to alarm due to 1 members unhealthy, most recent: {BAD}",
    ),
    (
        "L2", "alarm", False, [member(operating_status="ONLINE")], "ok",
        "Transition to ok due to 0 members unhealthy, most recent: None",
    ),
    ("L3", "ok", False, None, ID, "failed to communicate with load balancing service"),
    ("L4", "alarm", True, [BAD], "alarm", "Remaining as alarm"),
    ("L5", "ok", False, [member(age_s=119), member(admin_state_up=False)], "ok", None),
    ("id", ID, False, None, ID, None),
    ("id repeats", ID, True, None, ID, "failed to communicate with load balancing service"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_the_truth_table_of_member_health(row: Any) -> None:
    _, previous, repeat, members, new, reason = row
    bad = None if members is None else health.unhealthy(members, NOW, YOUNG)
    verdict = health.decide(previous, repeat, rule(), bad)
    if reason is None:
        assert verdict is None
        return
    assert verdict is not None
    assert (verdict.state, verdict.changed, verdict.reason) == (new, new != previous, reason)
    assert verdict.reason_data == {
        "type": "loadbalancer_member_health",
        "count": len(bad or []),
        "most_recent": bad[-1] if bad else None,
        "unhealthy_members": bad or [],
        "pool_id": "p",
        "stack_id": "s",
        "asg_id": "g",
    }


@pytest.mark.parametrize("created", [None, 5, "no time"])
def test_a_member_of_another_shape_is_refused(created: Any) -> None:
    with pytest.raises(ValueError, match=r"created_at|isoformat"):
        health.unhealthy([member(created_at=created)], NOW, YOUNG)
