"""Resource types over HTTP: each answer and each refusal."""

from __future__ import annotations

from typing import Any

import pytest

from meters.metric_api.base import MetricView
from meters.models import Resource, ResourceType
from telemetry_site.clock import now
from tests.api.metric.people import ROOT, MetricClient, error_of

PATCH = "application/json-patch+json"
GENERIC = {"name": "generic", "attributes": {}, "state": "active"}
MACHINE = {
    "name": "machine",
    "attributes": {
        "name": {"type": "string", "max_length": 5, "min_length": 2},
        "vcpus": {"type": "number", "required": False, "min": -2},
        "launched": {"type": "datetime", "required": False},
    },
}
MACHINE_TOLD = {
    "name": "machine",
    "attributes": {
        "name": {"type": "string", "required": True, "max_length": 5, "min_length": 2},
        "vcpus": {"type": "number", "required": False, "min": -2, "max": None},
        "launched": {"type": "datetime", "required": False},
    },
    "state": "active",
}


@pytest.fixture
def machine(admin: MetricClient) -> str:
    """The type's address."""
    admin.make("/resource_type", MACHINE)
    return "/resource_type/machine"


def add(name: str, **definition: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/attributes/{name}", "value": definition}


# --- made and read -----------------------------------------------------------------------------


def test_there_is_the_generic_one_at_first(jd: MetricClient) -> None:
    assert jd.fetch("/resource_type") == [GENERIC]
    assert jd.fetch("/resource_type/generic") == GENERIC
    told = error_of(jd.ask("GET", "/resource_type/nosuch"), 404)
    assert told == "Resource type nosuch does not exist"


def test_a_type_is_made_and_read(admin: MetricClient, jd: MetricClient) -> None:
    answer = admin.ask("POST", "/resource_type", MACHINE)
    assert answer.status_code == 201
    assert answer["Location"] == f"{ROOT}/resource_type/machine"
    assert answer.json() == MACHINE_TOLD
    assert jd.fetch("/resource_type/machine") == MACHINE_TOLD
    assert jd.fetch("/resource_type/") == [GENERIC, MACHINE_TOLD]


@pytest.mark.parametrize("name", ["✔éñ☃", "a b", "x?y=1&z#%", "Ünder_score"])
def test_a_name_may_be_nearly_anything(admin: MetricClient, name: str) -> None:
    answer = admin.ask("POST", "/resource_type", {"name": name})
    assert answer.json() == {"name": name, "attributes": {}, "state": "active"}
    assert admin.fetch(answer["Location"].removeprefix(ROOT))["name"] == name


@pytest.mark.parametrize("name", ["machine", "generic"])
def test_a_name_is_taken_once(admin: MetricClient, machine: str, name: str) -> None:
    told = error_of(admin.ask("POST", "/resource_type", {"name": name}), 409)
    assert told == f"Resource type {name} already exists"


@pytest.mark.parametrize("name", ["", "_standalone", "a/b", "a\0", "x" * 256])
def test_a_name_that_can_not_be_asked_for_is_refused(admin: MetricClient, name: str) -> None:
    told = error_of(admin.ask("POST", "/resource_type", {"name": name}), 400)
    assert told == f"Invalid input: Resource type name {name} is invalid"


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ([], "expected a dictionary", []),
        ({}, "required key not provided @ data['name']", ["name"]),
        ({"name": None}, "expected str for dictionary value @ data['name']", ["name"]),
        ({"name": "m", "state": "active"}, "extra keys not allowed @ data['state']", ["state"]),
        ({"name": "m", "attributes": None},
         "expected a dictionary for dictionary value @ data['attributes']", ["attributes"]),
        ({"name": "m", "attributes": {"a": {"type": "zz"}}},
         "not a valid value for dictionary value @ data['attributes']['a']['type']",
         ["attributes", "a", "type"]),
        ({"name": "m", "attributes": {"a": {"type": "bool", "noexist": 1}}},
         "extra keys not allowed @ data['attributes']['a']['noexist']",
         ["attributes", "a", "noexist"]),
    ],
)  # fmt: skip
def test_a_body_that_is_no_type_is_refused(
    admin: MetricClient, body: Any, reason: str, detail: list[str]
) -> None:
    told = error_of(admin.ask("POST", "/resource_type", body), 400)
    assert told == {"cause": "Invalid input", "reason": reason, "detail": detail}
    assert ResourceType.objects.count() == 1


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"id": {"type": "bool"}}, "Resource attribute name id is invalid"),
        ({"original_resource_id": {"type": "bool"}},
         "Resource attribute name original_resource_id is invalid"),
        ({"a": {"type": "number", "min": 3, "max": 1}},
         "Resource attribute value min (or min_length) 3 must be less  than or equal to "
         "max (or max_length) 1!"),
    ],
)  # fmt: skip
def test_an_attribute_that_can_not_be_is_refused(
    admin: MetricClient, attributes: Any, said: str
) -> None:
    body = {"name": "m", "attributes": attributes}
    told = error_of(admin.ask("POST", "/resource_type", body), 400)
    assert told == f"Invalid input: {said}"


# --- patched -----------------------------------------------------------------------------------


def test_a_patch_changes_the_type_and_its_resources(admin: MetricClient, machine: str) -> None:
    Resource.objects.create(
        original_id="vm", type="machine", metadata={"name": "web", "vcpus": 2},
        revision_start=now(), started_at=now(),
    )  # fmt: skip
    patch = [add("on", type="bool", options={"fill": True}),
             {"op": "remove", "path": "/attributes/vcpus"}]  # fmt: skip
    answer = admin.ask("PATCH", machine, patch, PATCH)
    assert answer.status_code == 200
    assert answer.json() == admin.fetch(machine)
    assert set(answer.json()["attributes"]) == {"name", "launched", "on"}
    assert answer.json()["attributes"]["on"] == {"type": "bool", "required": True}
    assert Resource.objects.get().metadata == {"name": "web", "on": True}


def test_an_empty_patch_changes_nothing(admin: MetricClient, machine: str) -> None:
    assert admin.ask("PATCH", machine, [], PATCH).json() == MACHINE_TOLD
    assert admin.ask("PATCH", f"{machine}/", [], f"{PATCH}; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    ("patch", "reason", "detail"),
    [
        ({}, "expected a list", []),
        ([5], "expected a dictionary @ data[0]", ["0"]),
        ([{"op": "replace", "path": "/attributes/a", "value": {}}],
         "not a valid value for dictionary value @ data[0]['op']", ["0", "op"]),
        ([{"op": "add", "path": "/name", "value": {}}],
         "not a valid value for dictionary value @ data[0]['path']", ["0", "path"]),
        ([{"op": "add", "path": "/attributes/a/required", "value": {}}],
         "not a valid value for dictionary value @ data[0]['path']", ["0", "path"]),
        ([{"op": "add", "path": "x/attributes/a", "value": {}}],
         "not a valid value for dictionary value @ data[0]['path']", ["0", "path"]),
        ([{"op": "add", "path": "/attributes/a", "value": 5}],
         "expected dict for dictionary value @ data[0]['value']", ["0", "value"]),
        ([{"op": "remove"}], "required key not provided @ data[0]['path']", ["0", "path"]),
        ([{"op": "remove", "path": "/attributes/a"}] * 1001,
         "length of value must be at most 1000", []),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_refused(
    admin: MetricClient, machine: str, patch: Any, reason: str, detail: list[str]
) -> None:
    told = error_of(admin.ask("PATCH", machine, patch, PATCH), 400)
    assert told == {"cause": "Invalid input", "reason": reason, "detail": detail}


def test_what_a_patch_may_not_is_said_in_a_sentence(admin: MetricClient, machine: str) -> None:
    patch = [{"op": "remove", "path": "/attributes/what"}]
    told = error_of(admin.ask("PATCH", machine, patch, PATCH), 400)
    assert told == "can't remove a non-existent object 'what'"
    told = error_of(admin.ask("PATCH", machine, [add("vcpus", type="bool")], PATCH), 400)
    assert told == (
        "Type update is not available yet. Changing number to bool for attribute vcpus "
        "of resource machine"
    )
    assert admin.fetch(machine) == MACHINE_TOLD


def test_a_patch_has_its_own_media_type(admin: MetricClient, machine: str) -> None:
    assert error_of(admin.ask("PATCH", machine, []), 415) == ""
    told = error_of(admin.ask("PATCH", machine, None, PATCH), 400)
    assert told["cause"] == "Unable to decode body"
    told = error_of(admin.ask("PATCH", "/resource_type/nosuch", [], PATCH), 404)
    assert told == "Resource type nosuch does not exist"


# --- deleted -----------------------------------------------------------------------------------


def test_a_type_is_deleted(admin: MetricClient, machine: str) -> None:
    answer = admin.ask("DELETE", machine)
    assert (answer.status_code, answer.content) == (204, b"")
    told = error_of(admin.ask("DELETE", machine), 404)
    assert told == "Resource type machine does not exist"
    admin.make("/resource_type", MACHINE)


def test_a_type_in_use_stays(admin: MetricClient, machine: str) -> None:
    resource = Resource.objects.create(
        original_id="vm", type="machine", revision_start=now(), started_at=now()
    )
    told = error_of(admin.ask("DELETE", machine), 400)
    assert told == "Resource type machine is still in use"
    resource.delete()
    assert admin.ask("DELETE", machine).status_code == 204


def test_the_generic_type_stays(admin: MetricClient) -> None:
    told = error_of(admin.ask("DELETE", "/resource_type/generic"), 400)
    assert told == "Resource type generic is still in use"


# --- who may, and in which form ----------------------------------------------------------------

CHANGES = [
    ("POST", "/resource_type"),
    ("PATCH", "/resource_type/machine"),
    ("DELETE", "/resource_type/machine"),
]
READS = ["/resource_type", "/resource_type/generic"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_others_change_nothing(jd: MetricClient, machine: str, method: str, path: str) -> None:
    """403 comes before anything about the body is said."""
    assert error_of(jd.ask(method, path, {"cowsay": "moo"}, "text/plain"), 403) == ""


@pytest.mark.parametrize(("method", "path"), [*CHANGES, *(("GET", path) for path in READS)])
def test_nobody_may_nothing(nobody: MetricClient, method: str, path: str) -> None:
    assert error_of(nobody.ask(method, path, {}), 401) == ""


@pytest.mark.parametrize("path", READS)
def test_there_is_nothing_but_json(jd: MetricClient, path: str) -> None:
    assert jd.ask("GET", path, Accept="text/plain").status_code == 406


@pytest.mark.parametrize("content_type", ["text/plain", "", PATCH])
def test_another_type_of_body_is_not_read(admin: MetricClient, content_type: str) -> None:
    assert error_of(admin.ask("POST", "/resource_type", MACHINE, content_type), 415) == ""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/resource_type", "GET, HEAD, POST"),
        ("POST", "/resource_type/generic", "GET, HEAD, PATCH, DELETE"),
    ],
)
def test_other_methods_are_refused(jd: MetricClient, method: str, path: str, allowed: str) -> None:
    refused = jd.ask(method, path, {})
    assert error_of(refused, 405) == ""
    assert refused["Allow"] == allowed


def test_a_type_that_is_patched_while_a_resource_is_made(
    admin: MetricClient, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its body was checked, before the catalogue's lock: it must have the new attribute."""
    read = MetricView.body

    def patched_meanwhile(view: MetricView, *asked: Any) -> Any:
        body = read(view, *asked)
        monkeypatch.undo()
        rack = add("rack", type="string", required=True, options={"fill": "r1"})
        assert admin.ask("PATCH", machine, [rack], PATCH).status_code == 200
        return body

    monkeypatch.setattr(MetricView, "body", patched_meanwhile)
    said = error_of(admin.ask("POST", "/resource/machine", {"id": "m1", "name": "abc"}), 400)
    assert "rack" in str(said)
    assert not Resource.objects.exists()
    admin.make("/resource/machine", {"id": "m1", "name": "abc", "rack": "r2"})
