"""The line protocol, line by line."""

from __future__ import annotations

import pytest

from meters.metric_api.lineprotocol import Line, LineError, parse_lines


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cpu,host=h1,core=0 v=1i", Line("cpu", {"host": "h1", "core": "0"}, {"v": 1.0}, None)),
        ("cpu v=2.5 1425652437000000001", Line("cpu", {}, {"v": 2.5}, 1425652437000000001)),
        ("cpu v=-1e3,w=3u", Line("cpu", {}, {"v": -1000.0, "w": 3.0}, None)),
        ('cpu v=1,s="a, b=c \\" d",b=true 7', Line("cpu", {}, {"v": 1.0}, 7)),
        (r"c\,pu\ x,ho\=st=h\ 1 va\,l=1", Line("c,pu x", {"ho=st": "h 1"}, {"va,l": 1.0}, None)),
        ("cpu  v=1   8 ", Line("cpu", {}, {"v": 1.0}, 8)),
    ],
)
def test_a_line(text: str, wanted: Line) -> None:
    assert list(parse_lines(text)) == [wanted]


def test_empty_lines_and_comments_count_but_say_nothing() -> None:
    assert [line.fields for line in parse_lines("\n# note\na v=1\r\n\nb v=2\n")] == [
        {"v": 1.0}, {"v": 2.0},
    ]  # fmt: skip
    with pytest.raises(LineError, match="Unable to parse line 3"):
        list(parse_lines("a v=1\n\nb\n"))


@pytest.mark.parametrize(
    "text",
    ["cpu", "cpu v", "cpu v=", "cpu v=x", "cpu,host v=1", "cpu v=1 x", ',host=a v=1', 'cpu v="1',
     "cpu v=nan", "cpu v=1e999", "cpu v=1 1 1"],
)  # fmt: skip
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(LineError, match="Unable to parse line 1"):
        list(parse_lines(text))


def test_a_long_line_of_nothing_ends_at_once() -> None:
    with pytest.raises(LineError):
        list(parse_lines("a" * 50_000 + "," * 50_000 + "\\" * 50_000))
