"""Pages of lists: in every order they give each row once, and the Link leads to the next."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db.models import QuerySet
from django.http import QueryDict
from django.test import RequestFactory, override_settings

from meters.metric_api.errors import ApiError
from meters.metric_api.paging import DIRECTIONS, Paging
from meters.models import Resource

FIELDS = {"id": "uuid", "type": "type", "ended_at": "ended_at"}
START = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def resources(db: None) -> list[Resource]:
    """Seven, in two types, some without an end, some with the same one."""
    days = [None, 3, 1, None, 3, 2, None]
    return Resource.objects.bulk_create(
        Resource(
            uuid=uuid.UUID(int=(number * 5) % 7 + 1),
            original_id=str(number),
            type="ab"[number % 2],
            revision_start=START,
            started_at=START,
            ended_at=day and START.replace(day=day),
        )
        for number, day in enumerate(days)
    )


def read(query: str, default: tuple[str, ...] = ("id:asc",)) -> Paging:
    return Paging.read(QueryDict(query), FIELDS, default)


def marked(marker: str) -> QuerySet[Resource] | None:
    try:
        return Resource.objects.filter(uuid=uuid.UUID(marker))
    except ValueError:
        return None


def walk(query: str) -> list[Resource]:
    """All pages of two, by the marker of the last row."""
    found: list[Resource] = []
    while True:
        marker = f"&marker={found[-1].uuid}" if found else ""
        page = read(f"{query}&limit=2{marker}").page(Resource.objects.all(), marked)
        found += page
        if len(page) < 2:
            return found


def expected(resources: list[Resource], keys: list[tuple[str, str]]) -> list[Resource]:
    rows = sorted(resources, key=lambda row: row.uuid)
    for field, direction in reversed(keys):
        descending, nulls_first = DIRECTIONS[direction]
        none = [row for row in rows if getattr(row, field) is None]
        rest = [row for row in rows if getattr(row, field) is not None]
        rest.sort(key=lambda row: getattr(row, field), reverse=descending)
        rows = none + rest if nulls_first else rest + none
    return rows


@pytest.mark.parametrize("ends", DIRECTIONS)
@pytest.mark.parametrize("types", DIRECTIONS)
def test_every_order_gives_each_row_once(resources: list[Resource], ends: str, types: str) -> None:
    by_end = [("ended_at", ends), ("type", types)]
    assert walk(f"sort=ended_at:{ends}&sort=type:{types}") == expected(resources, by_end)
    by_type = by_end[::-1]
    assert walk(f"sort=type:{types}&sort=ended_at:{ends}") == expected(resources, by_type)


def test_without_an_order_it_is_the_default_and_ids_decide(resources: list[Resource]) -> None:
    assert walk("") == expected(resources, [])
    assert walk("sort=type") == expected(resources, [("type", "asc")])
    rows = read("limit=9", ("type:desc",)).page(Resource.objects.all(), marked)
    assert rows == expected(resources, [("type", "desc")])


def test_a_key_that_is_named_twice_counts_once(resources: list[Resource]) -> None:
    assert walk("sort=type:desc&sort=type:asc&sort=id") == expected(resources, [("type", "desc")])


@override_settings(TELEMETRY_METRIC_API_MAX_LIMIT=4)
def test_the_server_limits_pages(resources: list[Resource]) -> None:
    for query, length in (("", 4), ("limit=100", 4), ("limit=3", 3)):
        assert len(read(query).page(Resource.objects.all(), marked)) == length


@pytest.mark.parametrize(
    ("query", "description"),
    [
        (
            "limit=zz",
            {
                "cause": "Argument value error",
                "reason": "expected int for dictionary value @ data['limit']",
            },
        ),
        (
            "limit=-2",
            {
                "cause": "Argument value error",
                "reason": "value must be at least 1 for dictionary value @ data['limit']",
            },
        ),
        ("sort=zz:asc", "Invalid pagination: `Sort key supplied is invalid: zz'"),
        (
            "sort=id:up",
            "Invalid pagination: `Unknown sort direction, must be one of: asc-nullsfirst, "
            "asc-nullslast, desc-nullsfirst, desc-nullslast'",
        ),
        ("marker=zz", "Invalid pagination: `Invalid marker: `zz''"),
        (
            "marker=d44b3f4c-27bc-4ace-b81c-2a8e60026874",
            "Invalid pagination: `Invalid marker: `d44b3f4c-27bc-4ace-b81c-2a8e60026874''",
        ),
    ],
)
def test_what_can_be_no_page_is_refused(query: str, description: Any) -> None:
    with pytest.raises(ApiError) as error:
        read(query).page(Resource.objects.all(), marked)
    assert (error.value.status, error.value.description) == (400, description)


def link(query: str, marker: str = "m") -> str:
    request = RequestFactory().get(f"/metric//v1/metric/é?{query}")
    return Paging.read(request.GET, FIELDS, ["id:asc"]).link(request, marker)


def test_the_link_has_the_requests_parameters_and_its_own_sorted_by_name() -> None:
    assert link("b=2&a=1&sort=type:desc&limit=2&marker=old", "x@1") == (
        "<http://testserver/metric//v1/metric/%C3%A9?"
        'a=1&b=2&limit=2&marker=x%401&sort=type%3Adesc>; rel="next"'
    )


@override_settings(TELEMETRY_METRIC_API_MAX_LIMIT=7)
def test_the_link_has_what_was_not_asked_for_too() -> None:
    assert link("").endswith('?limit=7&marker=m&sort=id%3Aasc>; rel="next"')


def test_the_link_keeps_what_is_repeated_in_its_order() -> None:
    query = "sort=type&sort=ended_at:desc-nullslast&attrs=y&attrs=x"
    address = link(query).partition(">")[0][1:]
    assert parse_qsl(urlsplit(address).query) == [
        ("attrs", "y"), ("attrs", "x"), ("limit", "1000"), ("marker", "m"), ("sort", "type:asc"),
        ("sort", "ended_at:desc-nullslast"),
    ]  # fmt: skip
