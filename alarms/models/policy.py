"""What alarms with a policy remember from one evaluation to the next."""

from __future__ import annotations

from django.db import models

from alarms.models.alarm import Alarm


class PolicyMemory(models.Model):
    """`alarms.policies.Memory` of an alarm with a policy; others have no row.

    It is of the definition that the alarm had at `definition_version`; to another only `fired_at`
    means something.
    """

    alarm = models.OneToOneField(
        Alarm, models.CASCADE, primary_key=True, related_name="policy_memory"
    )
    definition_version = models.BigIntegerField()
    pending_since = models.DateTimeField(null=True, blank=True)
    recovering_since = models.DateTimeField(null=True, blank=True)
    no_data_since = models.DateTimeField(null=True, blank=True)
    fired_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"policy of {self.alarm_id}"
