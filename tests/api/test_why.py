"""Why there is no data, by the native door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.people import CANARY, Client
from tests.api.world import World

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
WHY = "/api/why"


def codes(found: dict[str, Any]) -> list[str]:
    return [one["code"] for one in found["findings"]]


def test_the_answer_is_the_first_verdict(reader: Client, world: World) -> None:
    found = reader.fetch(WHY, resource="vm-1", meter="cpu")
    assert found["has_data"]
    assert found["answer"] == found["findings"][0]["verdict"]
    assert found["findings"][0]["weight"] == "fine"
    assert (found["resource"], found["meter"]) == ("vm-1", "cpu")


def test_only_administrators_are_told_of_sources(
    reader: Client, admin: Client, as_: ClientOf, world: World
) -> None:
    asked = {"resource": "vm-2", "meter": "disk.size"}
    assert "nothing_lost" in codes(admin.fetch(WHY, **asked))
    for client in (reader, as_("admin", "read")):
        answer = client.get(WHY, asked)
        assert "nothing_lost" not in codes(answer.json())
        assert world.source.name not in answer.content.decode()


def test_a_stranger_finds_the_own_namesake_only(
    stranger: Client, reader: Client, world: World
) -> None:
    found = reader.get(WHY, {"resource": "vm-1", "meter": f"{CANARY}-meter"}).json()
    assert found["findings"][0]["code"] == "unknown_meter"
    assert found["findings"][0]["evidence"] == []
    own = stranger.fetch(WHY, resource="vm-1", meter="cpu")
    (discovered,) = [one for one in own["findings"] if one["code"] == "discovered"]
    assert discovered["resource_uuid"] == str(world.foreign_vm.uuid)
    theirs = stranger.fetch(WHY, resource=str(world.vm.uuid), meter="cpu")
    assert codes(theirs)[0] == "unknown_resource"


@pytest.mark.parametrize(
    ("query", "field"),
    [({"meter": "cpu"}, "resource"), ({"resource": "vm-1"}, "meter"),
     ({"resource": "vm-1", "meter": "x" * 256}, "meter"),
     ({"resource": "vm-1", "meter": "cpu", "when": "now"}, "when"),
     ({"resource": "\x00", "meter": "cpu"}, "resource")],
)  # fmt: skip
def test_a_bad_question_is_named(reader: Client, query: dict[str, str], field: str) -> None:
    assert reader.refused(WHY, **query)["errors"][0]["field"] == field
