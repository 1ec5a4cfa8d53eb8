"""How long the history of alarms is kept."""

from __future__ import annotations

from meters.housekeeping import Rule


def history_rules(days: int) -> list[Rule]:
    """The row that tells why an alarm is in its present state stays; 0 days: everything does."""
    if days <= 0:
        return []
    told_nowhere_else = (
        "NOT EXISTS (SELECT FROM alarms_alarm WHERE id = alarms_alarmhistory.alarm_id "
        "AND state_version = alarms_alarmhistory.state_version)"
    )
    return [Rule("alarms_alarmhistory", "timestamp", f"{days} days", told_nowhere_else)]
