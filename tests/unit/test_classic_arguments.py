"""Arguments of the classic lists: three ways to write a `q`."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from meters.wsme.arguments import normal
from meters.wsme.errors import Fault
from meters.wsme.simple import Term, read_terms

TERMS = [Term("a", "ge", "1", "integer"), Term("b", "eq", "2", "")]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("q.field=a&q.op=ge&q.value=1&q.type=integer&q.field=b&q.value=2", None),
        ("q.field=a&q.field=b&q.op=ge&q.op=&q.value=1&q.value=2&q.type=integer&q.type=", None),
        ("q[1].field=b&q[1].value=2&q[0].field=a&q[0].op=ge&q[0].value=1&q[0].type=integer", None),
        ("", {"q": [{"field": "a", "op": "ge", "value": "1", "type": "integer"},
                    {"field": "b", "value": 2}]}),
    ],
)  # fmt: skip
def test_a_query_may_be_written_in_three_ways(query: str, body: Any) -> None:
    assert read_terms(normal(QueryDict(query), body)) == TERMS


def test_a_column_that_is_shorter_is_filled_from_the_front() -> None:
    terms = read_terms(normal(QueryDict("q.field=a&q.field=b&q.op=ge&q.value=1&q.value=2")))
    assert [term.op for term in terms] == ["ge", "eq"]


@pytest.mark.parametrize(
    ("query", "body", "words"),
    [
        ("limit=1&limit=2", None, "given more than once"),
        ("q.value=1", None, "Mandatory field missing."),
        ("q.field=a&q.value=1&q.value=2", None, "Mandatory field missing."),
        ("q.field=a&q[0].field=b", None, "can't be mixed"),
        ("q[0].colour=b", None, "Unknown argument"),
        ("q[x].field=b", None, "Unknown argument"),
        ("q.field=a%00", None, "NUL"),
        ("", [1], "must be a JSON object"),
        ("", {"q": ["a"]}, "Value not a valid object"),
        ("", {"q": [{"bogus": 1}]}, "Unknown attribute for argument q: bogus"),
        ("", {"limit": {}}, "It must be a text or a number."),
        ("limit=1", {"limit": 2}, "given more than once"),
    ],
)
def test_what_can_t_be_meant_is_refused(query: str, body: Any, words: str) -> None:
    with pytest.raises(Fault) as caught:
        normal(QueryDict(query), body)
    assert caught.value.status == 400
    assert words in caught.value.text
