"""The two notations of operations, what they mean, and what is refused in which words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.operations import parsing
from meters.operations.errors import OperationsError
from meters.operations.functions import FUNCTIONS
from meters.operations.parsing import parse
from meters.operations.text import MAX_LENGTH, read_text
from meters.operations.tree import (
    Aggregate,
    Change,
    Math,
    Metric,
    Node,
    Reference,
    Resample,
    Rolling,
    references,
)

A, B = Reference("a", "mean"), Reference("b", "rate:max")
METRIC_A = Metric((A,))
SUFFIX = " for dictionary value @ data['operations']"


def refused(operations: object) -> OperationsError:
    with pytest.raises(OperationsError) as caught:
        parse(operations)
    return caught.value


@pytest.mark.parametrize(
    ("text", "tree", "wanted"),
    [
        ("(metric a mean)", ["metric", "a", "mean"], METRIC_A),
        ("(metric (a mean))", ["metric", ["a", "mean"]], METRIC_A),
        (
            "(metric (a mean) (b rate:max) (a mean))",
            ["metric", ["a", "mean"], ["b", "rate:max"], ["a", "mean"]],
            Metric((A, B)),
        ),
        ("(metric disk.* what?)", ["metric", "disk.*", "what?"],
         Metric((Reference("disk.*", "what?"),))),
        ("(metric 5 mean)", ["metric", "5", "mean"], Metric((Reference("5", "mean"),))),
        (
            "(aggregate rate:std (metric a mean))",
            ["aggregate", "rate:std", ["metric", "a", "mean"]],
            Aggregate("rate:std", (METRIC_A,)),
        ),
        (
            "(rolling var 2 (metric a mean))",
            ["rolling", "var", 2, ["metric", "a", "mean"]],
            Rolling("var", 2, METRIC_A),
        ),
        (
            "(resample rate:95pct 1h30m (metric a mean))",
            ["resample", "rate:95pct", 5400, ["metric", "a", "mean"]],
            Resample("rate:95pct", 5_400_000_000, METRIC_A),
        ),
        (
            "(resample last 0.5 (metric a mean))",
            ["resample", "last", "0.5", ["metric", "a", "mean"]],
            Resample("last", 500_000, METRIC_A),
        ),
        ("(rateofchange (metric a mean))", ["rateofchange", ["metric", "a", "mean"]],
         Change(False, METRIC_A)),
        ("(rateofchangesec (metric a mean))", ["rateofchangesec", ["metric", "a", "mean"]],
         Change(True, METRIC_A)),
        (
            "(÷ (metric a mean) (* 2 -1.5e3))",
            ["div", ["metric", "a", "mean"], ["mul", 2, -1500]],
            Math("/", (METRIC_A, Math("*", (2.0, -1500.0)))),
        ),
        ("(clip (metric a mean) .5 2)", ["clip", ["metric", "a", "mean"], 0.5, 2],
         Math("clip", (METRIC_A, 0.5, 2.0))),
        ("(clip (metric a mean) 1)", ["clip", ["metric", "a", "mean"], 1],
         Math("clip", (METRIC_A, 1.0))),
        (
            "(negative(absolute\n(metric a\tmean)))",
            ["neg", ["abs", ["metric", "a", "mean"]]],
            Math("neg", (Math("abs", (METRIC_A,)),)),
        ),
    ],
)  # fmt: skip
def test_both_notations_give_the_same_operations(text: str, tree: list[Any], wanted: Node) -> None:
    assert parse(text) == wanted
    assert parse(tree) == wanted


@pytest.mark.parametrize(
    ("names", "function"),
    [
        ("+ add", "+"), ("- sub", "-"), ("* × mul", "*"), ("/ ÷ div", "/"), ("** ^ pow", "**"),
        ("% mod", "%"), ("= == eq", "=="), ("!= ≠ ne", "!="), ("< lt", "<"), ("> gt", ">"),
        ("<= ≤ le", "<="), (">= ≥ ge", ">="), ("max", "max"), ("clip_min", "clip_min"),
        ("clip_max", "clip_max"),
    ],
)  # fmt: skip
def test_every_name_of_a_function_of_two(names: str, function: str) -> None:
    for name in names.split():
        assert parse(f"({name} (metric a mean) 2)") == Math(function, (METRIC_A, 2.0))


@pytest.mark.parametrize(
    ("names", "function"),
    [
        ("abs absolute", "abs"), ("neg negative", "neg"), ("cos", "cos"), ("sin", "sin"),
        ("tan", "tan"), ("floor", "floor"), ("ceil", "ceil"),
    ],
)  # fmt: skip
def test_every_name_of_a_function_of_one(names: str, function: str) -> None:
    for name in names.split():
        assert parse(f"({name} (metric a mean))") == Math(function, (METRIC_A,))


def test_there_are_no_other_functions() -> None:
    assert len(FUNCTIONS) == 32 + 3 + 9


def test_several_metric_operations_under_one_aggregate_are_one_as_aodh_sends_them() -> None:
    joined = Aggregate("mean", (Metric((A, B)),))
    assert parse(["aggregate", "mean", ["metric", "a", "mean"], ["metric", "b", "rate:max"]]) == (
        joined
    )
    mixed = parse("(aggregate sum (metric a mean) (abs (metric a mean)) (metric a mean))")
    assert mixed == Aggregate("sum", (METRIC_A, Math("abs", (METRIC_A,))))


def test_references_are_each_once_in_the_order_of_the_text() -> None:
    node = parse(
        "(+ (rolling mean 2 (metric b rate:max)) (aggregate sum (resample max 60 (rateofchange "
        "(metric (a mean) (b rate:max)))) (metric c last)))"
    )
    assert references(node) == (B, A, Reference("c", "last"))


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([], "Operation must not be empty"),
        ("()", "Operation must not be empty"),
        (["metric"], "Operation need at least one argument"),
        ("(metric)", "Operation need at least one argument"),
        (["abs", []], "Operation must not be empty"),
        ({"foo": "bar"}, "Expected a tuple/list, got a <class 'dict'>"),
        (5, "Expected a tuple/list, got a <class 'int'>"),
        (None, "Expected a tuple/list, got a <class 'NoneType'>"),
        (True, "Expected a tuple/list, got a <class 'bool'>"),
    ],
)
def test_what_is_no_operation_is_refused_in_the_known_words(operations: Any, reason: str) -> None:
    error = refused(operations)
    assert (error.cause, error.reason) == ("Invalid input", reason + SUFFIX)
    assert error.detail == ["operations"]


M = ["metric", "a", "mean"]


@pytest.mark.parametrize(
    ("operations", "name", "sentence"),
    [
        ("(rolling blah 2 (metric a mean))", "rolling",
         'operations, \'rolling\': "blah" is not one of mean, median, std, min, max, sum, var, '
         "count, maybe with rate: in front"),
        ("(rolling mean (metric a mean))", "rolling", "takes 3 arguments, not 2"),
        ("(notexist (absolute (metric a mean)))", "notexist", "there is no such operation"),
        ("(resample mean invalid (metric (a mean) (b mean)))", "resample",
         'the span "invalid": Unable to parse timespan'),
        (["resample", "mean", 0, M], "resample", "the span 0: Timespan must be positive"),
        (["resample", "var", 60, M], "resample", '"var" is no method to resample by'),
        (["resample", ["x"], 60, M], "resample", "a list is no method to resample by"),
        (["resample", "mean", 60, 5], "resample", "5 is no operation"),
        (["rolling", "mean", 0, M], "rolling", "the window 0 is not a whole number from 1"),
        (["rolling", "mean", 1.5, M], "rolling", "the window 1.5 is not a whole number"),
        (["rolling", "mean", True, M], "rolling", "the window true is not a whole number"),
        (["rolling", "mean", "x", M], "rolling", 'the window "x" is not a whole number'),
        (["rolling", "mean", 10**7, M], "rolling", "not a whole number from 1 to 1000000"),
        (["rolling", "last", 2, M], "rolling", '"last" is not one of mean'),
        (["rolling", "mean", 2, "a"], "rolling", 'operations[3], \'rolling\': "a" is no operation'),
        (["aggregate", "mean"], "aggregate", "no operation to aggregate"),
        (["aggregate", "95pct", M], "aggregate", '"95pct" is not one of mean'),
        (["aggregate", "rate:rate:mean", M], "aggregate", "is not one of mean"),
        (["aggregate", None, M], "aggregate", "null is not one of mean"),
        (["aggregate", {"a": 1}, M], "aggregate", "a dict is not one of mean"),
        (["aggregate", "mean", M, 5], "aggregate", "5 is no operation"),
        (["rateofchange", M, M], "rateofchange", "takes 1 arguments, not 2"),
        (["rateofchangesec", 5], "rateofchangesec", "5 is no operation"),
        (["+", M], "+", "takes 2 arguments, not 1"),
        (["clip", M], "clip", "takes 2 or 3 arguments, not 1"),
        (["min", M, 3], "min", "there is no such operation"),
        (["abs", M, M], "abs", "takes 1 arguments, not 2"),
        (["+", M, "x"], "+", 'operations[2]'),
        (["+", M, True], "+", "true is neither a number nor an operation"),
        (["+", M, float("nan")], "+", "NaN is neither a number nor an operation"),
        (["+", M, "inf"], "+", '"inf" is neither a number nor an operation'),
        (["+", M, "1e999"], "+", '"1e999" is neither a number nor an operation'),
        (["+", M, 10**5000], "+", "a huge number is neither a number nor an operation"),
        (["+", M, None], "+", "null is neither a number nor an operation"),
        (["+", M, {}], "+", "a dict is neither a number nor an operation"),
        (["+", M, "1_0"], "+", '"1_0" is neither a number nor an operation'),
        (["+", M, "٣"], "+", "is neither a number nor an operation"),
        ([5, M], "5", "there is no such operation"),
        ([M, M], "a list", "there is no such operation"),
        (["metric", "a"], "metric", "a list is no pair of a metric and an aggregation"),
        (["metric", "a", "mean", "max"], "metric", "is no pair of a metric and an aggregation"),
        (["metric", ["a", "mean"], "b"], "metric", '"b" is no pair'),
        (["metric", ["a", 5]], "metric", "a list is no metric and aggregation, two texts of 1 to"),
        (["metric", "", "mean"], "metric", "is no metric and aggregation"),
        (["metric", "x" * 256, "mean"], "metric", "is no metric and aggregation"),
        (["metric", "a\0", "mean"], "metric", "is no metric and aggregation"),
        (["metric", "a", "\ud800"], "metric", "is no metric and aggregation"),
        (["x" * 100, M], "x" * 80 + "…", "there is no such operation"),
        (["abs", ["neg", ["rolling", "mean", 0, M]]], "rolling",
         "operations[1][1], 'rolling': the window 0"),
        (["aggregate", "sum", M, ["resample", "mean", 60, ["abs", "x"]]], "abs",
         "operations[3][3][1], 'abs': \"x\" is neither"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_the_operation_and_the_place(
    operations: Any, name: str, sentence: str
) -> None:
    error = refused(operations)
    assert error.cause == "Invalid input"
    assert error.reason == f"{name!r} operation invalid{SUFFIX}"
    assert error.detail == ["operations"]
    assert sentence in str(error)


@pytest.mark.parametrize(
    ("operations", "detail"),
    [
        (["+", 1, 2], ["+", 1, 2]),
        ("(+ 1 (abs -2))", ["+", "1", ["abs", "-2"]]),
        (["aggregate", "mean", ["abs", 1]], ["abs", 1]),
        (["+", M, ["rateofchange", ["abs", 1]]], ["abs", 1]),
    ],
)
def test_operations_without_a_metric_are_refused(operations: Any, detail: list[Any]) -> None:
    error = refused(operations)
    assert error.cause == "Operations is invalid"
    assert error.reason == "At least one 'metric' is required"
    assert error.detail == detail


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("(metroc foo bar", "Expected ')', found end of text  (at char 15), (line:1, col:16)"),
        ("", "Expected '(', found end of text  (at char 0), (line:1, col:1)"),
        (" \n ", "Expected '(', found end of text  (at char 3), (line:2, col:2)"),
        ("metric a mean", "Expected '(', found 'metric'  (at char 0), (line:1, col:1)"),
        (")", "Expected '(', found ')'  (at char 0), (line:1, col:1)"),
        ("(abs\n (metric a b)\n", "Expected ')', found end of text  (at char 19), (line:3, col:1)"),
        ("(metric a mean)\nb", "Expected end of text, found 'b'  (at char 16), (line:2, col:1)"),
        ("(metric a mean) (x)", "Expected end of text, found '('  (at char 16), (line:1, col:17)"),
        ("x" * 50, f"Expected '(', found '{'x' * 40}'  (at char 0), (line:1, col:1)"),
        ("(" * 100_000, "Expected ')', found end of text  (at char 100000), (line:1, col:100001)"),
        ("x" * 1_000_001, f"Expected at most {MAX_LENGTH} characters, found 1000001"),
    ],
)  # fmt: skip
def test_a_text_that_does_not_close_is_refused_with_the_place(text: str, detail: str) -> None:
    error = refused(text)
    assert error.cause == "Invalid operations"
    assert error.reason == "Fail to parse the operations string"
    assert error.detail == detail


def test_closing_parentheses_too_many_are_passed_over_as_the_functional_suite_has_them() -> None:
    assert parse("(- (metric a mean) (metric a mean))))") == Math("-", (METRIC_A, METRIC_A))


def nested(depth: int) -> list[Any]:
    tree: list[Any] = M
    for _ in range(depth - 1):
        tree = ["abs", tree]
    return tree


def test_operations_nested_too_deep_are_refused() -> None:
    assert parse(nested(parsing.MAX_DEPTH))
    error = refused(nested(parsing.MAX_DEPTH + 1))
    limit = "Too many operations: at most 1000, nested at most 32 deep"
    assert (error.cause, error.reason) == ("Invalid input", limit + SUFFIX)
    assert str(error).startswith("operations" + "[1]" * 32 + ": at most 1000")
    assert refused(nested(100_000)).reason == error.reason
    assert refused("(abs " * 100_000 + "(metric a mean" + ")" * 100_001).reason == error.reason


def test_too_many_operations_or_metrics_are_refused() -> None:
    many = ["aggregate", "sum", *[["abs", M]] * 499]
    assert parse(many)
    assert "Too many operations" in refused([*many, M, M]).reason
    pairs = [["a", "mean"]] * parsing.MAX_REFERENCES
    assert parse(["metric", *pairs]) == METRIC_A
    error = refused(["metric", *pairs, ["b", "mean"]])
    assert "at most 10000 metrics may be named" in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["metric", "aggregate", "mean", "rolling", "resample", "+", "abs", "2"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=2),
    max_leaves=20,
)  # fmt: skip


@given(JSON | st.text(alphabet="()ab +2\n*") | st.text())
def test_whatever_comes_it_is_operations_or_the_one_error(operations: object) -> None:
    with contextlib.suppress(OperationsError):
        assert references(parse(operations))


WORDS = st.text(alphabet="ab*+-.:1é", min_size=1, max_size=4)
TREES = st.recursive(
    st.lists(WORDS, max_size=3), lambda inner: st.lists(WORDS | inner, max_size=4), max_leaves=10
)


def as_text(tree: Any) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(as_text(one) for one in tree)})"


@given(TREES)
def test_a_tree_written_as_a_text_is_read_back(tree: list[Any]) -> None:
    assert read_text(as_text(tree)) == tree


def test_the_fields_of_every_error_can_be_sent_as_json() -> None:
    for operations in ([], ["metric"], ["x", M], ["+", 1, 2], "(", ["+", M, {}]):
        error = refused(operations)
        assert json.loads(json.dumps([error.cause, error.reason, error.detail]))
