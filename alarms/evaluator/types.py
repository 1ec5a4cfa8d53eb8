"""The registry of alarm types: what each wants looked at, and who judges what was seen.

A new type is a struct in `alarms.definition` and a line here. Event alarms have none: they are
judged where events are stored (`alarms.evaluator.events`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from django.conf import settings

from alarms.choices import Type
from alarms.definition import CompositeRule, Part, Rule
from alarms.evaluator.judging import Case, Judged, judge_composites, judge_thresholds
from alarms.evaluator.looking import View
from alarms.evaluator.members import judge_members


class AlarmType(NamedTuple):
    """`family` names it in metrics. `asks_others`: it waits for another service's answer, so it
    is judged after all that don't."""

    family: str
    parts: Callable[[Rule], Sequence[Part]]
    judge: Callable[[Sequence[Case], View], Judged]
    asks_others: bool = False


def _itself(rule: Rule) -> Sequence[Part]:
    return (cast("Part", rule),)


def _sub_rules(rule: Rule) -> Sequence[Part]:
    return [one.rule for one in cast("CompositeRule", rule).sub_rules]


def _nothing(_: Rule) -> Sequence[Part]:
    return ()


_THRESHOLD = AlarmType("threshold", _itself, judge_thresholds)
TYPES: dict[str, AlarmType] = {
    Type.RESOURCE_THRESHOLD.value: _THRESHOLD,
    Type.METRICS_THRESHOLD.value: _THRESHOLD,
    Type.GROUP_THRESHOLD.value: _THRESHOLD,
    Type.CLASSIC_THRESHOLD.value: _THRESHOLD,
    Type.PROMETHEUS.value: _THRESHOLD,
    Type.COMPOSITE.value: AlarmType("composite", _sub_rules, judge_composites),
    Type.MEMBER_HEALTH.value: AlarmType("members", _nothing, judge_members, asks_others=True),
}


def is_evaluated(alarm_type: str) -> bool:
    """Whether anybody here can: some types want another service."""
    if alarm_type == Type.MEMBER_HEALTH:
        return bool(settings.TELEMETRY_OCTAVIA_URL)
    return alarm_type in TYPES
