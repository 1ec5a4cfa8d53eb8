"""Alarms, what became of them, and what is to be sent because of it."""

from alarms.models.alarm import Alarm, AlarmHistory, AlarmQuota, EvaluationCount
from alarms.models.memory import CompositeMemory
from alarms.models.outbox import Destination, Notification, NotificationAttempt
from alarms.models.policy import PolicyMemory

__all__ = [
    "Alarm", "AlarmHistory", "AlarmQuota", "CompositeMemory", "Destination", "EvaluationCount",
    "Notification", "NotificationAttempt", "PolicyMemory",
]  # fmt: skip
