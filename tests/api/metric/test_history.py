"""Revisions of resources over HTTP: which there are, when each held, and what of them is found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.metric.people import MetricClient

pytestmark = pytest.mark.django_db
#: From the first revision on, as each change is told.
FLAVORS = ["small", "large", "huge"]


@pytest.fixture
def machine(admin: MetricClient) -> str:
    """A resource with three revisions; the address of its type."""
    flavor = {"flavor": {"type": "string", "required": False}}
    admin.make("/resource_type", {"name": "machine", "attributes": flavor})
    admin.make("/resource/machine", {"id": "vm", "flavor": FLAVORS[0], "project_id": "p"})
    for one in FLAVORS[1:]:
        assert admin.ask("PATCH", "/resource/machine/vm", {"flavor": one}).status_code == 200
    return "/resource/machine"


def search(client: MetricClient, body: Any, query: str = "history=true") -> list[dict[str, Any]]:
    answer = client.ask("POST", f"/search/resource/machine?{query}", body)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()
    return found


def test_each_revision_ends_where_the_next_begins(admin: MetricClient, machine: str) -> None:
    told = admin.fetch(f"{machine}/vm/history")
    assert [one["flavor"] for one in told] == FLAVORS
    starts = [one["revision_start"] for one in told]
    assert [one["revision_end"] for one in told] == [*starts[1:], None]
    assert starts == sorted(set(starts))
    assert len({one["id"] for one in told}) == 1


def test_a_search_finds_revisions_as_they_were(admin: MetricClient, machine: str) -> None:
    whole = admin.fetch(f"{machine}/vm/history")
    for place, flavor in enumerate(FLAVORS):
        assert search(admin, {"=": {"flavor": flavor}}) == [whole[place]]
    assert search(admin, {"in": {"flavor": ["small", "huge"]}}) == [whole[0], whole[2]]
    assert search(admin, {"=": {"flavor": "small"}}, "history=false") == []


@pytest.mark.parametrize("sort", ["revision_start:asc", "revision_start:desc", "flavor:asc"])
def test_pages_are_the_whole(admin: MetricClient, machine: str, sort: str) -> None:
    whole = admin.fetch(f"{machine}/vm/history?sort={sort}")
    pages, path = [], f"{machine}/vm/history?limit=1&sort={sort}"
    for _ in FLAVORS:
        answer = admin.ask("GET", path)
        pages += answer.json()
        path = answer["Link"].partition(">")[0].partition("/v1")[2]
    assert pages == whole
    assert admin.fetch(path) == []


def test_the_last_page_of_a_search_ends_it(admin: MetricClient, machine: str) -> None:
    found = search(admin, {"!=": {"flavor": "large"}}, "history=true&limit=1")
    assert [one["flavor"] for one in found] == ["small"]
    marker = f"{found[0]['id']}@1"
    rest = search(admin, {"!=": {"flavor": "large"}}, f"history=true&limit=5&marker={marker}")
    assert [one["flavor"] for one in rest] == ["huge"]
