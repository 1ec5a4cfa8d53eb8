"""Resource types: definitions of attributes, and values that are checked against them."""

from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol

from meters.attribute_types import TYPES
from meters.metric_api.errors import ApiError
from meters.models import ResourceType
from meters.resource_types import (
    RESERVED,
    attributes_json,
    check_attributes,
    definitions,
    fillable_definitions,
    type_json,
    type_name,
)

IMAGE = "07eb339e-23c0-4be2-be43-cd8247afae3b"


def kind_of(**attributes: Any) -> ResourceType:
    return ResourceType(name="machine", attributes=definitions(attributes))


# --- definitions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"type": "string"}, {"type": "string", "required": True, "min_length": 0,
                              "max_length": 256}),
        ({"type": "string", "min_length": 2, "max_length": 2, "required": False},
         {"type": "string", "required": False, "min_length": 2, "max_length": 2}),
        ({"type": "uuid"}, {"type": "uuid", "required": True}),
        ({"type": "number"}, {"type": "number", "required": True, "min": None, "max": None}),
        ({"type": "number", "min": -2.5, "max": 3},
         {"type": "number", "required": True, "min": -2.5, "max": 3}),
        ({"type": "bool", "required": False}, {"type": "bool", "required": False}),
        ({"type": "datetime"}, {"type": "datetime", "required": True}),
    ],
)  # fmt: skip
def test_a_definition_is_shown_with_its_defaults(given: Any, shown: Any) -> None:
    assert definitions({"a": given}) == {"a": shown}
    kind = ResourceType(name="machine", attributes=definitions({"a": given}))
    assert type_json(kind) == {"name": "machine", "attributes": {"a": shown}, "state": "active"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "expected a dictionary for dictionary value @ data['a']"),
        ({}, "required key not provided @ data['a']['type']"),
        ({"type": "zz"}, "not a valid value for dictionary value @ data['a']['type']"),
        ({"type": None}, "not a valid value for dictionary value @ data['a']['type']"),
        ({"type": "uuid", "min": 1}, "extra keys not allowed @ data['a']['min']"),
        ({"type": "string", "noexist": "foo"}, "extra keys not allowed @ data['a']['noexist']"),
        ({"type": "string", "options": {}}, "extra keys not allowed @ data['a']['options']"),
        ({"type": "bool", "required": 1},
         "expected bool for dictionary value @ data['a']['required']"),
        ({"type": "string", "min_length": -1},
         "value must be at least 0 for dictionary value @ data['a']['min_length']"),
        ({"type": "string", "min_length": 257},
         "value must be at most 256 for dictionary value @ data['a']['min_length']"),
        ({"type": "string", "max_length": 0},
         "value must be at least 1 for dictionary value @ data['a']['max_length']"),
        ({"type": "string", "max_length": 257},
         "value must be at most 256 for dictionary value @ data['a']['max_length']"),
        ({"type": "string", "max_length": "5"},
         "expected int for dictionary value @ data['a']['max_length']"),
        ({"type": "string", "max_length": True},
         "expected int for dictionary value @ data['a']['max_length']"),
        ({"type": "number", "min": "5"},
         "expected Real for dictionary value @ data['a']['min']"),
        ({"type": "number", "max": 10**400},
         "expected Real for dictionary value @ data['a']['max']"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_definition(given: Any, said: str) -> None:
    with pytest.raises(vol.Invalid) as caught:
        definitions({"a": given})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [
        ({"type": "number", "min": 3, "max": 1}, 3, 1),
        ({"type": "number", "min": 0.5, "max": 0}, 0.5, 0),
        ({"type": "string", "min_length": 5, "max_length": 2}, 5, 2),
    ],
)
def test_a_range_the_wrong_way_round(given: Any, low: float, high: float) -> None:
    with pytest.raises(ApiError) as caught:
        definitions({"a": given})
    assert caught.value.description == (
        f"Invalid input: Resource attribute value min (or min_length) {low} "
        f"must be less  than or equal to max (or max_length) {high}!"
    )


@pytest.mark.parametrize("name", ["a", "9", "new-optional-bool", "a b", "A" * 63, "aé"])
def test_names_of_attributes(name: str) -> None:
    assert list(definitions({name: {"type": "bool"}})) == [name]


@pytest.mark.parametrize("name", ["", "-a", "_a", "é", "a" * 64, "a\0", *sorted(RESERVED)])
def test_what_is_no_name_of_an_attribute(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        definitions({name: {"type": "bool"}})
    said = f"Invalid input: Resource attribute name {name} is invalid"
    assert (caught.value.status, caught.value.description) == (400, said)


def test_names_of_types() -> None:
    assert type_name("✔éñ☃ 5") == "✔éñ☃ 5"


@pytest.mark.parametrize("name", ["", "a/b", "_standalone", "a\0", "x" * 256])
def test_what_is_no_name_of_a_type(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        type_name(name)
    said = f"Invalid input: Resource type name {name} is invalid"
    assert (caught.value.status, caught.value.description) == (400, said)


def test_a_patch_may_fill() -> None:
    given = {"type": "bool", "options": {"fill": True}}
    assert fillable_definitions({"a": given}) == {"a": {**given, "required": True}}
    with pytest.raises(vol.Invalid, match=r"extra keys not allowed @ data\['a'\]\['options'\]"):
        fillable_definitions({"a": {"type": "bool", "options": {"empty": True}}})


# --- values ------------------------------------------------------------------------------------

KIND = kind_of(
    name={"type": "string", "min_length": 2, "max_length": 5},
    image={"type": "uuid", "required": False},
    vcpus={"type": "number", "required": False, "min": -2, "max": 3},
    on={"type": "bool", "required": False},
    launched={"type": "datetime", "required": False},
)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"image": IMAGE.upper()}, {"image": IMAGE}),
        ({"image": IMAGE.replace("-", "")}, {"image": IMAGE}),
        ({"vcpus": 3}, {"vcpus": 3}),
        ({"vcpus": -1.5}, {"vcpus": -1.5}),
        ({"vcpus": True}, {"vcpus": 1}),
        ({"on": False}, {"on": False}),
        ({"launched": "2017-05-02T13:11:11+02:00"}, {"launched": "2017-05-02T11:11:11+00:00"}),
        ({"launched": 1493723471.5}, {"launched": "2017-05-02T11:11:11.500000+00:00"}),
        ({"launched": "1493723471"}, {"launched": "2017-05-02T11:11:11+00:00"}),
    ],
)
def test_what_is_stored_of_a_value(given: Any, stored: Any) -> None:
    found = check_attributes(KIND, given, partial=True)
    assert found == stored
    assert check_attributes(KIND, found, partial=True) == stored, "it passes unchanged"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "toolong!!!"}, "length of value must be at most 5"),
        ({"name": "a"}, "length of value must be at least 2"),
        ({"name": 5}, "expected str"),
        ({"name": None}, "expected str"),
        ({"name": "a\0b"}, "not a valid value"),
        ({"image": "really!"}, "badly formed hexadecimal UUID string"),
        ({"image": None}, "badly formed hexadecimal UUID string"),
        ({"vcpus": "2"}, "expected Real"),
        ({"vcpus": None}, "expected Real"),
        ({"vcpus": 10**400}, "expected Real"),
        ({"vcpus": 4}, "value must be at most 3"),
        ({"vcpus": -2.1}, "value must be at least -2"),
        ({"on": 1}, "expected bool"),
        ({"on": None}, "expected bool"),
        ({"launched": "zz"}, "Unable to convert timestamps"),
        ({"launched": None}, "Unable to convert timestamps"),
        ({"launched": -5}, "Timestamp must be after Epoch"),
    ],
    ids=str,
)
def test_what_is_no_value(given: Any, reason: str) -> None:
    [name] = given
    with pytest.raises(ApiError) as caught:
        check_attributes(KIND, given, partial=True)
    assert (caught.value.status, caught.value.description) == (400, {
        "cause": "Invalid input",
        "reason": f"{reason} for dictionary value @ data['{name}']",
        "detail": [name],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("given", "partial", "reason"),
    [
        ({}, False, "required key not provided @ data['name']"),
        ({"name": "web", "zz": 1}, False, "extra keys not allowed @ data['zz']"),
        ({"zz": 1}, True, "extra keys not allowed @ data['zz']"),
    ],
)
def test_which_attributes_there_have_to_be(given: Any, partial: bool, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_attributes(KIND, given, partial)
    assert isinstance(caught.value.description, dict)
    assert caught.value.description["reason"] == reason


def test_what_is_not_required_may_be_absent() -> None:
    assert check_attributes(KIND, {"name": "web"}, partial=False) == {"name": "web"}
    assert check_attributes(KIND, {}, partial=True) == {}


def test_numbers_are_shown_as_floats_and_the_absent_as_null() -> None:
    shown = attributes_json(KIND, {"name": "web", "vcpus": 2, "other": 1})
    assert shown == {"name": "web", "image": None, "vcpus": 2.0, "on": None, "launched": None}
    assert isinstance(shown["vcpus"], float)


def test_what_is_of_another_type_is_as_good_as_absent() -> None:
    metadata = {"name": 5, "image": ["x"], "vcpus": "2", "on": 1, "launched": {"a": 1}}
    assert set(attributes_json(KIND, metadata).values()) == {None}
    assert attributes_json(KIND, {"vcpus": True, "on": "true"})["vcpus"] is None


def test_every_type_has_its_kind_of_json() -> None:
    kinds = {name: one.json_kind for name, one in TYPES.items()}
    assert kinds == {
        "string": "string", "uuid": "string", "number": "number", "bool": "boolean",
        "datetime": "string",
    }  # fmt: skip
