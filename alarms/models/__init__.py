"""Alarms, what became of them, and what is to be sent because of it."""

from alarms.models.alarm import Alarm, AlarmHistory, AlarmQuota, EvaluationCount
from alarms.models.memory import CompositeMemory
from alarms.models.muting import AlarmAck, Inhibition, Silence
from alarms.models.outbox import Destination, Notification, NotificationAttempt
from alarms.models.policy import PolicyMemory

__all__ = [
    "Alarm", "AlarmAck", "AlarmHistory", "AlarmQuota", "CompositeMemory", "Destination",
    "EvaluationCount", "Inhibition", "Notification", "NotificationAttempt", "PolicyMemory",
    "Silence",
]  # fmt: skip
