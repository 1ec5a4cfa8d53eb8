"""A sample as conversion makes it, and what is said of a message that gives none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from meters import wire
from pollers.notification.times import parse_time
from pollers.samples import Sample as Sample

SAMPLE_TYPES: tuple[wire.SampleType, ...] = get_args(wire.SampleType)


class Unusable(ValueError):
    """A sample that cannot be made of a message; `path` is the place in the message."""

    def __init__(self, detail: str, path: str = "", reason: str = "schema") -> None:
        super().__init__(detail)
        self.path, self.reason = path, reason


@dataclass
class Outcome:
    """What one message gave, what could not be made of it, and values missing as usual.

    `samples` and `events` are to be stored; `published` are {target: samples for it}, and
    `published_events` {target: events for it}.
    """

    samples: list[Sample] = field(default_factory=list)
    events: list[wire.Event] = field(default_factory=list)
    failures: list[Unusable] = field(default_factory=list)
    #: Samples without volume: null before an upload, a host without that counter, …
    empty: int = 0
    published: dict[str, list[Sample]] = field(default_factory=dict)
    published_events: dict[str, list[wire.Event]] = field(default_factory=dict)

    def attempt(self, make: Callable[[], Sample | None]) -> None:
        try:
            sample = make()
        except Unusable as error:
            self.failures.append(error)
            return
        if sample is None:
            self.empty += 1
        else:
            self.samples.append(sample)


def as_volume(value: Any, path: str) -> float:
    """A finite number; text that is one counts, a boolean does not."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable(f"volume {value!r:.80} is not a number", path)
    try:
        volume = float(value)
    except ValueError as error:
        raise Unusable(f"volume {value!r:.80} is not a number", path) from error
    except OverflowError as error:
        raise Unusable(f"volume {value!r:.80} is too large", path, "not_finite") from error
    if not math.isfinite(volume):
        raise Unusable(f"volume {value!r:.80} is not finite", path, "not_finite")
    return volume


def as_name(value: Any, path: str, what: str) -> str:
    """Text that must be there: a meter's name, a resource's id. Whole numbers count as text."""
    name = as_text(value, path, what)
    if not name:
        raise Unusable(f"{what} is missing", path)
    return name


def as_text(value: Any, path: str, what: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unusable(f"{what} {value!r:.80} is not text", path)
    return str(value)


def as_type(value: Any, path: str) -> wire.SampleType:
    for known in SAMPLE_TYPES:
        if value == known:
            return known
    raise Unusable(f"type {value!r:.80} is not one of {', '.join(SAMPLE_TYPES)}", path)


def as_time(value: Any, path: str) -> int:
    try:
        return parse_time(value)
    except ValueError as error:
        raise Unusable(f"timestamp: {error}", path) from error
