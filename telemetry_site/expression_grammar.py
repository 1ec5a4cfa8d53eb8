"""What an expression of a definition file may contain; anything else is a fault when it is read.

Others give these texts to Python's `eval`, which makes a definition file a program. Here they are
parsed, and only the nodes, functions and methods listed below are let through: no attribute but a
method that is called at once, no name with two underscores, no import, no assignment, no format
string.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable
from typing import Any

from telemetry_site.yamlfile import DefinitionError


def _sum(numbers: Iterable[Any], start: Any = 0) -> Any:
    if not isinstance(start, int | float):
        raise TypeError("sum is for numbers")
    return sum(numbers, start)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "str": str, "int": int, "float": float, "bool": bool, "len": len, "min": min, "max": max,
    "abs": abs, "round": round, "sum": _sum, "sorted": sorted, "list": list, "tuple": tuple,
    "dict": dict, "set": set, "any": any, "all": all,
    # Lists at once: an iterator that waits would run outside of the count of steps.
    "filter": lambda *arguments: list(filter(*arguments)),
    "map": lambda *arguments: list(map(*arguments)),
}  # fmt: skip

#: Methods that change nothing, of text, lists and mappings.
METHODS: dict[type, frozenset[str]] = {
    str: frozenset({
        "lower", "upper", "casefold", "title", "capitalize", "strip", "lstrip", "rstrip", "split",
        "rsplit", "splitlines", "partition", "rpartition", "replace", "join", "startswith",
        "endswith", "find", "rfind", "index", "count", "isdigit", "isalpha", "isalnum",
        "isnumeric", "removeprefix", "removesuffix",
    }),
    list: frozenset({"index", "count"}),
    tuple: frozenset({"index", "count"}),
    dict: frozenset({"get", "keys", "values", "items"}),
}  # fmt: skip
METHOD_NAMES = frozenset().union(*METHODS.values())

_NODES = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Call,
    ast.keyword, ast.Subscript, ast.Slice, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.IfExp,
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In,
    ast.NotIn, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension,
    ast.Lambda, ast.arguments, ast.arg,
)  # fmt: skip
LONGEST = 4096
_CONSTANTS = (str, int, float, bool, type(None))


def parse(text: str, names: Collection[str]) -> ast.expr:
    """The tree of `text`, in which only `names`, functions and variables of its own are used.

    Raises `DefinitionError` that names the column.
    """
    if len(text) > LONGEST:
        raise DefinitionError(f"an expression of more than {LONGEST} characters")
    stripped = " ".join(text.split("\n")).strip()  # a long one may stand on several lines
    try:
        tree = ast.parse(stripped, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        message = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise DefinitionError(f"{stripped!r:.200} is no expression{where}: {message}") from error
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        problem = _problem(node, {*names, *own}, called)
        if problem:
            column = getattr(node, "col_offset", 0) + 1
            raise DefinitionError(f"{stripped!r:.200}, column {column}: {problem}")
    return tree.body


def _problem(node: ast.AST, names: set[str], called: set[int]) -> str:
    """Why this node may not be, or an empty text."""
    if not isinstance(node, _NODES):
        return f"{type(node).__name__} is not allowed in an expression"
    if isinstance(node, ast.Constant) and not isinstance(node.value, _CONSTANTS):
        return f"{node.value!r} is not allowed in an expression"
    if isinstance(node, ast.Name):
        return _problem_of_name(node, names)
    if isinstance(node, ast.arg) and "__" in node.arg:
        return f"the name {node.arg} is not allowed"
    if isinstance(node, ast.Attribute):
        if node.attr not in METHOD_NAMES:
            return f".{node.attr} is none of the methods {', '.join(sorted(METHOD_NAMES))}"
        if id(node) not in called:
            return f"the method .{node.attr} is not called"
    if isinstance(node, ast.arguments) and (node.vararg or node.kwarg):
        return "* and ** are not allowed"
    if isinstance(node, ast.keyword) and node.arg is None:
        return "** is not allowed"
    if isinstance(node, ast.Dict) and None in node.keys:
        return "** is not allowed"
    if isinstance(node, ast.comprehension) and node.is_async:
        return "async is not allowed"
    return ""


def _problem_of_name(node: ast.Name, names: set[str]) -> str:
    if "__" in node.id:
        return f"the name {node.id} is not allowed"
    if isinstance(node.ctx, ast.Load) and node.id not in names and node.id not in FUNCTIONS:
        known = ", ".join(sorted({*names, *FUNCTIONS}))
        return f"there is no {node.id}; known are {known}"
    return ""
