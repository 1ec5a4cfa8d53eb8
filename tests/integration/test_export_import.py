"""Samples go out into a file and come in again as they were, also when both are killed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meters import exporting, wire
from meters.models import Metric, Quarantine, ResourceRevision
from meters.store import head, write
from meters.store.compaction import compact, merge
from meters.store.read import read_points
from meters.store.write import store_batches
from telemetry_site.clock import to_us
from tests.support.head import empty_head
from tests.support.storing import DAY
from tests.unit import wire_strategies as some

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

#: Of each series: (time, the value's bytes, who owned it and how it was described then).
Contents = dict[tuple[str, str, str], tuple[str, str, list[tuple[int, bytes, Any]]]]


def contents() -> Contents:
    found: Contents = {}
    for metric in Metric.objects.select_related("resource"):
        points = read_points([metric.pk])
        revisions = list(metric.resource.revisions.order_by("valid_from"))
        since = np.array([to_us(one.valid_from) for one in revisions])
        place = np.maximum(np.searchsorted(since, points.timestamps, side="right") - 1, 0)
        rows = [
            (at, np.float64(value).tobytes(), _description(revisions[number]))
            for at, value, number in zip(
                points.timestamps.tolist(), points.values.tolist(), place.tolist(), strict=True
            )
        ]
        key = (metric.resource.original_id, metric.resource.creator, metric.name)
        if rows:
            found[key] = metric.unit, metric.type, rows
    return found


def _description(one: ResourceRevision) -> Any:
    return one.project_id, one.user_id, one.type, one.source, one.metadata


def empty_store() -> None:
    empty_head()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE meters_chunk, meters_resource, meters_sampleimport CASCADE")
    write._cache.clear()


def command(*arguments: str) -> str:
    """What a command tells on the standard error."""
    told = io.StringIO()
    call_command(*arguments, stderr=told)
    return told.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples"


# --- round trip ----------------------------------------------------------------------------------

NAMES = st.sampled_from(["vm-1", "vm-2"])
TIMES = st.sampled_from([0, 1, 7 * DAY, 7 * DAY + 1, 7 * DAY + 2, 8 * DAY - 1, 8 * DAY, 9000 * DAY])
DESCRIPTIONS = st.sampled_from([{"n": 1}, {"n": 2}, {"n": 1e300}, {"a": {"b": [None, True, "ü"]}}])


@st.composite
def batches(draw: st.DrawFn) -> tuple[wire.Batch, str]:
    """Few resources, meters and times, so that they meet again; and the batch's creator."""
    described = st.builds(
        wire.Resource, id=NAMES, project_id=st.sampled_from(["p1", "p2", None]),
        metadata=DESCRIPTIONS | some.DOCUMENTS, source=some.TEXT,
    )  # fmt: skip
    resources = draw(st.lists(described, min_size=1, max_size=2, unique_by=lambda one: one.id))
    one_series = st.builds(
        wire.Series, resource=st.integers(0, len(resources) - 1),
        meter=st.sampled_from(["cpu", "memory", "disk"]), unit=st.sampled_from(["B", ""]),
        type=st.sampled_from(wire.SAMPLE_TYPES),
    )  # fmt: skip
    some_series = draw(st.lists(one_series, min_size=1, max_size=4))
    row = st.tuples(st.integers(0, len(some_series) - 1), TIMES, some.NUMBERS)
    columns = zip(*draw(st.lists(row, min_size=1, max_size=8)), strict=True)
    samples = wire.pack_samples(wire.Catalogue(resources, some_series), *columns)
    batch = wire.Batch(1, wire.new_batch_id(), "test", 0, samples=samples)
    return batch, draw(st.sampled_from(["", "user:project"]))


def _pack_and_merge() -> None:
    head.rotate(at_once=True)
    compact()
    merge()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(batches(), max_size=8), st.integers(0, 8), st.integers(1, 3), st.integers(1, 20))
def test_what_goes_out_comes_in_as_it_was(
    tmp_path: Path, sent: list[tuple[wire.Batch, str]], packed: int, resources: int, points: int
) -> None:
    empty_store()
    for number, (batch, creator) in enumerate(sent):
        if number == packed:
            _pack_and_merge()
        store_batches([batch], creator, wire.STORED)
    before = contents()
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "RESOURCES_AT_ONCE", resources)
        patch.setattr(exporting, "POINTS_AT_ONCE", points)
        command("export_samples", str(file))
    empty_store()
    command("import_samples", str(file))
    assert contents() == before
    command("import_samples", str(file))
    _pack_and_merge()
    assert contents() == before
    assert not Quarantine.objects.exists()
