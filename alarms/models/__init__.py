"""Alarms, what became of them, and what is to be sent because of it."""

from alarms.models.alarm import Alarm, AlarmHistory, AlarmQuota, EvaluationCount
from alarms.models.memory import CompositeMemory
from alarms.models.muting import AlarmAck, Inhibition, Silence
from alarms.models.outbox import Destination, Notification, NotificationAttempt, SendingBudget
from alarms.models.policy import PolicyMemory
from alarms.models.telling import Receiver, Route, RouteGroup

__all__ = [
    "Alarm", "AlarmAck", "AlarmHistory", "AlarmQuota", "CompositeMemory", "Destination",
    "EvaluationCount", "Inhibition", "Notification", "NotificationAttempt", "PolicyMemory",
    "Receiver", "Route", "RouteGroup", "SendingBudget", "Silence",
]  # fmt: skip
