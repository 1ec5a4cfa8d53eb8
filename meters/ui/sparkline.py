"""Small plots drawn by the server as SVG paths: no script, gaps stay gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, MARGIN = 240.0, 40.0, 2.0
#: A distance of more than this many usual distances between two points is a gap.
GAP_FACTOR = 2.5


@dataclass(frozen=True)
class Sparkline:
    """`line` and `area` are SVG path data in a box of WIDTH by HEIGHT, `span_s` seconds wide."""

    line: str
    area: str
    low: float
    high: float
    last: float
    span_s: float


def gap_after(timestamps: npt.NDArray[np.int64], least: float = 0.0) -> npt.NDArray[np.bool_]:
    """For each pair of neighbours: is the distance a gap? `least` = the bucket, if any."""
    distances = np.diff(timestamps)
    if not len(distances):
        return np.zeros(0, dtype=bool)
    return distances > GAP_FACTOR * max(float(np.median(distances)), least)


def sparkline(
    timestamps: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    start_us: int,
    stop_us: int,
    from_zero: bool = False,
) -> Sparkline | None:
    """The curve of one series in [start, stop]; None when there is nothing to draw."""
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    floor = min(low, 0.0) if from_zero else low
    share = (timestamps - start_us) / max(stop_us - start_us, 1)
    x = np.clip(share, 0.0, 1.0) * WIDTH  # a bucket may begin a little before the box
    y = _heights(values, floor, high)
    pieces = np.split(np.column_stack((x, y)), np.flatnonzero(gap_after(timestamps)) + 1)
    return Sparkline(
        line=" ".join(_line(piece) for piece in pieces),
        area=" ".join(_area(piece) for piece in pieces if len(piece) > 1),
        low=low,
        high=high,
        last=float(values[-1]),
        span_s=(stop_us - start_us) / 1e6,
    )


def _heights(values: npt.NDArray[np.float64], floor: float, high: float) -> npt.NDArray[np.float64]:
    """Heights in the box; halves first, so that the span of two huge values stays finite."""
    span = high / 2 - floor / 2
    if span <= 0:
        return np.full(len(values), HEIGHT / 2 if high else HEIGHT - MARGIN)
    share = (values / 2 - floor / 2) / span
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def _points(piece: npt.NDArray[np.float64]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in piece.tolist())


def _line(piece: npt.NDArray[np.float64]) -> str:
    """A lone point becomes a short dash, or nobody would see it."""
    return f"M{_points(piece)}" + ("h1.5" if len(piece) == 1 else "")


def _area(piece: npt.NDArray[np.float64]) -> str:
    first, last = piece[0, 0], piece[-1, 0]
    return f"M{first:.1f} {HEIGHT:.0f}L{_points(piece)}L{last:.1f} {HEIGHT:.0f}Z"
