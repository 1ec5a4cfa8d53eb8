"""What composite alarms remember of their parts."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from alarms.models.alarm import Alarm


class CompositeMemory(models.Model):
    """The states that the parts of a composite alarm would have as alarms of their own.

    `parts` are codes of `alarms.composites` in the order of the parts; they are of the rule that
    the alarm had at `definition_version`, and mean nothing to another.
    """

    alarm = models.OneToOneField(Alarm, models.CASCADE, primary_key=True, related_name="memory")
    definition_version = models.BigIntegerField()
    parts = ArrayField(models.SmallIntegerField())

    def __str__(self) -> str:
        return f"parts of {self.alarm_id}"
