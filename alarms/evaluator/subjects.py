"""What the evaluator looks at, and what it finds."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from alarms.definition import Part


class Subject(NamedTuple):
    """What is looked at: a rule, with the eyes of a project (None: of the installation)."""

    rule: Part
    project_id: str | None


class Series(NamedTuple):
    """A metric as the evaluator needs it. From `since_us` on its owner is its present one."""

    pk: int
    resource_id: int
    is_counter: bool
    since_us: int


class Found(NamedTuple):
    """The series of one subject, or why there are none (aodh's words).

    `labels` are those of each series, where the rule asks for labels.
    """

    series: tuple[Series, ...] = ()
    problem: str = ""
    labels: tuple[dict[str, str], ...] = ()


#: Of the form that counts, with hyphens.
_UUID_LENGTH = 36


def is_uuid(text: str) -> bool:
    if len(text) != _UUID_LENGTH:
        return False
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
