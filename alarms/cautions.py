"""What is no fault but should be known to whoever makes an alarm."""

from __future__ import annotations

from collections.abc import Sequence

from alarms.definition import Part, SeriesRule, parse_rule
from alarms.evaluator.selection import find
from alarms.evaluator.subjects import Found, Subject
from alarms.evaluator.types import TYPES
from alarms.models import Alarm
from meters.models import ArchivePolicy

SECOND_US = 1_000_000


def of_granularity(rule: Part, found: Found) -> str:
    """Where the archive policy of what a rule finds has not its granularity; "" where all is well.

    We judge by the samples themselves all the same; the metric API does not answer such buckets.
    """
    if not isinstance(rule, SeriesRule) or not found.series:
        return ""
    keys = [one.pk for one in found.series]
    for policy in ArchivePolicy.objects.filter(metrics__pk__in=keys).distinct().order_by("name"):
        if rule.granularity * SECOND_US not in policy.granularities_us:
            known = ", ".join(f"{us / SECOND_US:g}" for us in reversed(policy.granularities_us))
            return f"no such granularity: {known} exist"
    return ""


def of_parts(parts: Sequence[Part], project_id: str | None) -> str:
    """Of a rule's parts, through the eyes of a project; the first that there is something to say
    about."""
    wanted = [part for part in parts if isinstance(part, SeriesRule)]
    found = find([Subject(part, project_id) for part in wanted])
    pairs = zip(wanted, found, strict=True)
    return next((words for part, one in pairs if (words := of_granularity(part, one))), "")


def headers_of(alarm: Alarm) -> dict[str, str]:
    """Of the answer to who has made it."""
    if alarm.type not in TYPES:
        return {}
    parts = TYPES[alarm.type].parts(parse_rule(alarm.type, alarm.rule))
    words = of_parts(parts, alarm.seen_project)
    return {"Warning": as_header(words)} if words else {}


def as_header(text: str) -> str:
    """The value of an HTTP `Warning`: 299 is a miscellaneous persistent one (RFC 7234, 5.5)."""
    plain = text.encode("ascii", "replace").decode()
    quoted = "".join(one for one in plain if one.isprintable()).replace("\\", "\\\\")
    return '299 - "' + quoted.replace('"', '\\"') + '"'
