"""How an alarm is decided: pure functions, no clock, no database (alarms.md 2.1, 2.3, 7.2).

"Outside" means that the comparison holds, for `lt` as for `gt`: the alarm's condition is met.
`eventful` says of many windows at once at which anything happens; `decide` then makes the verdict
with its sentence for one. The texts are aodh's, letter by letter.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from alarms.choices import State

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt, "le": operator.le, "eq": operator.eq, "ne": operator.ne,
    "ge": operator.ge, "gt": operator.gt,
}  # fmt: skip
SECOND = 1_000_000


class Window(NamedTuple):
    """[start, stop) in microseconds; `start` is a multiple of the granularity."""

    start: int
    stop: int


class Look(NamedTuple):
    """What one alarm's window holds.

    `last` is its newest value, `outside` how many of the `periods` last ones are outside, and
    `heading` whether the newest is. `problem` says why there is nothing to compare.
    """

    periods: int
    outside: int = 0
    heading: bool = False
    last: float | None = None
    problem: str = ""


class Verdict(NamedTuple):
    """What becomes of an alarm: it goes to `state`, or remains there and its actions fire again.

    Either way the actions of `state` are taken.
    """

    state: str
    changed: bool
    reason: str
    reason_data: dict[str, Any]


def window(now_us: int, granularity_s: int, periods: int, lag_s: int = 0) -> Window:
    """From `periods` + 1 back (and `lag_s` more), floored, to now: the partial period counts."""
    granularity = granularity_s * SECOND
    start = now_us - granularity * (periods + 1) - lag_s * SECOND
    return Window(start // granularity * granularity, now_us)


def look(values: Sequence[float], comparison: str, threshold: float, periods: int) -> Look:
    """A look at aggregated values in the order of time, of which the last `periods` count."""
    last = values[-periods:]
    outside = [bool(COMPARE[comparison](value, threshold)) for value in last]
    problem = f"{periods} datapoints are unknown" if len(last) < periods else ""
    return Look(periods, sum(outside), outside[-1], last[-1], problem)


def no_datapoint(granularity_s: int) -> str:
    return f"No datapoint for granularity {granularity_s}"


# --- one alarm ---------------------------------------------------------------------------------


def decide(previous: str, repeat: bool, seen: Look) -> Verdict | None:
    """The verdict for an alarm in state `previous`; None where nothing happens."""
    state = firm(seen)
    if state is None:
        state = trend(seen) if previous == State.INSUFFICIENT_DATA else previous
    if state != previous:
        return tell(seen, state, True)
    return tell(seen, previous, False) if repeat else None


def firm(seen: Look) -> str | None:
    """The state that the window puts an alarm in by itself; None of a mixed one."""
    if seen.problem:
        return State.INSUFFICIENT_DATA.value
    if 0 < seen.outside < seen.periods:
        return None
    return trend(seen)


def trend(seen: Look) -> str:
    """What the newest value says."""
    return State.ALARM.value if seen.heading else State.OK.value


def tell(seen: Look, state: str, changed: bool) -> Verdict:
    """That an alarm goes to `state`, or remains there, in the words for what was seen."""
    if seen.problem and not changed and state == State.INSUFFICIENT_DATA:
        seen = seen._replace(outside=0)
    elif seen.problem:
        data = _reason_data("unknown", seen.periods, seen.last)
        return Verdict(str(state), changed, seen.problem, data)
    return _verdict("Transition to" if changed else "Remaining as", state, changed, seen)


def _verdict(how: str, state: str, changed: bool, seen: Look) -> Verdict:
    """The sentence of 2.3 with its facts."""
    inside = state == State.OK
    count = seen.periods - seen.outside if inside else seen.outside
    disposition = "inside" if inside else "outside"
    reason = (
        f"{how} {state} due to {count} samples {disposition} threshold, most recent: {seen.last}"
    )
    return Verdict(str(state), changed, reason, _reason_data(disposition, count, seen.last))


def _reason_data(disposition: str, count: int, last: float | None) -> dict[str, Any]:
    """aodh's, but null for a value that is no finite number: NaN is no JSON."""
    recent = last if last is not None and math.isfinite(last) else None
    return {
        "type": "threshold",
        "disposition": disposition,
        "count": count,
        "most_recent": recent,
    }


# --- many alarms -------------------------------------------------------------------------------


class Looks(NamedTuple):
    """The numbers of many windows, as parallel arrays: `Look` in columns.

    `enough` is False where there is a problem; `last` is NaN where there is no value.
    """

    periods: Ints
    outside: Ints
    heading: Flags
    last: Floats
    enough: Flags

    def take(self, places: Ints) -> Looks:
        """Those at `places`, in the shape of `places`."""
        return Looks(
            self.periods[places], self.outside[places], self.heading[places], self.last[places],
            self.enough[places],
        )  # fmt: skip


def eventful(states: npt.NDArray[np.str_], repeats: Flags, seen: Looks) -> Flags:
    """Where `decide` has a verdict: to be asked about thousands of alarms, most of them quiet."""
    unknown = states == State.INSUFFICIENT_DATA.value
    mixed = (seen.outside > 0) & (seen.outside < seen.periods)
    heading = np.where(seen.heading, State.ALARM.value, State.OK.value)
    moves = np.where(seen.enough, (heading != states) & (~mixed | unknown), ~unknown)
    result: Flags = moves | repeats
    return result
