"""Rules that compare no numbers."""

from __future__ import annotations

import msgspec

from alarms.definition.conditions import Condition, check_conditions
from alarms.definition.fields import Name, check_text


class EventRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event whose type matches `event_type` (a shell's pattern) and every condition."""

    event_type: Name = "*"
    query: list[Condition] = []

    def check(self) -> None:
        check_text("event_type", self.event_type)
        check_conditions(self.query)


class MemberHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Members of a load balancer's pool that are in error; `autoscaling_group_id` is whose."""

    pool_id: Name
    stack_id: Name
    autoscaling_group_id: Name

    def check(self) -> None:
        for name in self.__struct_fields__:
            check_text(name, getattr(self, name))
