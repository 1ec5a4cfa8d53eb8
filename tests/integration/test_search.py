"""The JSON search on PostgreSQL: which resources it finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meters.models import Resource
from meters.search import parse_search
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.support.batches import batch_of, resource

pytestmark = pytest.mark.usefixtures("fresh_store")


@pytest.fixture(autouse=True)
def _stored(fresh_store: None) -> None:
    """Three machines and a volume; `none` has no metadata at all."""
    described: dict[str, tuple[str, dict[str, Any]]] = {
        "web-1": ("instance", {"display_name": "web-1", "vcpus": 2, "on": True, "a.b": "flat"}),
        "web-2": ("instance", {"display_name": "web_2", "vcpus": 10, "on": False}),
        "none": ("instance", {}),
        "disk": ("volume", {"display_name": "disk", "vcpus": "2", "a": {"b": "deep"}}),
    }
    rows = [
        (resource(name, type=kind, metadata=metadata, project_id=f"p-{kind}"), "cpu", 1.0, now_us())
        for name, (kind, metadata) in described.items()
    ]
    store_batch(batch_of(*rows))


def found(search: Any) -> set[str]:
    rows = Resource.objects.filter(parse_search(json.dumps(search)))
    return set(rows.values_list("original_id", flat=True))


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ({}, "web-1 web-2 none disk"),
        ({"=": {"type": "volume"}}, "disk"),
        ({"=": {"project_id": "p-instance"}}, "web-1 web-2 none"),
        ({"=": {"original_resource_id": "none"}}, "none"),
        ({"=": {"display_name": "web-1"}}, "web-1"),
        ({"in": {"display_name": ["web-1", "disk", "nosuch"]}}, "web-1 disk"),
        ({"like": {"display_name": "web%"}}, "web-1 web-2"),
        ({"like": {"display_name": "web_2"}}, "web-2"),
        ({"like": {"display_name": "web__"}}, "web-1 web-2"),
        ({"like": {"type": "vol%"}}, "disk"),
        ({"and": [{"=": {"type": "instance"}}, {"=": {"vcpus": 2}}]}, "web-1"),
        ({"or": [{"=": {"type": "volume"}}, {"=": {"vcpus": 10}}]}, "web-2 disk"),
        # A text of metadata and a number that reads alike are equal, as in the original …
        ({"=": {"vcpus": 2}}, "web-1 disk"),
        ({"=": {"vcpus": "2"}}, "web-1 disk"),
        ({"=": {"on": True}}, "web-1"),
        ({"=": {"on": "true"}}, "web-1"),
        # … but neither above nor below each other; numbers are compared as numbers.
        ({">": {"vcpus": 2}}, "web-2"),
        ({">=": {"vcpus": 2}}, "web-1 web-2"),
        ({"<": {"vcpus": "3"}}, "disk"),
        # != finds those without the attribute too, and not does not.
        ({"!=": {"display_name": "disk"}}, "web-1 web-2 none"),
        ({"not": {"=": {"display_name": "disk"}}}, "web-1 web-2"),
        ({"=": {"display_name": None}}, "none"),
        ({"!=": {"display_name": None}}, "web-1 web-2 disk"),
        ({"=": {"nosuch": "x"}}, ""),
        # Dots go deeper, or belong to the key.
        ({"=": {"a.b": "flat"}}, "web-1"),
        ({"=": {"a.b": "deep"}}, "disk"),
        ({">": {"started_at": "1970-01-01T00:00:00"}}, "web-1 web-2 none disk"),
        ({"<": {"started_at": "1970-01-01T00:00:00Z"}}, ""),
        ({"=": {"ended_at": None}}, "web-1 web-2 none disk"),
        ({"=": {"'; DROP TABLE meters_resource; --": "' OR 1=1 --"}}, ""),
        ({"like": {"display_name": "' OR 1=1 --%"}}, ""),
        ({">": {"vcpus": 10**400}}, ""),
        ({"<": {"vcpus": -1e308}}, ""),
    ],
    ids=json.dumps,
)
def test_it_finds(search: Any, names: str) -> None:
    assert found(search) == set(names.split())


def test_by_uuid() -> None:
    one = Resource.objects.get(original_id="disk")
    assert found({"=": {"id": str(one.uuid)}}) == {"disk"}
    assert found({"!=": {"id": str(one.uuid)}}) == {"web-1", "web-2", "none"}
