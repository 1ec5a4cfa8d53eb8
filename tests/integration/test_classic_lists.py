"""Lists of very many: found window by window and page by page they are what they are at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import groupby, pairwise, product
from typing import Any

import pytest
from django.db.models import Q

from meters.metering_api import lately, measured, reading, stretches
from meters.metering_api.conditions import Bounds, Query
from meters.metering_api.ids import Position
from meters.metering_api.reading import Sample
from meters.metering_api.stretches import Asked
from meters.metering_api.views import meters as meter_views
from meters.models import Event, Metric, Resource
from meters.store.distinct import first_values
from meters.store.moments import first_times, last_times, newest_times
from meters.store.read import TooManyPointsError, read_points
from meters.store.write import store_batch
from telemetry_site.clock import from_us
from tests.api.metering.people import ClassicClient, at
from tests.api.metering.people import measured as record
from tests.support.batches import SECOND, batch_of, resource
from tests.support.storing import pack

HOUR = 3600
SIX_HOURS = 6 * HOUR * SECOND
NAMES = [f"{place:08x}-0000-4000-8000-000000000000" for place in range(6)] + list("abcdef")


@pytest.fixture(autouse=True)
def _stored(fresh_store: None, settings: Any) -> None:
    """A dozen resources with two meters, at odd and at equal times over two days; some move, some
    fall silent; most of it is packed.
    """
    settings.TELEMETRY_NOAUTH = True
    rng = random.Random(7)
    samples = []
    for n in range(200):
        place = rng.randrange(len(NAMES))
        hours = rng.randrange(24 if place % 3 else 48)
        one = resource(
            NAMES[place], project_id="p2" if place % 2 and hours > 17 else "p1",
            metadata={"size": hours // 12},
        )  # fmt: skip
        seconds = hours * HOUR + rng.choice([0, 0, place, n / 7])
        samples.append((one, f"m{n % 2}", float(n), at(seconds)))
    samples.sort(key=lambda sample: sample[3])
    # In one batch a resource is described in one way.
    parts = [
        list(some)
        for _, some in groupby(samples, lambda one: (one[3] - at(0)) // (6 * HOUR * SECOND))
    ]
    for number, part in enumerate(parts):
        for project in ("p1", "p2"):
            if some := [one for one in part if one[0].project_id == project]:
                store_batch(batch_of(*some))
        if number == 4:
            pack()
    alone = Metric.objects.filter(name="m0").order_by("pk")[3]
    alone.resource.metrics.exclude(pk=alone.pk).delete()
    Resource.objects.filter(pk=alone.resource_id).update(
        type="_standalone", original_id=str(alone.uuid)
    )
    alone.resource.revisions.all().delete()


ASKED = {
    "all": (Asked(), True),
    "of a project": (Asked(revisions=Q(project_id="p2")), False),
    "of a size": (Asked(revisions=Q(metadata__size=1)), True),
    "of a meter": (Asked(names=frozenset({"m1"})), True),
}
BOUNDS = {
    "ever": Bounds(),
    "since": Bounds(start_us=at(20 * HOUR)),
    "until": Bounds(stop_us=at(21 * HOUR)),
    "between": Bounds(at(10 * HOUR), at(30 * HOUR)),
}


def every_question() -> Iterator[tuple[str, Query, bool]]:
    for (name, (asked, sees_all)), (time, bounds) in product(ASKED.items(), BOUNDS.items()):
        whole = replace(asked, start_us=bounds.start_us, stop_us=bounds.stop_us)
        yield f"{name}, {time}", Query(whole, bounds), sees_all


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were too many series to look at all of them."""
    monkeypatch.setattr(measured, "FEW", 0)
    monkeypatch.setattr(lately, "FEW", 0)


@pytest.mark.usefixtures("many")
def test_resources_the_last_measured_first() -> None:
    for title, query, sees_all in every_question():
        wanted = measured.measured(stretches.find(query.asked, sees_all), query.bounds)
        keys = [one.key for one in wanted]
        assert len(keys) > 2, title
        for at_once in (1, 3, 50):
            found = list(measured.newest_first(query, sees_all, at_once))
            assert [one.key for one in found] == keys, title
            assert [sorted(one.ends) for one in found] == [sorted(one.ends) for one in wanted]
        assert measured.firsts(found, query.bounds) == measured.firsts(wanted, query.bounds)
        for place in range(len(wanted)):
            behind = measured.newest_first(query, sees_all, 2, wanted[place].key)
            assert [one.key for one in behind] == keys[place + 1 :], title


@pytest.mark.usefixtures("many")
def test_a_next_page_has_resources_that_went_on_under_another_project() -> None:
    gone, stays = resource("gone", project_id="p1"), resource("stays", project_id="p1")
    store_batch(
        batch_of((gone, "m0", 1.0, at(-3 * HOUR)), (stays, "m0", 1.0, at(-2 * HOUR)))
    )  # fmt: skip
    store_batch(batch_of((resource("gone", project_id="p2"), "m0", 1.0, at(-HOUR))))
    query = Query(Asked(revisions=Q(project_id="p1")), Bounds())
    whole = measured.measured(stretches.find(query.asked, False), query.bounds)
    assert [one.resource_id for one in whole][-2:] == ["stays", "gone"]
    found = measured.newest_first(query, False, 2, whole[-2].key)
    assert [one.resource_id for one in found] == ["gone"]


@pytest.mark.parametrize("few", [0, 3000])
@pytest.mark.parametrize("limit", [2, 17])
def test_samples_the_newest_first(monkeypatch: pytest.MonkeyPatch, few: int, limit: int) -> None:
    monkeypatch.setattr(lately, "FEW", few)
    for title, query, sees_all in every_question():
        every = stretches.find(query.asked, sees_all)
        wanted, _ = reading.newest(every, query.bounds, 1000)
        found: list[Sample] = []
        after, is_cut = None, True
        while is_cut:
            some, is_cut = lately.newest_samples(query, sees_all, limit, after)
            found += some
            if not found:
                break
            after = Position(found[-1].stretch.series.pk, found[-1].timestamp_us)
        assert found == wanted, title


def test_first_and_newest_times_are_those_of_the_points() -> None:
    ids = list(Metric.objects.order_by("pk").values_list("pk", flat=True))
    points = read_points(ids)
    times: dict[int, list[int]] = {}
    for index, when in zip(points.index.tolist(), points.timestamps.tolist(), strict=True):
        times.setdefault(ids[index], []).append(when)
    assert first_times(ids) == {pk: min(found) for pk, found in times.items()}
    assert first_times([]) == {}
    late = from_us(at(15 * HOUR)), from_us(at(60 * HOUR))
    newest = newest_times(*late)
    inside = {pk: max(found) for pk, found in times.items() if max(found) >= at(15 * HOUR)}
    found = dict(zip(newest.series.tolist(), newest.times.tolist(), strict=True))
    assert {pk: at for pk, at in found.items() if pk in ids} == inside, "others were deleted"
    assert last_times(ids) == {pk: max(found) for pk, found in times.items()}
    before = newest_times(from_us(at(0)), from_us(at(5 * HOUR)))
    assert {pk for pk, found in times.items() if min(found) < at(5 * HOUR)} <= set(
        before.series.tolist()
    )
    assert all(when < at(5 * HOUR) for when in before.times.tolist())


@pytest.mark.parametrize("most", [3, 8_192])
@pytest.mark.parametrize("tries", [5, 1000])
@pytest.mark.parametrize("spanning", [True, False])
def test_windows_have_no_gaps(
    monkeypatch: pytest.MonkeyPatch, most: int, tries: int, spanning: bool
) -> None:
    monkeypatch.setattr(lately, "SMALL_WINDOWS", tries)
    found = list(lately.windows(at(0), at(60 * HOUR), most, (True, spanning)))
    assert found[0].high_us == at(60 * HOUR)
    assert found[-1].low_us == at(0)
    assert all(later.low_us == one.high_us for later, one in pairwise(found))
    for low, high, moments in found:
        whole = newest_times(
            from_us(low), from_us(high), None, high == found[0].high_us or spanning
        )
        assert [one.tolist() for one in moments] == [one.tolist() for one in whole]


def test_windows_are_short_where_there_are_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for samples of one time, which are in one window however many there are."""
    monkeypatch.setattr(lately, "SMALL_WINDOWS", 10_000)
    for low, high, moments in lately.windows(at(0), at(60 * HOUR), 3, (True, False)):
        assert len(moments.series) <= 2 * 3 or high - low == 1, "in the head and in chunks"


def test_more_times_than_are_wanted_are_refused() -> None:
    late = from_us(at(15 * HOUR)), from_us(at(60 * HOUR))
    count = len(newest_times(*late).series)
    assert len(newest_times(*late, 10_000).series) == count
    with pytest.raises(TooManyPointsError):
        newest_times(*late, 1)


class TestPages:
    """By the API, in small pages and as one."""

    @pytest.fixture
    def admin(self, monkeypatch: pytest.MonkeyPatch, many: None) -> ClassicClient:
        monkeypatch.setattr(meter_views, "AT_FIRST", 2)
        monkeypatch.setattr(meter_views, "AT_ONCE", 3)
        return ClassicClient("admin-u", "admin-p", "admin")

    def pages(self, client: ClassicClient, path: str, key: str, **query: Any) -> list[Any]:
        found: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            page = client.listed(path, limit=4, **query, **more)
            found += page
            if len(page) < 4:
                return found
            more = {"marker": page[-1][key]}

    @pytest.mark.parametrize("path", ["/resources", "/meters"])
    def test_they_are_the_list(self, admin: ClassicClient, path: str) -> None:
        key = "resource_id" if path == "/resources" else "meter_id"
        whole = admin.listed(path, limit=1000)
        assert len(whole) > len(NAMES) - 2
        assert self.pages(admin, path, key) == whole

    def test_a_meter_that_several_projects_have_is_one(self, admin: ClassicClient) -> None:
        """Also where its first series is on an earlier page."""
        before = [one["meter_id"] for one in admin.listed("/meters", limit=1000)]
        first = Metric.objects.order_by("pk").select_related("resource").first()
        assert first is not None
        other = ClassicClient("u2", "p2", "member")
        other.posted({
            "counter_name": first.name, "counter_type": "gauge", "counter_unit": first.unit,
            "counter_volume": 1, "resource_id": first.resource.original_id,
        })  # fmt: skip
        assert [one["meter_id"] for one in self.pages(admin, "/meters", "meter_id")] == before

    def test_kinds_of_meters(self, admin: ClassicClient) -> None:
        record((resource("a"), "rare+one", 1.0, 0))
        found = admin.listed("/meters", unique="yes")
        assert [one["name"] for one in found] == ["m0", "m1", "rare+one"] or [
            one["name"] for one in found
        ] == ["m1", "m0", "rare+one"]
        kinds = first_values(Metric, ["name", "type", "unit"], 10)
        assert kinds == sorted((one["name"], "gauge", "B") for one in found)
        assert first_values(Metric, ["name", "type", "unit"], 2) == kinds[:2]
        marker = found[1]["meter_id"]
        assert [one["name"] for one in admin.listed("/meters", unique="yes", marker=marker)] == [
            "rare+one"
        ]


def test_values_of_which_there_are_few() -> None:
    assert first_values(Metric, ["name"], 10) == [("m0",), ("m1",)]
    assert first_values(Metric, ["name"], 1) == [("m0",)]
    assert first_values(Event, ["event_type"], 10) == []


def test_a_slot_that_is_packed_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was first in the head, and lies in chunks when those were looked at already."""
    from meters.store import moments

    early = resource("a")
    store_batch(batch_of((early, "m0", 1.0, at(-timedelta(days=3).total_seconds()))))
    ids = list(Metric.objects.filter(resource__original_id="a").values_list("pk", flat=True))
    wanted = first_times(ids)
    plain, packed = moments._firsts, []

    def slow(cursor: Any, some: Any) -> Any:
        found = plain(cursor, some)
        if not packed:
            packed.append(pack())
            return moments.Moments(found.series[:0], found.times[:0])
        return found

    monkeypatch.setattr(moments, "_firsts", slow)
    assert first_times(ids) == wanted
    assert len(packed) == 1
