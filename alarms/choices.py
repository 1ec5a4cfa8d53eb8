"""The closed lists of the alarming system, in aodh's words."""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    OK = "ok", "ok"
    ALARM = "alarm", "alarm"
    INSUFFICIENT_DATA = "insufficient data", "insufficient data"


class Severity(TextChoices):
    """How bad it is; plays no part in the evaluation."""

    LOW = "low", "low"
    MODERATE = "moderate", "moderate"
    CRITICAL = "critical", "critical"


class Type(TextChoices):
    RESOURCE_THRESHOLD = "gnocchi_resources_threshold", "threshold on one metric"
    METRICS_THRESHOLD = (
        "gnocchi_aggregation_by_metrics_threshold",
        "threshold on several metrics together",
    )
    GROUP_THRESHOLD = (
        "gnocchi_aggregation_by_resources_threshold",
        "threshold on a metric over a group of resources",
    )
    CLASSIC_THRESHOLD = "threshold", "threshold on a meter's statistics"
    COMPOSITE = "composite", "several rules combined"
    EVENT = "event", "event"
    PROMETHEUS = "prometheus", "PromQL expression"
    MEMBER_HEALTH = "loadbalancer_member_health", "health of a load balancer's members"


#: What is said of a type that wants another service, where that isn't set up.
NOT_HERE = "alarms of type {} are not evaluated here"


class Change(TextChoices):
    """Type of a history row."""

    CREATION = "creation", "creation"
    RULE_CHANGE = "rule change", "rule change"
    STATE_TRANSITION = "state transition", "state transition"
    DELETION = "deletion", "deletion"


class Delivery(TextChoices):
    """Where a notification stands.

    `failed`: the receiver refused it for good; `dead`: given up after a day of attempts;
    `cancelled`: its alarm was deleted, somebody said so, or what it tells was over when it could
    have been sent; `suppressed`: kept back by a silence or an inhibition; `gathering`: waits for
    the next message of its route; `grouped`: told in one.
    """

    PENDING = "pending", "pending"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"
    DEAD = "dead", "dead"
    CANCELLED = "cancelled", "cancelled"
    SUPPRESSED = "suppressed", "suppressed"
    GATHERING = "gathering", "gathering"
    GROUPED = "grouped", "grouped"


class SilenceState(TextChoices):
    """By the clock alone."""

    PENDING = "pending", "pending"
    ACTIVE = "active", "active"
    EXPIRED = "expired", "expired"


#: The action of alarms that are told together, as their project's routes say.
ROUTE = "route://"
#: How an action begins that names a receiver of the project.
RECEIVER = "receiver://"
#: Where a message stands that is not sent yet, and may be cancelled.
WAITING = (Delivery.PENDING, Delivery.SUPPRESSED, Delivery.GATHERING)
#: Destinations of what the house itself has to do because of an alarm: the outbox takes it there,
#: tenants are not shown it, and no deletion of the alarm cancels it.
HOUSE_DESTINATIONS = ("remove-trust", "bus")
#: State → the field with the actions that fire when an alarm gets there.
ACTIONS_OF_STATE: dict[str, str] = {
    State.OK: "ok_actions",
    State.ALARM: "alarm_actions",
    State.INSUFFICIENT_DATA: "insufficient_data_actions",
}
#: Those fields.
ACTION_FIELDS = tuple(ACTIONS_OF_STATE.values())
