"""What policies answer of stored points: the metric API's worked examples, cuts and boundaries."""

from __future__ import annotations

from typing import Any

import pytest

from meters import archives
from meters.archives import Archive, Range, archived
from meters.models import Metric
from meters.store import compaction, head
from meters.store.read import latest_points
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.support.batches import SECOND, batch_of, resource

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 86_400 * SECOND
ALL = Range()


@pytest.fixture(params=["in the head", "in chunks"])
def start(request: pytest.FixtureRequest) -> int:
    """The first minute of the day before yesterday, with points of `vm-1` from it on."""
    first = (now_us() // DAY - 2) * DAY
    rows = [(0, 10), (10.25, 13), (10.75, 19), (70, 1), (80, 4)]
    store("vm-1", *((first + round(at * SECOND), value) for at, value in rows))
    if request.param == "in chunks":
        pack()
    return first


def pack() -> None:
    head.rotate(at_once=True)
    compaction.compact()


def store(name: str, *points: tuple[int, float]) -> None:
    store_batch(batch_of(*((resource(name), "cpu", value, at) for at, value in points)))


def ask(
    granularity_us: int, method: str, wanted: Range = ALL, timespan_us: int | None = None
) -> list[tuple[int, float]]:
    pk = Metric.objects.get(resource__original_id="vm-1").pk
    points = archived([Archive(pk, timespan_us)], granularity_us, method, wanted)
    return list(zip(points.timestamps.tolist(), points.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("method", "minutes", "seconds"),
    [
        ("mean", (14.0, 2.5), (80, 4.0)),
        ("std", (4.58257569495584, 2.1213203435596424), (10, 4.242640687119285)),
        ("95pct", (18.4, 3.8500000000000005), (80, 4.0)),
        ("rate:mean", (4.5, -7.5), (80, 3.0)),
        ("rate:std", (2.1213203435596424, 14.849242404917497), (10, 2.1213203435596424)),
    ],
)
def test_example_a(
    start: int, method: str, minutes: tuple[float, float], seconds: tuple[int, float]
) -> None:
    assert ask(MINUTE, method) == [
        (start, pytest.approx(minutes[0])),
        (start + MINUTE, pytest.approx(minutes[1])),
    ]
    second, value = seconds
    cut = ask(SECOND, method, timespan_us=10 * SECOND)
    assert cut == [(start + second * SECOND, pytest.approx(value))]


def test_start_is_rounded_down_and_stop_is_not(start: int) -> None:
    assert ask(MINUTE, "mean", Range(start + 30 * SECOND)) == ask(MINUTE, "mean")
    assert ask(MINUTE, "mean", Range(None, start + MINUTE)) == [(start, 14.0)]
    whole = ask(MINUTE, "mean", Range(None, start + 61 * SECOND))
    assert whole == ask(MINUTE, "mean"), "the bucket in which the range ends is complete"


def test_a_rate_at_the_start_of_a_range_has_its_predecessor(start: int) -> None:
    assert ask(MINUTE, "rate:mean", Range(start + MINUTE)) == [(start + MINUTE, -7.5)]
    store("vm-1", (start - 40 * DAY, 6.0))
    assert ask(MINUTE, "rate:mean", Range(start)) == [
        (start, pytest.approx((4 + 3 + 6) / 3)),
        (start + MINUTE, -7.5),
    ]


def test_the_cut_is_before_the_newest_point_also_when_the_range_ends_earlier(start: int) -> None:
    store("vm-1", *((start + n * MINUTE, float(n)) for n in range(2, 6)))
    kept = ask(MINUTE, "mean", timespan_us=3 * MINUTE)
    assert kept == [(start + n * MINUTE, float(n)) for n in (3, 4, 5)]
    until = Range(None, start + 5 * MINUTE)
    assert ask(MINUTE, "mean", until, 3 * MINUTE) == kept[:2]
    assert ask(MINUTE, "rate:mean", until, 3 * MINUTE) == [(at, 1.0) for at, _ in kept[:2]]
    assert ask(MINUTE, "mean", Range(None, start + MINUTE), 3 * MINUTE) == []


@pytest.mark.parametrize("ends", [-30, 2], ids=["earlier", "lately"])
@pytest.mark.parametrize("packed", [False, True], ids=["in the head", "in chunks"])
def test_the_newest_point_is_asked_for_only_where_the_timespan_may_end(
    packed: bool, ends: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No point is later than five minutes from now, so a range may be young enough for sure; and
    of one that ends in the last day the newest point comes along.
    """
    asked: list[int] = []

    def noted(series: list[int]) -> Any:
        asked.extend(series)
        return latest_points(series)

    monkeypatch.setattr(archives, "latest_points", noted)
    now = now_us() // HOUR * HOUR
    store("vm-1", *((now + n * HOUR, float(n)) for n in range(-100, 1)))
    if packed:
        pack()

    def answer(start: int, anything_goes: bool) -> tuple[list[tuple[int, float]], int]:
        """Of the 72 hours before the newest point; and how often that was asked for."""
        settings.TELEMETRY_METRIC_API_FUTURE = anything_goes
        asked.clear()
        wanted = Range(now + start * HOUR, now + ends * HOUR)
        return ask(HOUR, "mean", wanted, 72 * HOUR), len(asked)

    for start in range(-80, -60):
        kept = [(now + n * HOUR, float(n)) for n in range(max(start, -71), min(ends, 1))]
        assert answer(start, True) == (kept, int(ends < 0))
        if start != -71:  # the bound itself, when this hour is nearly over
            assert answer(start, False) == (kept, int(ends < 0 and start < -71))
