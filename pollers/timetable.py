"""Several intervals on one tick: of each the slot that is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pollers.schedule import Schedule

#: Interval in seconds → slot in seconds since the epoch.
DueSlots = dict[float, float]


class Timetable:
    """One `Schedule` an interval, all ticked together."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        """At least one."""
        self._schedules = list(schedules)

    def take_tick(self, now: float) -> DueSlots | None:
        """The slots to poll now; None where all are done already."""
        return self._due((one, one.take_tick(now)) for one in self._schedules)

    def heard(self, now: float) -> None:
        for one in self._schedules:
            one.heard(now)

    def take_due(self, now: float) -> DueSlots | None:
        """The same where no ticks come."""
        return self._due((one, one.take_due(now)) for one in self._schedules)

    def alone(self, now: float) -> bool:
        return self._schedules[0].alone(now)

    def next_look(self, now: float) -> float:
        return min(one.next_look(now) for one in self._schedules)

    def _due(self, slots: Iterable[tuple[Schedule, float | None]]) -> DueSlots | None:
        return {one.interval_s: slot for one, slot in slots if slot is not None} or None
