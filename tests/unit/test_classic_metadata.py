"""Metadata of the classic API: what is shown and posted flat, values without a type."""

from __future__ import annotations

from typing import Any

import pytest

from meters.metering_api.metadata import flat, literal_of, path_of, unfolded


def test_the_first_level_is_joined_by_a_dot_and_all_further_ones_by_colons() -> None:
    nested = {"flavor": {"name": "m1", "deep": {"x": {"z": 1}}}, "a.b": {"c": 2}, "empty": {}}
    assert flat(nested) == {
        "a.b:c": "2", "flavor.deep:x:z": "1", "flavor.name": "m1",
    }  # fmt: skip


def test_a_dot_in_a_key_counts_as_one_between_levels() -> None:
    assert flat({"a": {"b.c": {"$d.e": 1}}, "x.y.z": 2}) == {"a.b:c:$d:e": "1", "x.y:z": "2"}


def test_every_value_is_shown_as_text() -> None:
    values = {"b": True, "f": 1.5, "l": ["a", 1], "n": None, "i": 5}
    assert flat(values) == {"b": "True", "f": "1.5", "i": "5", "l": "['a', 1]", "n": "None"}


@pytest.mark.parametrize(
    ("posted", "stored"),
    [
        ({"flavor.name": "m1", "flavor.ram": "5"}, {"flavor": {"name": "m1", "ram": "5"}}),
        ({"a": "1", "a.b": "2"}, {"a": "1", "a.b": "2"}),
        ({"a.b": "1", "a.b.c": "2"}, {"a": {"b": "1"}, "a.b.c": "2"}),
        ({"a..b": "1", ".": "2", "": "3"}, {"a..b": "1", ".": "2", "": "3"}),
    ],
)
def test_dots_unfold_into_levels_unless_they_collide(
    posted: dict[str, str], stored: dict[str, Any]
) -> None:
    assert unfolded(posted) == stored
    assert sorted(flat(stored).values()) == sorted(posted.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-5", -5), ("1.5", 1.5), ("1e3", 1000.0), ("True", True), ("None", None),
        ("true", "true"), ("'5'", "5"), ('"x y"', "x y"), ("x", "x"), ("1e999", "1e999"),
        ("1_000", "1_000"), ("٣", "٣"), ("", ""), ("'", "'"), ("5 ", "5 "),
    ],
)  # fmt: skip
def test_a_value_without_a_type_is_a_literal_of_python_or_a_text(text: str, value: Any) -> None:
    found = literal_of(text)
    assert (found, type(found)) == (value, type(value))


def test_both_prefixes_name_metadata_and_a_bare_one_names_nothing() -> None:
    assert path_of("metadata.a.b") == path_of("resource_metadata.a.b") == "a.b"
    assert path_of("metadata.") is None
    assert path_of("metadata") is None
    assert path_of("project_id") is None
