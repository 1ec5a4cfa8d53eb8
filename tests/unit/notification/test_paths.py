"""Path expressions: plain names by look-up, the rest by jsonpath-ng, in the deployed dialect."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.notification.paths import (
    DottedPath,
    JsonPath,
    PathError,
    compile_path,
    parenthesised,
)
from telemetry_site.yamlfile import DefinitionError

MESSAGE: dict[str, Any] = {
    "publisher_id": "compute.node-1.example",
    "ctxt": {"user": "u1", "project_id": "p1"},
    "payload": {
        "size": 3,
        "nothing": None,
        "image_meta": {"org.openstack__1__os_distro": "debian"},
        "metrics": [
            {"name": "cpu.percent", "value": 0.5, "source": "x"},
            {"name": "cpu.frequency", "value": 2600},
        ],
        "one": {"name": "alone"},
        "glance_metadata": [{"key": "image_id", "value": "i1"}, {"key": "x", "value": "y"}],
        "host": "cmp01",
        "nodename": "cmp01.example",
        "name_to_id": "cmp01@lvm#pool",
    },
}


def values(text: str) -> list[Any]:
    return [value for _, value in compile_path(text).matches(MESSAGE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$.payload.size", [3]),
        ("payload.size", [3]),
        ("payload.nothing", [None]),
        ("payload.absent", []),
        ("payload.size.deeper", []),
        ("payload.metrics.name", []),
        ("payload.image_meta.'org.openstack__1__os_distro'", ["debian"]),
    ],
)
def test_dotted_names_are_looked_up(text: str, expected: list[Any]) -> None:
    assert isinstance(compile_path(text), DottedPath)
    assert values(text) == expected
    assert [value for _, value in JsonPath(text).matches(MESSAGE)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("publisher_id.`split(., 1, 1)`", ["node-1.example"]),
        ("publisher_id.`split(., 0, -1)`", ["compute"]),
        ("payload.name_to_id.`split(#, 0, 1)`", ["cmp01@lvm"]),
        ("payload.name_to_id.`sub(/@.*/, )`", ["cmp01"]),
        ("payload.glance_metadata[?key=image_id].value", ["i1"]),
        ("$.payload.metrics[?(@.name='cpu.frequency')].value", [2600]),
        ("$.payload.metrics[?(@.name='cpu.percent')].value * 100", [50.0]),
        ('$.payload.host + "_" + $.payload.nodename', ["cmp01_cmp01.example"]),
        ("$.payload.metrics.[*].name", ["cpu.percent", "cpu.frequency"]),
        ("$.payload.metrics[*].source", ["x"]),
        ("payload.metrics[1].value", [2600]),
        ("payload.metrics[7].value", []),
        ("payload.metrics.`len`", [2]),
        ("payload.(size|host)", [3, "cmp01"]),
        ("payload.*.name", ["alone"]),
    ],
)
def test_other_expressions_are_searched(text: str, expected: list[Any]) -> None:
    assert isinstance(compile_path(text), JsonPath)
    assert values(text) == expected


def test_all_items_of_an_object_are_the_object_itself() -> None:
    """The stock file for object storage says `metric.[*].name` of a `metric` that is no list."""
    assert values("$.payload.one.[*].name") == ["alone"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ctxt.user_id|ctxt.user", "(ctxt.user_id)|(ctxt.user)"),
        ("$.payload.a | $.payload.b", "($.payload.a)|($.payload.b)"),
        ("publisher_id|payload.host", "(publisher_id)|(payload.host)"),
        ("(ctxt.a)|(ctxt.b)", "(ctxt.a)|(ctxt.b)"),
        ("payload.(a|b)", "payload.(a|b)"),
        ("payload.a|b", "payload.a|b"),
        ("payload.x[?a='p|payload.q']", "payload.x[?a='p|payload.q']"),
        ("payload.x.`split(|, 0, 1)`", "payload.x.`split(|, 0, 1)`"),
        ("payload.size", "payload.size"),
    ],
)
def test_a_union_of_whole_paths_gets_its_parentheses(text: str, expected: str) -> None:
    assert parenthesised(text) == expected


def test_a_union_of_whole_paths_finds_either() -> None:
    assert values("ctxt.user_id|ctxt.user") == ["u1"]
    assert values("payload.size|ctxt.user") == [3, "u1"]


def test_a_segment_that_is_not_there_is_no_value() -> None:
    path = compile_path("publisher_id.`split(., 1, 1)`")

    assert path.matches({"publisher_id": "compute:Node_2"}) == []
    assert path.matches({"publisher_id": None}) == []
    assert path.matches({}) == []


@pytest.mark.parametrize("text", ["payload.[", "payload..", "a b", "payload.x[?", "`nothing`", "%"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="is not a JSONPath expression"):
        compile_path(text)


def test_an_expression_that_does_not_fit_the_message_is_a_path_error() -> None:
    path = compile_path("payload.x.`sub(/(a)/, \\\\7)`")

    with pytest.raises(PathError):
        path.matches({"payload": {"x": "a"}})
