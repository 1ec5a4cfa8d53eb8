"""A prepared question gives what the queryset gives that it was made of."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import Model

from meters.default_policies import make_default_policies
from meters.models import STANDALONE, ArchivePolicy, Metric, Resource
from telemetry_site.clock import now
from telemetry_site.prepared import Prepared

pytestmark = pytest.mark.django_db


@pytest.fixture
def metrics() -> list[Metric]:
    make_default_policies()
    policy = ArchivePolicy.objects.get(name="low")
    found = []
    for name, ended in (("a", now()), ("b", None)):
        resource = Resource.objects.create(
            original_id=name, metadata={"rack": [1, "ö'\\"]}, revision_start=now(),
            started_at=now(), ended_at=ended, revision_digest=b"\x00\xff",
        )  # fmt: skip
        found += [
            Metric.objects.create(resource=resource, name=one, archive_policy=policy)
            for one in ("cpu", "it's %s")
        ]
    return found


def columns(row: Model | None) -> dict[str, Any]:
    assert row is not None
    return {one.attname: getattr(row, one.attname) for one in row._meta.concrete_fields}


def test_instances_with_their_related_rows(
    metrics: list[Metric], django_assert_num_queries: Any
) -> None:
    def rows(identity: uuid.UUID) -> Any:
        joined = Metric.objects.select_related("resource", "archive_policy")
        return joined.filter(uuid=identity, archive_policy__isnull=False)

    prepared: Prepared[Metric] = Prepared(rows, uuid.UUID)
    for metric in metrics:
        wanted = rows(metric.uuid).get()
        with django_assert_num_queries(1):
            found = prepared.first(metric.uuid)
            assert found is not None
            related = (found.resource, found.archive_policy)
        assert columns(found) == columns(wanted)
        assert [columns(one) for one in related] == [
            columns(wanted.resource), columns(wanted.archive_policy)
        ]  # fmt: skip
    assert prepared.first(uuid.uuid4()) is None


def test_a_related_row_that_is_not_there(metrics: list[Metric]) -> None:
    prepared: Prepared[Metric] = Prepared(
        lambda pk: Metric.objects.select_related("archive_policy").filter(pk=pk), int
    )
    Metric.objects.filter(pk=metrics[0].pk).update(archive_policy=None)
    found = prepared.first(metrics[0].pk)
    assert found is not None
    assert found.archive_policy is None


def test_tuples_by_several_values(metrics: list[Metric]) -> None:
    def rows(owners: list[Any], name: str) -> Any:
        wanted = Metric.objects.exclude(resource__type=STANDALONE).filter(
            resource__uuid__any=owners, name=name
        )
        return wanted.order_by("pk").values_list("uuid", "resource__ended_at", "resource__metadata")

    prepared: Prepared[Any] = Prepared(rows, list, str)
    owners = [metric.resource.uuid for metric in metrics]
    for asked in ((owners, "cpu"), (owners[:1], "it's %s"), ([], "cpu")):
        assert prepared.rows(*asked) == list(rows(*asked))


def test_a_value_that_stands_there_twice_is_refused(metrics: list[Metric]) -> None:
    prepared: Prepared[Metric] = Prepared(
        lambda name: Metric.objects.filter(name=name, unit=name), str
    )
    with pytest.raises(ValueError, match="once"):
        prepared.rows("cpu")
