"""A group of resources as lines and as a JSON search."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.errors import DefinitionError
from alarms.ui.filters import OPERATORS, to_lines, to_search
from meters.search import parse_search


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("", {}),
        (" \n\n", {}),
        ("a = b", {"=": {"a": "b"}}),
        ("a=b c", {"=": {"a": "b c"}}),
        ("a != 1", {"!=": {"a": "1"}}),
        ("a >= 1.5", {">=": {"a": 1.5}}),
        ("a < 2026-01-01", {"<": {"a": "2026-01-01"}}),
        ("a > true", {">": {"a": "true"}}),
        ("a like web-%", {"like": {"a": "web-%"}}),
        ("like = like", {"=": {"like": "like"}}),
        ("a = ", {"=": {"a": ""}}),
        ("a = x = y", {"=": {"a": "x = y"}}),
        ("a = b\n\nc.d like e", {"and": [{"=": {"a": "b"}}, {"like": {"c.d": "e"}}]}),
        ('{"or": []}', {"or": []}),
        (f"a < {'[' * 100_000}", {"<": {"a": "[" * 100_000}}),
    ],
)
def test_lines_are_a_search(text: str, search: object) -> None:
    assert json.loads(to_search(text)) == search


@pytest.mark.parametrize("text", ["a", "= b", "a b", "a likes b", "a = b\nnonsense"])
def test_a_line_without_a_condition_is_named(text: str) -> None:
    number = len(text.splitlines())
    with pytest.raises(DefinitionError, match=f"line {number} is not like") as caught:
        to_search(text)
    assert caught.value.field == "rule.query"


@pytest.mark.parametrize(
    "search",
    [
        '{"or": [{"=": {"a": "b"}}]}', '{"not": {"=": {"a": "b"}}}', '{"in": {"a": ["b"]}}',
        '{"=": {"a": 5}}', '{"=": {"a": " b"}}', '{"=": {"a b": "c"}}', '{"=": {"a": "b\\nc"}}',
        '{"and": []}', "[]", "5", "not JSON", '{"=": {"a": null}}', '{"=": {"{a": "b"}}',
    ],
)  # fmt: skip
def test_what_lines_cannot_say_stays_as_it_is(search: str) -> None:
    assert to_lines(search) == search


@given(
    st.lists(
        st.tuples(
            st.text("abc._", min_size=1, max_size=5),
            st.sampled_from(OPERATORS),
            st.text("abc%=<> 15.", max_size=8),
        ),
        max_size=4,
    )
)
def test_a_search_that_was_written_as_lines_is_shown_as_lines(
    lines: list[tuple[str, str, str]],
) -> None:
    search = to_search("\n".join(" ".join(line) for line in lines))
    assert json.loads(to_search(to_lines(search))) == json.loads(search)
    parse_search(search)
