"""The metric API's search on PostgreSQL: which resources it finds, also in their history."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from hypothesis import HealthCheck, given, settings

from meters.metric_api.errors import ApiError
from meters.metric_api.search import condition, condition_of_revisions, read_search
from meters.models import Resource, ResourceRevision, ResourceType
from telemetry_site.auth.caller import Caller
from tests.integration.search_oracle import (
    ATTRIBUTES,
    CREATOR,
    IMAGES,
    KIND,
    ROWS,
    Row,
    at,
    searches,
    text_of,
    verdict,
)

pytestmark = pytest.mark.django_db
CALLER = Caller("ceil", "svc", frozenset(), CREATOR, True, False, True)
often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
#: Each resource was once another's, without metadata and not yet ended, and is so no more.
UNTIL = at(7.5)
REVISIONS = [
    *({**one, "project_id": "p9", "ended_at": None, "metadata": {}, "revision_end": UNTIL}
      for one in ROWS),
    *({**one, "revision_start": UNTIL, "revision_end": None} for one in ROWS),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _stored(db: None) -> None:
    made = Resource.objects.bulk_create(
        Resource(
            uuid=one["id"], original_id=one["original_resource_id"], metadata=one["metadata"],
            **{name: one[name] for name in ("type", "creator", "project_id", "started_at",
                                            "ended_at", "revision_start")},
        )
        for one in ROWS
    )  # fmt: skip
    by_uuid = {resource.uuid: resource for resource in made}
    ResourceRevision.objects.bulk_create(
        ResourceRevision(
            resource=by_uuid[one["id"]], valid_from=one["revision_start"], digest=b"",
            started_at=None if place % 2 else one["started_at"],
            **{name: one[name] for name in ("type", "project_id", "metadata", "ended_at")},
        )
        for place, one in enumerate(REVISIONS)
    )  # fmt: skip


@pytest.fixture
def kind(db: None) -> ResourceType:
    return ResourceType(name=KIND, attributes=ATTRIBUTES)


def found_by(wanted: Q) -> set[str]:
    return set(Resource.objects.filter(wanted).values_list("original_id", flat=True))


def names(rows: list[Row], search: dict[str, Any]) -> set[str]:
    return {one["original_resource_id"] for one in rows if verdict(search, one)}


@often
@given(search=searches())
def test_it_finds_what_plain_python_finds(kind: ResourceType, search: Any) -> None:
    assert found_by(condition(search, kind, CALLER)) == names(ROWS, search)


@often
@given(search=searches(as_text=True))
def test_the_notation_as_text_finds_the_same(kind: ResourceType, search: Any) -> None:
    read = read_search(text_of(search))
    assert found_by(condition(read, kind, CALLER)) == names(ROWS, search)


@often
@given(search=searches(of_revisions=True))
def test_it_finds_revisions_by_what_they_were(kind: ResourceType, search: Any) -> None:
    rows = ResourceRevision.objects.filter(condition_of_revisions(search, kind, CALLER))
    found = set(rows.values_list("resource__uuid", "valid_from"))
    wanted = [one for one in REVISIONS if verdict(search, one)]
    assert found == {(one["id"], one["revision_start"]) for one in wanted}
    assert len(rows) == len(wanted)


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ({"!=": {"name": "web-1"}}, "vm2 vm3 vm4 vm5 vm6 vm7 vm8 vm9 vm10 é☃"),
        ({"not": {"=": {"name": "web-1"}}}, "vm2 vm3 vm4 vm5 vm8 é☃"),
        ({"=": {"name": None}}, "vm6 vm7 vm9 vm10"),
        ({"=": {"vcpus": 2}}, "vm1 2fbfbb20-8d56-5e1e-afb9-b3007da11fdf"),
        ({"=": {"image": IMAGES[1].upper()}}, "vm3"),
        ({"like": {"name": "web%"}}, "vm1 vm2 2fbfbb20-8d56-5e1e-afb9-b3007da11fdf"),
        ({">=": {"lifespan": "1 hour"}}, "vm2 vm3 vm6 vm10 é☃"),
        ({"=": {"id": "vm7"}}, "vm7"),
        ({"in": {"project_id": ["p3", None]}}, "vm5 vm6 vm7 vm8"),
        ({"=": {"created_by_project_id": "svc"}}, "vm1 vm2 vm3 vm4 vm7 vm8 vm9 vm10 é☃ "
                                                  "2fbfbb20-8d56-5e1e-afb9-b3007da11fdf"),
        ({"=": {"created_by_user_id": "basic"}}, "vm5 vm6"),
        ({"=": {"name": "' OR 1=1 --"}}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_which_it_finds(kind: ResourceType, search: Any, wanted: str) -> None:
    assert found_by(condition(search, kind, CALLER)) == set(wanted.split())


def test_equal_attributes_are_found_by_an_index_on_the_metadata(kind: ResourceType) -> None:
    search = {"and": [{"in": {"name": ["web-1", "web_2"]}}, {"not": {"!=": {"vcpus": 2}}}]}
    rows = Resource.objects.filter(condition(search, kind, CALLER))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE INDEX tried ON meters_resource USING gin (metadata jsonb_path_ops);"
            "SET LOCAL enable_seqscan = off"
        )
    assert "tried" in rows.explain()


@pytest.mark.parametrize(
    ("search", "description"),
    [
        ({"=": {"nosuch": 1}}, "Resource type machine has no nosuch attribute"),
        ({"=": {"metrics": 1}}, "Resource type machine has no metrics attribute"),
        ({"=": {"revision": 1}}, "Resource type machine has no revision attribute"),
        ({"=": {"revision_end": None}}, "Resource type machine has no revision_end attribute"),
        ({"=": {"started_at": "zz"}}, "Invalid value: `zz' for field `started_at'"),
        ({"=": {"started_at": True}}, "Invalid value: `True' for field `started_at'"),
        ({"like": {"started_at": "2026%"}}, "Invalid value: `2026%' for field `started_at'"),
        ({"<": {"vcpus": "many"}}, "Invalid value: `many' for field `vcpus'"),
        ({"<": {"vcpus": float("inf")}}, "Invalid value: `inf' for field `vcpus'"),
        ({"like": {"vcpus": 5}}, "Invalid value: `5' for field `vcpus'"),
        ({"=": {"on": "yes"}}, "Invalid value: `yes' for field `on'"),
        ({"=": {"image": "vm1"}}, "Invalid value: `vm1' for field `image'"),
        ({"like": {"image": "07%"}}, "Invalid value: `07%' for field `image'"),
        ({"=": {"launched": "zz"}}, "Invalid value: `zz' for field `launched'"),
        ({"=": {"lifespan": "a month"}}, "Invalid value: `a month' for field `lifespan'"),
        ({"=": {"name": "a\0"}}, "Invalid value: `a\0' for field `name'"),
        ({"like": {"name": "a\\"}}, "Invalid value: `a\\' for field `name'"),
        ({"<": {"created_by_user_id": "a"}}, "Invalid value: `a' for field `created_by_user_id'"),
        ({"in": {"vcpus": [1, "x"]}}, "Invalid value: `[1, 'x']' for field `vcpus'"),
    ],
    ids=str,
)
def test_what_an_attribute_is_not_compared_with(
    kind: ResourceType, search: Any, description: str
) -> None:
    with pytest.raises(ApiError) as caught:
        condition(search, kind, CALLER)
    assert (caught.value.status, caught.value.description) == (400, description)
