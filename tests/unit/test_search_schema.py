"""The form of a JSON search, and what is said of what has another one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from meters.metric_api.errors import ApiError
from meters.metric_api.search.schema import MAX_DEPTH, MAX_TERMS, checked

VM1 = UUID("d7f89f71-1300-5993-88d9-592d634d0f77")


def refused(search: Any) -> Any:
    with pytest.raises(ApiError) as caught:
        checked(search, "ceil:svc")
    assert caught.value.status == 400
    assert isinstance(caught.value.description, dict)
    assert caught.value.description["cause"] == "Invalid input"
    return caught.value.description["reason"], caught.value.description["detail"]


@pytest.mark.parametrize(
    "search",
    [
        {},
        {"=": {"a": None}},
        {"like": {"a": 5}},
        {"in": {"a": [1, None, True, "x", 0.5]}},
        {"and": [{}, {"or": [{"not": {"≠": {"a": "b"}}}]}]},
    ],
    ids=str,
)
def test_a_search_is_as_it_is(search: Any) -> None:
    assert checked(search, "ceil:svc") == search


def test_ids_are_the_callers_own() -> None:
    search = {"or": [{"=": {"id": "vm1"}}, {"not": {"in": {"id": ["vm1", str(VM1).upper()]}}}]}
    wanted = {"or": [{"=": {"id": VM1}}, {"not": {"in": {"id": [VM1, VM1]}}}]}
    assert checked(search, "ceil:svc") == wanted


@pytest.mark.parametrize(
    ("search", "reason", "detail"),
    [
        ({"=": {"a": 1}, "and": []}, "length of value must be at most 1", []),
        ({"~": {"a": 1}}, "not a valid value @ data['~']", ["~"]),
        ({"=": {}}, "length of value must be at least 1 for dictionary value @ data['=']", ["="]),
        ({"=": {"a": 1, "b": 2}},
         "length of value must be at most 1 for dictionary value @ data['=']", ["="]),
        ({"=": {"a": [1]}}, "expected str for dictionary value @ data['=']['a']", ["=", "a"]),
        ({"ne": {"a": {}}}, "expected str for dictionary value @ data['ne']['a']", ["ne", "a"]),
        ({"in": {"a": 5}}, "expected a list for dictionary value @ data['in']['a']", ["in", "a"]),
        ({"in": {"id": "a"}}, "expected a list for dictionary value @ data['in']['id']",
         ["in", "id"]),
        ({"in": {"a": []}}, "length of value must be at least 1 for dictionary value "
         "@ data['in']['a']", ["in", "a"]),
        ({"in": {"a": [1, {}]}}, "expected str @ data['in']['a'][1]", ["in", "a", "1"]),
        ({"like": {"id": "fa%"}}, "value must not be one of ['id'] @ data['like']['id']",
         ["like", "id"]),
        ({"like": {"id": ["fa%"]}}, "value must not be one of ['id'] @ data['like']['id']",
         ["like", "id"]),
        ({"and": {"a": "b"}}, "expected a list for dictionary value @ data['and']", ["and"]),
        ({"or": []}, "length of value must be at least 1 for dictionary value @ data['or']",
         ["or"]),
        ({"not": [{"a": "b"}]}, "expected a dictionary for dictionary value @ data['not']",
         ["not"]),
        ({"and": [{"~": 1}]}, "not a valid value @ data['and'][0]['~']", ["and", "0", "~"]),
        ({"not": {"=": {"id": "a/b"}}}, "'/' is not supported in resource id "
         "for dictionary value @ data['not']['=']['id']", ["not", "=", "id"]),
        ({"in": {"id": ["x" * 290]}}, "transformable resource id >289 max allowed characters "
         "@ data['in']['id'][0]", ["in", "id", "0"]),
        ({"=": {"id": None}}, "expected str for dictionary value @ data['=']['id']", ["=", "id"]),
        ([], "expected a dictionary", []),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_search_is_refused_with_the_place(
    search: Any, reason: str, detail: list[str]
) -> None:
    assert refused(search) == (reason, detail)


def nested(depth: int, operator: str = "not") -> Any:
    search: Any = {"=": {"a": 1}}
    for _ in range(depth - 1):
        search = {operator: search if operator == "not" else [search]}
    return search


@pytest.mark.parametrize("operator", ["not", "and"])
def test_it_goes_down_only_so_far(operator: str) -> None:
    checked(nested(MAX_DEPTH, operator), "")
    for depth in (MAX_DEPTH + 1, 100_000):
        limit = f"expected at most {MAX_TERMS} terms, nested at most {MAX_DEPTH} deep"
        assert refused(nested(depth, operator)) == (limit, [])


@pytest.mark.parametrize(
    "search",
    [
        lambda terms: {"or": [{"=": {"a": 1}}] * (terms - 1)},
        lambda terms: {"in": {"a": [1] * terms}},
    ],
)
def test_it_has_only_so_many_terms(search: Any) -> None:
    checked(search(MAX_TERMS), "")
    assert "at most 1000 terms" in refused(search(MAX_TERMS + 1))[0]
