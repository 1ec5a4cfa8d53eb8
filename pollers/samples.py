"""A sample while it is with an agent or a publisher, one by one."""

from __future__ import annotations

from dataclasses import dataclass

from meters import wire


@dataclass(frozen=True)
class Sample:
    """One value of one meter of one resource; its identity is (resource, meter, timestamp)."""

    meter: str
    type: wire.SampleType
    unit: str
    volume: float
    timestamp_us: int
    resource: wire.Resource
    #: The archive policy of its series, where that is new; the collector's default if empty.
    policy: str = ""
