"""How alarms on a load balancer's members are decided: no clock, no I/O (alarms.md 2.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from alarms.choices import State, Type
from alarms.definition import MemberHealth
from alarms.rules import Verdict

FAILED = "failed to communicate with load balancing service"
Member = dict[str, Any]


def unhealthy(members: Sequence[Member], now: datetime, young: timedelta) -> list[Member]:
    """Those that are switched on and in error, but for those created so lately.

    Raises `ValueError` for what is no member.
    """
    return [
        one
        for one in members
        if one.get("admin_state_up") and one.get("operating_status") == "ERROR"
        and _created(one) < now - young
    ]  # fmt: skip


def _created(member: Member) -> datetime:
    text = member.get("created_at")
    if not isinstance(text, str):
        raise ValueError("a member without created_at")
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def decide(
    previous: str, repeat: bool, rule: MemberHealth, bad: Sequence[Member] | None
) -> Verdict | None:
    """`bad` are the members in error; None where nobody could tell."""
    state = State.INSUFFICIENT_DATA if bad is None else State.ALARM if bad else State.OK
    changed = state != previous
    if not changed and not repeat:
        return None
    return Verdict(state.value, changed, _reason(state.value, changed, bad), _data(rule, bad or ()))


def _reason(state: str, changed: bool, bad: Sequence[Member] | None) -> str:
    if bad is None:
        return FAILED
    if not changed:
        return f"Remaining as {state}"
    recent = bad[-1] if bad else None
    return f"Transition to {state} due to {len(bad)} members unhealthy, most recent: {recent}"


def _data(rule: MemberHealth, bad: Sequence[Member]) -> dict[str, Any]:
    return {
        "type": Type.MEMBER_HEALTH.value,
        "count": len(bad),
        "most_recent": bad[-1] if bad else None,
        "unhealthy_members": list(bad),
        "pool_id": rule.pool_id,
        "stack_id": rule.stack_id,
        "asg_id": rule.autoscaling_group_id,
    }
