"""Expressions of definition files: what they can do, and what none of them can."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pollers.pollsters.extraction import Extraction
from telemetry_site.expressions import EvaluationError, Expression, LackingError
from telemetry_site.yamlfile import DefinitionError


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("value['x'] if 'x' in value else ''", {"x": 3}, 3),
        ("value['x'] if 'x' in value else ''", {}, ""),
        ("','.join(value)", ["a", "b"], "a,b"),
        ("value.split('$')[0]", "p1$p2", "p1"),
        ("[v for v in value if v.get('rel') == 'next']", [{"rel": "self"}, {"rel": "next"}],
         [{"rel": "next"}]),
        ("round(value * 1024 ** 2 / 3, 1)", 1.5, 524288.0),
        ("sum(map(lambda disk: disk['size'], value))", [{"size": 1}, {"size": 2}], 3),
        ("max(filter(lambda one: one, value))", [0, 5, None, 3], 5),
        ("sorted(value, key=lambda one: -one)[:2]", [1, 3, 2], [3, 2]),
        ("{key: len(parts) for key, parts in value.items()}", {"a": [1, 2]}, {"a": 2}),
        ("any(one > 2 for one in value) and not all(one > 2 for one in value)", [1, 3], True),
        ("0 < value <= 3 is not None", 3, True),
        ("str(value).lower() in ('active', 'up')", "ACTIVE", True),
        ("-value // 2 % 3", 5, 0),
        ("{1, 2} == set(value)", [2, 1, 1], True),
        ("[a * b for a in value for b in value if a != b]", [2, 3], [6, 6]),
        ("(lambda one, two=4: one + two)(value)", 1, 5),
        ("value\n  + 1", 1, 2),
    ],
)  # fmt: skip
def test_what_definitions_need_works(text: str, value: Any, result: Any) -> None:
    assert Expression(text).evaluate({"value": value}) == result


@pytest.mark.parametrize(
    "text",
    [
        "value.__class__", "().__class__.__bases__", "value._x", "value.real", "value.get",
        "__import__('os')", "open('/etc/passwd')", "exec('1')", "eval('1')", "globals()",
        "getattr(value, 'x')", "value.format(1)", "'{0.__class__}'.format(value)",
        "f'{value}'", "(x := value)", "[*value]", "str(**value)", "lambda *a: value",
        "lambda __x: value", "value if other else 1", "await value", "b'bytes'", "...", "1j",
        "value; value", "import os", "value =", "", "value.update({})", "value.append(1)",
        "value @ value", "value << 9", "~value", "yield value", "value" * 2000,
    ],
)  # fmt: skip
def test_whatever_reaches_out_of_the_values_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(DefinitionError):
        Expression(text)


def test_the_column_of_a_fault_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"column 9: there is no vlaue; known are .*value"):
        Expression("value + vlaue")
    with pytest.raises(DefinitionError, match="no expression at column 7"):
        Expression("value ] 3")


@pytest.mark.parametrize(
    "text",
    [
        "'a' * 10**9", "[0] * 10**9", "10 ** 128 ** 128", "'%999999999d' % value",
        "(10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * "
        "(10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * (10 ** 100) * "
        "(10 ** 100) * (10 ** 100)",
        "[0 for a in value for b in value for c in value for d in value]",
        "(lambda f: f(f))(lambda f: f(f))",
        "str(" * 20 + "(lambda x: [x, x])(" * 60 + "value" + ")" * 80,
        "[value.replace('a', value) for one in list(value)] if 0 else [value for one in value "
        "for two in value for three in value]",
        "sum([[value] for one in value], [])",
        "'a'.join([str(value) for one in value]).replace('1', str(value) + str(value))"
        ".replace('1', str(value)).replace('1', str(value))",
    ],
)  # fmt: skip
def test_nothing_runs_for_long_or_grows_without_bound(text: str) -> None:
    started = time.monotonic()
    with pytest.raises((EvaluationError, DefinitionError)):
        Expression(text).evaluate({"value": list(range(150))})
    assert time.monotonic() - started < 10


def test_what_is_missing_is_told_apart_from_what_is_wrong() -> None:
    with pytest.raises(LackingError, match="'x'"):
        Expression("value['x']").evaluate({"value": {}})
    with pytest.raises(LackingError):
        Expression("value[0]").evaluate({"value": []})
    with pytest.raises(EvaluationError, match="unsupported operand") as wrong:
        Expression("value + 1").evaluate({"value": None})
    assert not isinstance(wrong.value, LackingError)
    with pytest.raises(EvaluationError, match="dict has no method lower"):
        Expression("value.lower()").evaluate({"value": {}})


def test_a_loops_variable_ends_with_its_loop() -> None:
    with pytest.raises(EvaluationError, match="one has no value here"):
        Expression("[one for one in value] + [one]").evaluate({"value": [1]})


ENTRY = {"flavor": {"vcpus": 2, "ram": None}, "tags": ["a", "b"], "user": "u1$x", "k:v": 1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flavor.vcpus", 2),
        ("tags | ','.join(value)", "a,b"),
        ("user | value.split('$')[0]", "u1"),
        (". | value['user'] | value.replace('|', '') | len(value)", 4),
        (". | value['x'] if 'x' in value else ''", ""),
        ("k:v", 1),
        (".", ENTRY),
    ],
)
def test_a_path_and_operations_find_a_value(text: str, found: Any) -> None:
    assert Extraction(text).find(ENTRY) == found


@pytest.mark.parametrize("text", ["flavor.disk", "flavor.ram.x", "tags.0", "nothing"])
def test_a_key_that_is_not_there_is_lacking(text: str) -> None:
    with pytest.raises(LackingError, match=f"there is no {text.partition('.')[0]}"):
        Extraction(text).find(ENTRY)


@pytest.mark.parametrize("text", ["", "a..b", "a | 1 + 1", "a | os.system(value)", 5, "a |"])
def test_what_is_no_path_is_refused(text: Any) -> None:
    with pytest.raises(DefinitionError):
        Extraction(text)
