"""Ids of the metric API's resources."""

from __future__ import annotations

from uuid import UUID

import pytest
import voluptuous as vol

from meters.metric_api.ids import LONGEST, ResourceIdError, resource_uuid

OWN = UUID("2fbfbb20-8d56-5e1e-afb9-b3007da11fdf")


@pytest.mark.parametrize(
    ("name", "creator", "uuid"),
    [
        ("foobar", "foobar", "2fbfbb20-8d56-5e1e-afb9-b3007da11fdf"),
        ("1.2.3.4", "foobar", "a9c729cc-d1b0-5e6b-b5ba-8b5a7f45f1fc"),
        ("vm1", "ceil:svc", "d7f89f71-1300-5993-88d9-592d634d0f77"),
    ],
)
def test_a_name_is_a_uuid_of_its_creators_own(name: str, creator: str, uuid: str) -> None:
    assert resource_uuid(name, creator) == UUID(uuid)
    assert resource_uuid(name, "another") != UUID(uuid)


@pytest.mark.parametrize("text", [str(OWN), str(OWN).upper(), OWN.hex, f"{{{OWN}}}", OWN.urn])
def test_what_reads_as_a_uuid_is_one_for_everybody(text: str) -> None:
    assert resource_uuid(text, "a") == resource_uuid(text, "b") == OWN


def test_without_a_creator_there_is_one_of_nobody() -> None:
    assert resource_uuid("x", "") == resource_uuid("x", "\x00")


def test_the_longest_name() -> None:
    assert resource_uuid("é" * LONGEST, "a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a/b", "'/' is not supported in resource id"),
        (f"/{OWN}", "'/' is not supported in resource id"),
        ("x" * (LONGEST + 1), "transformable resource id >289 max allowed characters"),
        ("a\0", "NUL is not supported in resource id"),
        (5, "expected str"),
        (None, "expected str"),
    ],
)
def test_what_is_no_id(text: object, said: str) -> None:
    with pytest.raises(ResourceIdError, match=f"^{said}$"):
        resource_uuid(text, "a")


def test_in_a_schema_the_error_has_its_place() -> None:
    schema = vol.Schema({"id": lambda value: resource_uuid(value, "a")})
    with pytest.raises(vol.Invalid) as caught:
        schema({"id": "a/b"})
    said = "'/' is not supported in resource id for dictionary value @ data['id']"
    assert str(caught.value) == said
