"""Searches as texts."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.metric_api.errors import ApiError
from meters.metric_api.search import read_search
from meters.metric_api.search.grammar import MAX_LENGTH, parse_filter
from meters.metric_api.search.schema import MAX_DEPTH

UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("host=h", {"=": {"host": "h"}}),
        ("  host  =\n h ", {"=": {"host": "h"}}),
        ("host eq h", {"eq": {"host": "h"}}),
        ("vcpus>=4", {">=": {"vcpus": 4.0}}),
        ("vcpus ge 4", {"ge": {"vcpus": 4.0}}),
        ("vcpus≥4", {"≥": {"vcpus": 4.0}}),
        ("vcpus<4", {"<": {"vcpus": 4.0}}),
        ("vcpus <=4", {"<=": {"vcpus": 4.0}}),
        ("vcpus le 4", {"le": {"vcpus": 4.0}}),
        ("vcpus lt 4", {"lt": {"vcpus": 4.0}}),
        ("vcpus gt 4", {"gt": {"vcpus": 4.0}}),
        ("host != h", {"!=": {"host": "h"}}),
        ("host ≠ h", {"≠": {"host": "h"}}),
        ("host ne h", {"ne": {"host": "h"}}),
        ("host like 'h%'", {"like": {"host": "h%"}}),
        ("host in [a, 'b c', 5,null]", {"in": {"host": ["a", "b c", 5.0, None]}}),
        ("host in[a]", {"in": {"host": ["a"]}}),
        ("host in []", {"in": {"host": []}}),
        ("host = 'it is \"so\"'", {"=": {"host": 'it is "so"'}}),
        ('host = "it\'s"', {"=": {"host": "it's"}}),
        ("host = ''", {"=": {"host": ""}}),
        ("'new-name' = a", {"=": {"new-name": "a"}}),
        ("on = True and off = false", {"and": [{"=": {"on": True}}, {"=": {"off": False}}]}),
        ("a=None or a=none", {"or": [{"=": {"a": None}}, {"=": {"a": None}}]}),
        ("a = -1.5e3", {"=": {"a": -1500.0}}),
        ("a = +5.", {"=": {"a": 5.0}}),
        (f"id = {UUID}", {"=": {"id": UUID}}),
        (f"id={UUID.replace('-', '')}", {"=": {"id": UUID.replace("-", "")}}),
        ("id = " + "1234" * 8, {"=": {"id": "1234" * 8}}),
        ("id = " + "1234" * 9, {"=": {"id": float("1234" * 9)}}),
        # Names that begin like a word of the notation are names.
        ("notes = nullable", {"=": {"notes": "nullable"}}),
        ("island = order", {"=": {"island": "order"}}),
        ("trueish = Nones", {"=": {"trueish": "Nones"}}),
        # not > and > ∧ > or > ∨
        ("not a=1 and b=2", {"and": [{"not": {"=": {"a": 1.0}}}, {"=": {"b": 2.0}}]}),
        ("not not a=b", {"not": {"not": {"=": {"a": "b"}}}}),
        ("not(a=b)", {"not": {"=": {"a": "b"}}}),
        ("a=b and c=d and e=f", {"and": [{"=": {"a": "b"}}, {"=": {"c": "d"}},
                                         {"=": {"e": "f"}}]}),
        ("a=b or c=d and e=f", {"or": [{"=": {"a": "b"}},
                                       {"and": [{"=": {"c": "d"}}, {"=": {"e": "f"}}]}]}),
        ("a=b ∧ c=d and e=f", {"∧": [{"=": {"a": "b"}},
                                     {"and": [{"=": {"c": "d"}}, {"=": {"e": "f"}}]}]}),
        ("a=b ∨ c=d or e=f", {"∨": [{"=": {"a": "b"}},
                                    {"or": [{"=": {"c": "d"}}, {"=": {"e": "f"}}]}]}),
        ("a=b or c=d ∧ e=f", {"or": [{"=": {"a": "b"}},
                                     {"∧": [{"=": {"c": "d"}}, {"=": {"e": "f"}}]}]}),
        ("(a=b or c=d) and e=f", {"and": [{"or": [{"=": {"a": "b"}}, {"=": {"c": "d"}}]},
                                          {"=": {"e": "f"}}]}),
        ("((a=b))", {"=": {"a": "b"}}),
    ],
)  # fmt: skip
def test_what_a_text_stands_for(text: str, search: Any) -> None:
    assert parse_filter(text) == search


def said(text: str) -> str:
    with pytest.raises(ApiError) as caught:
        parse_filter(text)
    assert caught.value.status == 400
    assert isinstance(caught.value.description, str)
    return caught.value.description


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id == foobar", "value or '[', found '='  (at char 4), (line:1, col:5)"),
        ("", "attribute, found end of text  (at char 0), (line:1, col:1)"),
        ("a", "operator, found end of text  (at char 1), (line:1, col:2)"),
        ("a=", "value or '[', found end of text  (at char 2), (line:1, col:3)"),
        ("a=b=c", "end of text, found '=c'  (at char 3), (line:1, col:4)"),
        ("a <> 1", "value or '[', found '>'  (at char 3), (line:1, col:4)"),
        ("(a=1", "')', found end of text  (at char 4), (line:1, col:5)"),
        ("a=1)", "end of text, found ')'  (at char 3), (line:1, col:4)"),
        ("a=1 and", "attribute, found end of text  (at char 7), (line:1, col:8)"),
        ("a=1\nand b", "operator, found end of text  (at char 9), (line:2, col:6)"),
        ("a=x-1", "end of text, found '-1'  (at char 3), (line:1, col:4)"),
        ("a='b", "value or '[', found \"'b\"  (at char 2), (line:1, col:3)"),
        ("a = .5", "value or '[', found '.5'  (at char 4), (line:1, col:5)"),
        ("new-name = a", "operator, found '-name'  (at char 3), (line:1, col:4)"),
        ("5 = a", "attribute, found '5'  (at char 0), (line:1, col:1)"),
        ("null = a", "attribute, found 'null'  (at char 0), (line:1, col:1)"),
        ("[a] = a", "attribute, found '[a]'  (at char 0), (line:1, col:1)"),
        ("a in [b", "',' or ']', found end of text  (at char 7), (line:1, col:8)"),
        ("a in [b,]", "value, found ']'  (at char 8), (line:1, col:9)"),
        ("a in [[b]]", "value, found '[b]]'  (at char 6), (line:1, col:7)"),
    ],
)
def test_what_is_no_search_says_what_was_expected(text: str, expected: str) -> None:
    assert said(text) == f"Invalid filter: Expected {expected}"


@pytest.mark.parametrize("text", ["(" * 50_000, "not " * 15_000 + "a=b", "a in " + "[" * 50_000])
def test_it_goes_down_only_so_far(text: str) -> None:
    assert "Invalid filter: Expected" in said(text)


def test_the_limits() -> None:
    assert parse_filter("not " * (MAX_DEPTH - 1) + "a=b")
    assert "at most 20 levels" in said("not " * MAX_DEPTH + "a=b")
    assert (
        said("a" * (MAX_LENGTH + 1)) == f"Invalid filter: Expected at most {MAX_LENGTH} characters"
    )


@given(st.text(alphabet="ab =<>!()[],'\"not and or in like 5.-\n≠∧", max_size=40))
def test_any_text_is_a_search_or_refused(text: str) -> None:
    with contextlib.suppress(ApiError):
        assert len(parse_filter(text)) == 1


@pytest.mark.parametrize(
    ("given", "search"),
    [("", {}), ("  ", {}), ({}, {}), ("a=b", {"=": {"a": "b"}}), ({"=": {}}, {"=": {}})],
)
def test_a_search_is_json_or_a_text(given: Any, search: Any) -> None:
    assert read_search(given) == search


@pytest.mark.parametrize("given", [None, [], 0, False, 5])
def test_anything_else_is_no_search(given: Any) -> None:
    with pytest.raises(ApiError) as caught:
        read_search(given)
    assert caught.value.description == {
        "cause": "Invalid input", "reason": "expected a dictionary", "detail": [],
    }  # fmt: skip
