"""Changing a resource type changes its resources and what they were before."""

from __future__ import annotations

from typing import Any

import pytest

from meters.metric_api import resource_types
from meters.metric_api.errors import ApiError
from meters.models import Resource, ResourceRevision, ResourceType
from meters.resource_types import definitions
from tests.integration.search_oracle import at

pytestmark = pytest.mark.django_db
IMAGE = "07eb339e-23c0-4be2-be43-cd8247afae3b"


def make(name: str, type: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """A resource with an old and a current revision."""
    resource = Resource.objects.create(
        original_id=name, type=type, metadata=after, revision_start=at(1), started_at=at(0)
    )
    for hour, metadata in ((0, before), (1, after)):
        ResourceRevision.objects.create(
            resource=resource, valid_from=at(hour), type=type, metadata=metadata, digest=b""
        )


@pytest.fixture(autouse=True)
def _stored(db: None) -> None:
    attributes = {
        "name": {"type": "string", "max_length": 5},
        "vcpus": {"type": "number", "required": False},
    }
    resource_types.create("machine", definitions(attributes))
    make("vm1", "machine", {"name": "a"}, {"name": "b", "vcpus": 2, "on": "agent's"})
    make("vm2", "machine", {}, {"name": "c", "vcpus": None})
    make("other", "volume", {"name": "a"}, {"name": "a", "vcpus": 2})


def add(name: str, **definition: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/attributes/{name}", "value": definition}


def remove(name: str) -> dict[str, Any]:
    return {"op": "remove", "path": f"/attributes/{name}"}


def stored(name: str) -> list[dict[str, Any]]:
    """Metadata of the old revision, the current one, and the resource."""
    revisions = ResourceRevision.objects.filter(resource__original_id=name).order_by("valid_from")
    resource = Resource.objects.get(original_id=name)
    return [*revisions.values_list("metadata", flat=True), resource.metadata]


def attributes() -> dict[str, Any]:
    found: dict[str, Any] = ResourceType.objects.get(name="machine").attributes
    return found


OTHERS = [{"name": "a"}, {"name": "a", "vcpus": 2}, {"name": "a", "vcpus": 2}]


def test_a_new_attribute_without_a_fill_changes_no_resource() -> None:
    before = stored("vm1")
    changed = resource_types.change("machine", [add("image", type="uuid", required=False)])
    assert changed.attributes == attributes()
    assert attributes()["image"] == {"type": "uuid", "required": False}
    assert stored("vm1") == before


def test_a_new_attribute_fills_resources_and_their_history() -> None:
    patch = [
        add("image", type="uuid", options={"fill": IMAGE.upper()}),
        add("launched", type="datetime", required=False, options={"fill": "2017-10-10"}),
        add("on", type="bool", options={"fill": False}),
    ]
    resource_types.change("machine", patch)
    filled = {"image": IMAGE, "launched": "2017-10-10T00:00:00+00:00", "on": False}
    assert stored("vm1")[0] == {"name": "a", **filled}
    # What an agent says under the name is no value of the attribute.
    assert stored("vm1")[2] == {"name": "b", "vcpus": 2, **filled}
    assert stored("vm2") == [filled, *[{"name": "c", "vcpus": None, **filled}] * 2]
    assert stored("other") == OTHERS
    assert not any("options" in definition for definition in attributes().values())


def test_an_attribute_goes_from_resources_and_their_history() -> None:
    resource_types.change("machine", [remove("name")])
    assert stored("vm1") == [{}, *[{"vcpus": 2, "on": "agent's"}] * 2]
    assert stored("other") == OTHERS
    assert "name" not in attributes()


def test_an_attribute_that_becomes_required_fills_what_has_none() -> None:
    resource_types.change("machine", [add("vcpus", type="number", options={"fill": 1})])
    assert stored("vm1")[0] == {"name": "a", "vcpus": 1}
    assert stored("vm1")[2]["vcpus"] == 2
    assert stored("vm2")[2] == {"name": "c", "vcpus": 1}
    assert attributes()["vcpus"]["required"] is True


def test_an_attribute_may_get_other_options() -> None:
    before = stored("vm2")
    resource_types.change(
        "machine", [add("name", type="string", required=False, min_length=1, max_length=9)]
    )
    assert attributes()["name"] == {
        "type": "string", "required": False, "min_length": 1, "max_length": 9,
    }  # fmt: skip
    assert stored("vm2") == before


@pytest.mark.parametrize(
    "patch",
    [
        [],
        [add("what", type="bool"), remove("what")],
        [remove("vcpus"), add("vcpus", type="number", required=False)],
        [add("name", type="string", max_length=5)],
    ],
    ids=["nothing", "added and removed", "removed and added", "the same again"],
)
def test_what_counts_is_the_result_of_all_operations(patch: Any) -> None:
    before = attributes(), stored("vm1")
    resource_types.change("machine", patch)
    assert (attributes(), stored("vm1")) == before


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ([add("name", type="number", required=False)],
         "Type update is not available yet. Changing string to number for attribute name "
         "of resource machine"),
        ([remove("name"), add("name", type="uuid", options={"fill": IMAGE})],
         "Type update is not available yet. Changing string to uuid for attribute name "
         "of resource machine"),
        ([add("missing", type="bool", options={})],
         "Invalid input: Option 'fill' of resource attribute missing is invalid: "
         "must not be empty if required=True"),
        ([add("vcpus", type="number")],
         "Invalid input: Option 'fill' of resource attribute vcpus is invalid: "
         "must not be empty if required=True"),
        ([add("on", type="bool", options={"fill": None})],
         "Invalid input: Option 'fill' of resource attribute on is invalid: "
         "must not be empty if required=True"),
        ([add("incorrect", type="number", options={"fill": "a-string"})],
         "Invalid input: Option 'fill' of resource attribute incorrect is invalid: expected Real"),
        ([add("a", type="string", max_length=2, options={"fill": "abc"})],
         "Invalid input: Option 'fill' of resource attribute a is invalid: "
         "length of value must be at most 2"),
        ([remove("what")], "can't remove a non-existent object 'what'"),
        ([remove("name"), remove("name")], "can't remove a non-existent object 'name'"),
        ([{"op": "add", "path": "/attributes/a"}],
         "The operation does not contain a 'value' member"),
        ([add("a", type="zz")],
         "Invalid input: not a valid value for dictionary value @ data['attributes']['a']['type']"),
        ([add("id", type="bool")], "Invalid input: Resource attribute name id is invalid"),
        ([add("a~1b", type="bool"), add("a~2", type="bool")], "Found invalid escape ~2"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_changes_nothing(patch: Any, said: str) -> None:
    before = attributes(), stored("vm1")
    with pytest.raises(ApiError) as caught:
        resource_types.change("machine", patch)
    assert (caught.value.status, caught.value.description) == (400, said)
    assert (attributes(), stored("vm1")) == before


def test_the_generic_type_never_has_attributes() -> None:
    with pytest.raises(ApiError) as caught:
        resource_types.change("generic", [add("a", type="bool", required=False)])
    assert caught.value.description == "Invalid input: Resource type generic has no attributes"
    assert resource_types.change("generic", []).attributes == {}


def test_a_type_of_no_resource_can_be_deleted() -> None:
    Resource.objects.filter(type="machine").delete()
    resource_types.delete("machine")
    assert not ResourceType.objects.filter(name="machine").exists()


@pytest.mark.parametrize("name", ["machine", "generic"])
def test_a_type_in_use_is_not_deleted(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        resource_types.delete(name)
    said = f"Resource type {name} is still in use"
    assert (caught.value.status, caught.value.description) == (400, said)


def test_what_is_not_there_is_neither_changed_nor_deleted() -> None:
    for refuse in (resource_types.delete, lambda name: resource_types.change(name, [])):
        with pytest.raises(ApiError) as caught:
            refuse("nosuch")
        said = "Resource type nosuch does not exist"
        assert (caught.value.status, caught.value.description) == (404, said)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ApiError) as caught:
        resource_types.create("machine", {})
    said = "Resource type machine already exists"
    assert (caught.value.status, caught.value.description) == (409, said)
