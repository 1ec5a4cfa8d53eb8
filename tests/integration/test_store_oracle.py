"""Whatever happens to the store, in whatever order, it holds what a dictionary holds."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from meters import wire
from meters.exporting import export
from meters.importing import store_file
from meters.models import AGENTS_POLICY, ArchivePolicy, Chunk, Metric, RetentionWalk
from meters.retention import earliest
from meters.sample_file import FORMAT, Header, Reader, Selection, Writer
from meters.store import head, read, retention
from meters.store.compaction import compact, merge
from meters.store.deletion import delete_metrics, delete_resources, sweep_deleted
from meters.store.moments import points_by_day
from meters.store.points import Points, join
from meters.store.read import fetch_points, latest_points, read_points
from meters.store.surveys import survey
from meters.store.write import store_batches
from telemetry_site.clock import from_us, now, now_us, to_us
from tests.support.batches import SECOND, batch_of, resource
from tests.support.store import empty_samples
from tests.support.storing import DAY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

#: Days that the policy keeps samples of what agents measure, and the clock those that others post.
POLICY_DAYS, CLOCK_DAYS = 2, 4
DAYS, TIMES_A_DAY = 7, 3


class Key(NamedTuple):
    """A series: "" is the agents' own."""

    creator: str
    resource: str
    meter: str


KEYS = [Key(creator, name, meter) for creator in ("", "u:p") for name in "ab" for meter in "mn"]
NONE = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
keys = st.sampled_from(KEYS)
places = st.integers(0, DAYS * TIMES_A_DAY - 1)
samples = st.dictionaries(st.tuples(keys, places), st.integers(-9, 9), min_size=1, max_size=8)
Contents = dict[Key, dict[int, float]]


class Store(RuleBasedStateMachine):
    """`held` must be there, and nothing else but `fading`: what retention may have taken."""

    sent: Bundle[Contents] = Bundle("sent")
    files: Bundle[tuple[bytes, Contents]] = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        empty_samples()
        definition = [{"granularity": 3600 * SECOND, "points": POLICY_DAYS * 24}]
        ArchivePolicy.objects.create(
            name=AGENTS_POLICY, definition=definition, aggregation_methods=["mean"]
        )
        self.first = (now_us() // DAY - DAYS + 1) * DAY
        self.held: Contents = {}
        self.fading: Contents = {}

    # --- what comes ----------------------------------------------------------------------------

    @rule(target=sent, given=samples)
    def send(self, given: Mapping[tuple[Key, int], int]) -> Contents:
        """In any order of time: what is late, and what was there already, too."""
        contents: Contents = {}
        for (key, place), value in given.items():
            moment = self.first + place * DAY // TIMES_A_DAY
            contents.setdefault(key, {})[moment] = float(value)
        self.send_again(contents)
        return contents

    @rule(contents=sent)
    def send_again(self, contents: Contents) -> None:
        for creator in ("", "u:p"):
            rows = [
                (resource(key.resource), key.meter, value, moment)
                for key, points in contents.items()
                for moment, value in points.items()
                if key.creator == creator
            ]
            if rows:
                store_batches([batch_of(*rows)], creator, wire.STORED)
        self.taken_in(contents)

    def taken_in(self, contents: Contents) -> None:
        for key, points in contents.items():
            self.held.setdefault(key, {}).update(points)
            for moment in points:
                self.fading.get(key, {}).pop(moment, None)

    # --- what the periodic jobs do -------------------------------------------------------------

    @rule()
    def rotate(self) -> None:
        head.rotate(at_once=True)

    @rule()
    def compact(self) -> None:
        compact()

    @rule()
    def pack_all(self) -> None:
        head.rotate(at_once=True)
        while compact():
            pass

    @rule(at_most=st.sampled_from([1, 2_000]))
    def merge(self, at_most: int) -> None:
        merge(at_most)

    @rule()
    def sweep(self) -> None:
        sweep_deleted()

    @rule()
    def retain(self) -> None:
        RetentionWalk.objects.update(begun_at=from_us(0))
        retention.walk()
        for key, points in self.held.items():
            bound = max(points, default=0) - POLICY_DAYS * DAY
            if key.creator:
                bound = to_us(earliest(now()))
            old = {moment for moment in points if moment < bound}
            self.fading.setdefault(key, {}).update({moment: points.pop(moment) for moment in old})

    # --- what people do ------------------------------------------------------------------------

    @rule(key=keys)
    def delete_metric(self, key: Key) -> None:
        delete_metrics([pk for pk, found in series().items() if found == key])
        self.forget(key)

    @rule(key=keys)
    def delete_resource(self, key: Key) -> None:
        rows = Metric.objects.filter(resource__creator=key[0], resource__original_id=key[1])
        delete_resources(list(rows.values_list("resource_id", flat=True)))
        for one in KEYS:
            if one[:2] == key[:2]:
                self.forget(one)

    def forget(self, key: Key) -> None:
        self.held.pop(key, None)
        self.fading.pop(key, None)

    @rule(target=files)
    def export(self) -> tuple[bytes, Contents]:
        stream = io.BytesIO()
        writer = Writer(stream)
        writer.begin(Header(FORMAT, 1, uuid.uuid4(), 0, Selection()))
        for frame in export(Selection()):
            writer.add(frame)
        writer.end()
        return stream.getvalue(), stored()

    @rule(file=files)
    def import_(self, file: tuple[bytes, Contents]) -> None:
        content, contents = file
        done = list(store_file(Reader(io.BytesIO(content))))
        assert sum(one.samples for one in done) == sum(map(len, contents.values()))
        self.taken_in(contents)

    # --- what is read --------------------------------------------------------------------------

    @invariant()
    def all_is_there_once(self) -> None:
        found = stored()
        for key in KEYS:
            points, held, fading = (where.get(key, {}) for where in (found, self.held, self.fading))
            assert held.items() <= points.items(), key
            assert points.items() <= (held | fading).items(), key
            # What retention has taken never comes back by itself.
            self.fading[key] = {m: value for m, value in fading.items() if m in points}

    @rule(low=places, high=places)
    def read_a_part(self, low: int, high: int) -> None:
        start, stop = (self.first + place * DAY // TIMES_A_DAY for place in (low, high))
        whole, part = stored(), stored(start, stop)
        assert part == {
            key: inside
            for key, points in whole.items()
            if (inside := {m: value for m, value in points.items() if start <= m < stop})
        }
        owners = series()
        fetched = fetch_points(list(owners), from_us(start), from_us(stop))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(read, "BLOCK", low + 1)
            blocks = list(fetched.blocks())
        for once, in_blocks in zip(fetched.points(), join(blocks or [NONE]), strict=True):
            assert once.tolist() == in_blocks.tolist()
        counted = points_by_day(list(owners), from_us(start), from_us(stop))
        days = [m // DAY for points in part.values() for m in points]
        most = {to_us(day) // DAY: count for day, count in counted.items()}
        assert all(days.count(day) <= most.get(day, 0) for day in days)

    @rule()
    def read_the_newest(self) -> None:
        owners = series()
        newest = {
            owners[pk]: (to_us(moment), value)
            for pk, (moment, value) in latest_points(list(owners)).items()
        }
        assert newest == {key: max(points.items()) for key, points in stored().items()}

    @rule()
    def count(self) -> None:
        """Nothing is counted less than once; what is overwritten lies there twice till merged."""
        found = survey()
        assert found.exact
        assert found.series == len(series())
        assert found.head_samples + found.chunk_samples >= sum(map(len, stored().values()))
        assert found.chunks == Chunk.objects.count()


def series() -> dict[int, Key]:
    rows = Metric.objects.values_list("pk", "resource__creator", "resource__original_id", "name")
    return {pk: Key(*names) for pk, *names in rows}


def stored(start: int | None = None, stop: int | None = None) -> Contents:
    """Of the series that have something there."""
    owners = series()
    bounds = (None if moment is None else from_us(moment) for moment in (start, stop))
    points = read_points(list(owners), *bounds)
    keys, found = list(owners.values()), {}
    columns = (points.index.tolist(), points.timestamps.tolist(), points.values.tolist())
    for place, moment, value in zip(*columns, strict=True):
        assert moment not in found.setdefault(keys[place], {}), "a point twice"
        found[keys[place]][moment] = value
    return found


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Store,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _few_days(settings: Any) -> None:
    settings.TELEMETRY_RETENTION_DAYS = CLOCK_DAYS


def test_any_course_of_events_gives_what_a_dictionary_gives() -> None:
    run(examples=25, steps=35)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_any_long_course_of_events_gives_what_a_dictionary_gives() -> None:
    run(examples=400, steps=60)
