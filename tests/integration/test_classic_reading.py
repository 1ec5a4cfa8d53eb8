"""Points of stretches: read in many small parts they are what they are at once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from meters.classic_statistics import rows, statistics
from meters.metering_api import ends, reading, stretches
from meters.metering_api import whole as whole_points
from meters.metering_api.conditions import Bounds
from meters.metering_api.ids import Position
from meters.metering_api.stretches import Asked, Stretches
from meters.store import read as store_read
from meters.store.write import store_batch
from tests.api.metering.people import at
from tests.support.batches import SECOND, batch_of, resource
from tests.support.storing import pack

DAY = 86_400
NAMES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _stored(fresh_store: None) -> None:
    """Three series over four days, at odd times; b moves and c changes; half of it is packed."""
    samples = []
    for place, name in enumerate(NAMES):
        for n in range(40):
            seconds = (n - 30) * DAY / 10 + place
            moved = name == "b" and n >= 17
            one = resource(
                name, project_id="p2" if moved else "p1",
                metadata={"size": n // 25 if name == "c" else 0},
            )  # fmt: skip
            samples.append((one, "cpu", float(n * n % 17), at(seconds)))
    samples.sort(key=lambda sample: sample[3])
    # In one batch a resource is described in one way.
    first, *others = samples[:51], samples[51:75], samples[75:]
    store_batch(batch_of(*first))
    pack()
    for some in others:
        store_batch(batch_of(*some))


@pytest.fixture(params=[1, 7, 100])
def parts(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "POINTS_A_READ", request.param)
    monkeypatch.setattr(store_read, "BLOCK", request.param // 2 + 1)
    monkeypatch.setattr(reading, "WHOLE_DAY", request.param)
    monkeypatch.setattr(reading, "FIRST_WINDOW_US", 3600 * SECOND)


def found() -> Stretches:
    return stretches.find(Asked(), True)


def everything() -> Any:
    whole = found()
    return whole, reading.read(whole, reading.Read(0, at(20 * DAY), 0, len(whole.series_ids)))


def test_series_are_cut_where_their_resource_changes() -> None:
    whole, points = everything()
    counts = np.bincount(points.index, minlength=len(whole.all)).tolist()
    shown = [(one.series.resource_id, one.revision.project_id) for one in whole.all]
    assert list(zip(shown, counts, strict=True)) == [
        (("a", "p1"), 40), (("b", "p1"), 17), (("b", "p2"), 23), (("c", "p1"), 25),
        (("c", "p1"), 15),
    ]  # fmt: skip


@pytest.mark.usefixtures("parts")
def test_the_newest_ones_page_by_page() -> None:
    whole, points = everything()
    wanted = reading.samples_of(whole, points, reading.newest_first(points))
    pages, after = [], None
    while True:
        page, is_cut = reading.newest(whole, Bounds(), 50, after)
        pages += page
        if not is_cut:
            break
        after = Position(page[-1].stretch.series.pk, page[-1].timestamp_us)
    assert pages == wanted


def plain(row: Any) -> Any:
    """Without what `approx` has no eye for; nothing was counted."""
    assert row["cardinality"] == {}
    return {name: value for name, value in row.items() if name != "cardinality"}


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("period", [None, 3600, DAY // 2])
@pytest.mark.parametrize("bounds", [Bounds(), Bounds(at(-DAY), at(DAY // 2), at(-DAY))])
def test_statistics(period: int | None, bounds: Bounds) -> None:
    whole, points = everything()
    inside = (points.timestamps >= bounds.start_us) & (points.timestamps < bounds.stop_us)
    groups = [0, 1, 0, 1, 2]
    period_us = None if period is None else period * SECOND
    wanted = statistics(points.take(inside), period_us, bounds.origin_us, groups)
    partials, origin = whole_points.summarised(whole, bounds, period_us, 1000)
    assert partials is not None
    got = rows(partials, period_us, origin, groups)
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert plain(one) == pytest.approx(plain(other), rel=1e-12)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("bounds", [Bounds(), Bounds(at(-2 * DAY), at(-DAY // 3))])
def test_the_ends_of_series(bounds: Bounds) -> None:
    whole, points = everything()
    for chosen in itertools.chain([whole.all], ([one] for one in whole.all)):
        places = [place for place, one in enumerate(whole.all) if one in chosen]
        times: dict[int, list[int]] = {}
        for index, when in zip(points.index.tolist(), points.timestamps.tolist(), strict=True):
            if index in places and bounds.start_us <= when < bounds.stop_us:
                times.setdefault(whole.all[index].series.pk, []).append(when)
        part = Stretches(chosen)
        last, first = ends.last_samples(part, bounds), ends.first_samples(part, bounds)
        assert {pk: end.timestamp_us for pk, end in last.items()} == {
            pk: max(found) for pk, found in times.items()
        }
        assert {pk: end.timestamp_us for pk, end in first.items()} == {
            pk: min(found) for pk, found in times.items()
        }
        for end in [*last.values(), *first.values()]:
            revision = end.stretch.revision
            assert revision.since_us <= end.timestamp_us < revision.until_us
