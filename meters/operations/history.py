"""Stored aggregates shared out over the times in which revisions of resources were in force."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meters.store.points import Points


def in_force(
    points: Points, granularity_us: int, since_us: npt.ArrayLike, until_us: npt.ArrayLike
) -> Points:
    """Each value times the share of its bucket in which its revision was in force.

    Series i is a revision, in force in ``since_us[i] ≤ time < until_us[i]`` (microseconds, the
    caller's bounds applied). Points of no share go. The shares of a bucket that consecutive
    revisions of one resource hold between them add up to its value, so the values of a group at
    one time are added with `meters.aggregation.combine`.
    """
    since = np.asarray(since_us, dtype=np.int64)[points.index]
    until = np.asarray(until_us, dtype=np.int64)[points.index]
    ends = np.minimum(points.timestamps + granularity_us, until)
    share_us = ends - np.maximum(points.timestamps, since)
    held = share_us > 0
    return Points(
        points.index[held],
        points.timestamps[held],
        points.values[held] * (share_us[held] / granularity_us),
    )
