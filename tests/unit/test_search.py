"""The JSON search: what it refuses, and where it says so. What it finds: tests/integration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db.models import Q

from meters.search import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, SearchError, parse_search


def test_an_empty_search_is_no_condition() -> None:
    assert parse_search("{}") == Q()


@pytest.mark.parametrize(
    ("search", "text"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ('{"=": {"x": NaN}}', "NaN is no JSON"),
        ('{"=": {"x": -Infinity}}', "-Infinity is no JSON"),
        ("[" * 60_000, "is not JSON"),
        ('{"=": {"a": "\\ud800"}}', "is not JSON: 'utf-8' codec can't encode"),
        ('{"=": {"\\udfff": "a"}}', "is not JSON: 'utf-8' codec can't encode"),
        (" " * (MAX_LENGTH + 1), f"is longer than {MAX_LENGTH} characters"),
        ("[]", 'search must be an object like {"=": {"type": "host"}}'),
        ('"x"', "search must be an object"),
        ('{"=": {"a": 1}, "like": {"b": "c"}}', "search must have one operator, not =, like"),
        ('{"~": {"a": 1}}', "search.~ is no operator"),
        ('{"=": 5}', "search.= must be an object with one attribute"),
        ('{"=": {}}', "search.= must be an object with one attribute"),
        ('{"=": {"a": 1, "b": 2}}', "search.= must be an object with one attribute"),
        ('{"=": {"": 1}}', "search.=. is no name of an attribute"),
        (json.dumps({"=": {"x" * 256: 1}}), "is no name of an attribute"),
        ('{"=": {"a\\u0000": 1}}', "is no name of an attribute"),
        ('{"=": {"a": [1]}}', "search.=.a must be a text, a number, true, false or null"),
        ('{"=": {"a": "\\u0000"}}', "search.=.a holds a NUL character"),
        ('{"<": {"a": null}}', "search.<.a can't be compared with null but by = and !="),
        ('{"in": {"a": "x"}}', "search.in.a must be a list of values"),
        ('{"in": {"a": []}}', "search.in.a must be a list of values"),
        ('{"in": {"a": [{}]}}', "search.in.a must be a text, a number"),
        ('{"like": {"a": 5}}', "search.like.a must be a text with % for any characters"),
        ('{"like": {"a": "\\u0000"}}', "search.like.a must be a text with %"),
        ('{"and": {"=": {"a": 1}}}', "search.and must be a list of searches"),
        ('{"or": []}', "search.or must be a list of searches"),
        ('{"and": [{}, {"=": 5}]}', "search.and[1].= must be an object"),
        ('{"not": [1]}', "search.not must be an object like"),
        ('{"=": {"id": "vm-1"}}', "search.=.id must be a UUID; by original_resource_id any id is"),
        ('{"=": {"started_at": "now"}}', "search.=.started_at must be a time like"),
        ('{">": {"started_at": "2026-02-30T00:00:00Z"}}', "search.>.started_at must be a time"),
        ('{"=": {"a.b.c.d.e.f.g.h.i": 1}}', "has more than 8 steps"),
    ],
)  # fmt: skip
def test_what_is_no_search_is_refused_with_the_place(search: str, text: str) -> None:
    with pytest.raises(SearchError) as caught:
        parse_search(search)
    assert text in str(caught.value)


def nested(depth: int) -> str:
    search: dict[str, Any] = {"=": {"a": 1}}
    for _ in range(depth):
        search = {"not": search}
    return json.dumps(search)


def wide(terms: int) -> str:
    return json.dumps({"or": [{"=": {"a": 1}}] * (terms - 1)})


def test_depth_and_number_of_terms_are_bounded() -> None:
    parse_search(nested(MAX_DEPTH - 1))
    parse_search(wide(MAX_TERMS))
    for search in (nested(MAX_DEPTH), wide(MAX_TERMS + 1)):
        with pytest.raises(SearchError, match=f"deeper than {MAX_DEPTH} or has more"):
            parse_search(search)


@pytest.mark.parametrize(
    ("alias", "operator"),
    [("==", "="), ("eq", "="), ("≠", "!="), ("ne", "!="), ("lt", "<"), ("≤", "<="), ("le", "<="),
     ("gt", ">"), ("≥", ">="), ("ge", ">=")],
)  # fmt: skip
def test_an_operator_has_other_names(alias: str, operator: str) -> None:
    assert str(parse_search(json.dumps({alias: {"a": 1}}))) == str(
        parse_search(json.dumps({operator: {"a": 1}}))
    )
