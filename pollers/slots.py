"""Slots: the planned times of polls (rules A2, A3). Pure; seconds since the epoch throughout."""

from __future__ import annotations

import hashlib
import math

#: Hosts are spread over this share of the interval: enough to spare the broker, and little
#: enough for sample times to look regular.
SPREAD = 0.1
#: A tick that comes this share of the interval before the next slot counts for it: the beat's
#: phase is any, and its jitter must not make two ticks fall into one slot and leave a hole.
EARLY = 0.25


def host_offset(host: str, interval_s: float, spread: float = SPREAD) -> float:
    """This host's place in the interval, in whole milliseconds, the same at every start."""
    digest = int.from_bytes(hashlib.sha256(host.encode()).digest()[:4])
    return math.floor(digest / 2**32 * interval_s * spread * 1000) / 1000


def slot_at(now: float, interval_s: float, offset_s: float) -> float:
    """The newest slot that is not after `now`: floor(epoch / interval) × interval + offset."""
    return math.floor((now - offset_s) / interval_s) * interval_s + offset_s


def slot_for_tick(
    now: float, interval_s: float, offset_s: float, last: float | None,
    tick_s: float | None = None,
) -> float | None:  # fmt: skip
    """The slot that a tick at `now` is for; None when it is done already.

    `last` is the last slot that was polled, `tick_s` the time between two ticks where that is not
    the interval. The tick is for the current slot if that is the one
    after `last`. Otherwise (it is done, or polling begins or resumes) a tick shortly before a
    slot (`EARLY`) is for that one.
    """
    slot = slot_at(now, interval_s, offset_s)
    following = slot + interval_s
    in_turn = last is not None and interval_s / 2 < slot - last < interval_s * 1.5
    if not in_turn and following - now <= min(tick_s or interval_s, interval_s) * EARLY:
        slot = following
    return slot if last is None or slot > last + interval_s / 2 else None


def missed_between(last: float | None, slot: float, interval_s: float) -> int:
    """Slots after `last` and before `slot`."""
    if last is None:
        return 0
    return max(0, round((slot - last) / interval_s) - 1)
