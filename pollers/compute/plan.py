"""What a compute agent polls for the intervals that are due: by polling.yaml, else everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings

from pollers.chosen import selection
from pollers.compute.meters import DOMAIN_METERS, HOST_METERS
from pollers.compute.sources import ComputeSources
from pollers.polling_file import PollingSource
from pollers.polls import Source
from pollers.schedule import Schedule
from pollers.slots import host_offset
from pollers.timetable import Timetable
from pollers.work import Work, compute_work, polling_sources, unknown_names
from telemetry_site import paths
from telemetry_site.clock import now_us

Accepts = Callable[[str], bool]


@dataclass(frozen=True)
class Planned:
    """A source to poll now, the meters that are wanted of it, and how often it is polled.

    `chosen` is for its report: by which rules (`pollers.chosen`).
    """

    source: Source
    accepts: Accepts | None
    interval_s: float
    chosen: dict[str, Any] = field(default_factory=dict)


class ComputePlan:
    """`sources` are polling.yaml's; none at all: every meter at every tick.

    Those of SNMP hosts alone concern no compute agent.
    """

    def __init__(
        self, sources: list[PollingSource], dynamic: list[Work], own: ComputeSources,
        tick_s: float, unknown: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`unknown`: sentences about names in the sources that no pollster has."""
        self._everything = not sources
        self._sources = [source for source in sources if source.is_for_agents]
        self._dynamic = dynamic
        self._own = own
        self._tick_s = tick_s
        self._unknown = unknown

    def intervals(self) -> list[float]:
        """In seconds, the shortest first."""
        named = {source.interval_s for source in self._sources} or {self._tick_s}
        return sorted(named | {work.interval_s for work in self._dynamic})

    def due(self, intervals: Iterable[float]) -> list[Planned]:
        """Host and hypervisor: one bulk reading serves all the intervals that are due together."""
        wanted = set(intervals)
        if self._everything:
            if self._tick_s not in wanted:
                return []
            return [
                Planned(source, None, self._tick_s, self._chosen(able))
                for source, able in self._able()
            ]
        accepts = selected(one for one in self._sources if one.interval_s in wanted)
        shortest = min((one.interval_s for one in self._sources), default=self._tick_s)
        return [
            Planned(source, accepts, shortest, self._chosen(able))
            for source, able in self._able(accepts)
        ]

    def _able(self, accepts: Accepts | None = None) -> Iterator[tuple[Source, tuple[str, ...]]]:
        """Sources that give anything that is wanted, each with all meters that it could give."""
        for sources, able in (
            (self._own.host, HOST_METERS), (self._own.hypervisors, DOMAIN_METERS),
        ):  # fmt: skip
            if accepts is None or any(map(accepts, able)):
                yield from ((source, able) for source in sources())

    def _chosen(self, able: tuple[str, ...]) -> dict[str, Any]:
        """By all sources, due or not: what is polled less often is not left out."""
        return selection(able, self._sources, self._unknown)

    def due_work(self, intervals: Iterable[float]) -> list[Work]:
        """Dynamic pollsters, which may be slow."""
        wanted = set(intervals)
        return [work for work in self._dynamic if work.interval_s in wanted]


def selected(sources: Iterable[PollingSource]) -> Accepts:
    """Whether any of them selects a meter; asked once a name."""
    selections = [source.meters for source in sources]
    return cache(lambda meter: any(one.accepts(meter) for one in selections))


@cache
def current_plan() -> ComputePlan:
    return ComputePlan(
        polling_sources(), compute_work(), ComputeSources(),
        settings.TELEMETRY_POLL_INTERVAL, unknown_names(),
    )  # fmt: skip


@cache
def timetable() -> Timetable:
    """A schedule an interval, all with the host's place in the shortest: they fall together."""
    host, tick_s = settings.TELEMETRY_HOST, settings.TELEMETRY_POLL_INTERVAL
    intervals = current_plan().intervals()
    offset = host_offset(host, intervals[0])
    started = now_us() / 1e6
    folder = paths.home() / "schedule"
    return Timetable(
        [
            Schedule(
                folder / (f"compute.{host}.json" if interval == tick_s else
                          f"compute.{host}.{interval:g}.json"),
                interval, offset, started, tick_s=tick_s,
            )
            for interval in intervals
        ]
    )  # fmt: skip
