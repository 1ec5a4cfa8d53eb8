"""Expressions of definition files, evaluated without `eval`: bounded in steps and in size.

A checked tree (`expression_grammar.parse`) is walked. Each step, each turn of a loop and each part
of what is made on the way is counted against one budget, so that no file and no answer of a service
can hold or fill the process that reads it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from telemetry_site.expression_grammar import FUNCTIONS, METHODS, parse

#: Steps, and parts of the lists and mappings that an evaluation makes.
MOST_STEPS = 2_000_000
#: So many characters of a text that is made count as one step.
CHARACTERS_A_STEP = 64
MOST_CHARACTERS = 16 << 20
MOST_BITS = 4096
HIGHEST_POWER = 128

Variables = Mapping[str, Any]


class EvaluationError(Exception):
    """An expression that gives nothing for these values; the text says why."""


class LackingError(EvaluationError):
    """It asks for a key or a place that is not there."""


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, whole: item in whole, ast.NotIn: lambda item, whole: item not in whole,
}  # fmt: skip


class Expression:
    """One checked expression. `names` are the variables that `evaluate` will be given."""

    def __init__(self, text: str, names: Collection[str] = ("value",)) -> None:
        """Raises `DefinitionError` with the column of what is not allowed."""
        self.text = text.strip()
        self._tree = parse(text, names)
        self.names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}

    def evaluate(self, variables: Variables) -> Any:
        """Raises `EvaluationError`; of that kind `LackingError` for a key that is not there."""
        try:
            return _Evaluation(variables).of(self._tree)
        except (KeyError, IndexError) as error:
            raise LackingError(f"{self.text!r:.200}: there is no {error}") from error
        except EvaluationError as error:
            raise EvaluationError(f"{self.text!r:.200}: {error}") from error
        except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise EvaluationError(f"{self.text!r:.200}: {str(error)[:200]}") from error

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


class _Evaluation:
    """One walk over a tree, with the budget of all that happens in it."""

    def __init__(self, variables: Variables) -> None:
        self._scope: dict[str, Any] = dict(variables)
        self._steps = 0

    def of(self, node: ast.AST) -> Any:
        self._step()
        return getattr(self, f"_{type(node).__name__.lower()}")(node)

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > MOST_STEPS:
            raise EvaluationError(f"more than {MOST_STEPS} steps")

    def _made(self, value: Any) -> Any:
        """Pay for something that came about, with all that hangs on it: the same list may hang
        there a thousand times, and would be written out as often by `str`.
        """
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self._step(1 + len(one) // CHARACTERS_A_STEP)
            elif isinstance(one, dict):
                self._step(1 + len(one))
                waiting += [*one.keys(), *one.values()]
            elif isinstance(one, list | tuple | set):
                self._step(1 + len(one))
                waiting += one
        return value

    # --- values ------------------------------------------------------------------------------
    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self._scope:
            return self._scope[node.id]
        if node.id in FUNCTIONS:
            return FUNCTIONS[node.id]
        raise EvaluationError(f"{node.id} has no value here")

    def _list(self, node: ast.List) -> Any:
        return self._made([self.of(item) for item in node.elts])

    def _tuple(self, node: ast.Tuple) -> Any:
        return self._made(tuple(self.of(item) for item in node.elts))

    def _set(self, node: ast.Set) -> Any:
        return self._made({self.of(item) for item in node.elts})

    def _dict(self, node: ast.Dict) -> Any:
        pairs = zip(node.keys, node.values, strict=True)
        return self._made({self.of(key): self.of(value) for key, value in pairs if key})

    def _subscript(self, node: ast.Subscript) -> Any:
        found = self.of(node.value)[self.of(node.slice)]
        return self._made(found) if isinstance(node.slice, ast.Slice) else found

    def _slice(self, node: ast.Slice) -> slice:
        return slice(*(part and self.of(part) for part in (node.lower, node.upper, node.step)))

    # --- operators ---------------------------------------------------------------------------
    def _boolop(self, node: ast.BoolOp) -> Any:
        ends_at = isinstance(node.op, ast.Or)
        value: Any = None
        for part in node.values:
            value = self.of(part)
            if bool(value) is ends_at:
                break
        return value

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.of(node.operand))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.of(node.left), self.of(node.right)
        _refuse_growth(type(node.op), left, right)
        return self._made(_BINARY[type(node.op)](left, right))

    def _compare(self, node: ast.Compare) -> bool:
        left = self.of(node.left)
        for how, written in zip(node.ops, node.comparators, strict=True):
            right = self.of(written)
            if not _COMPARE[type(how)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.of(node.body if self.of(node.test) else node.orelse)

    # --- calls -------------------------------------------------------------------------------
    def _call(self, node: ast.Call) -> Any:
        function = self._function(node.func)
        arguments = [self.of(argument) for argument in node.args]
        named = {str(word.arg): self.of(word.value) for word in node.keywords}
        return self._made(function(*arguments, **named))

    def _function(self, node: ast.expr) -> Callable[..., Any]:
        if not isinstance(node, ast.Attribute):
            called = self.of(node)
            if not callable(called):
                raise EvaluationError(f"{called!r:.80} cannot be called")
            return called  # type: ignore[no-any-return]
        owner = self.of(node.value)
        kind = next((kind for kind in METHODS if isinstance(owner, kind)), None)
        if kind is None or node.attr not in METHODS[kind]:
            raise EvaluationError(f"{type(owner).__name__} has no method {node.attr}")
        if node.attr == "replace":
            return lambda *pair: _replaced(owner, *pair)
        if node.attr == "join":
            return lambda parts: _joined(owner, parts)
        return getattr(owner, node.attr)  # type: ignore[no-any-return]

    def _lambda(self, node: ast.Lambda) -> Callable[..., Any]:
        names = [argument.arg for argument in node.args.args]
        defaults = [self.of(default) for default in node.args.defaults]

        def call(*values: Any) -> Any:
            self._step()
            missing = len(names) - len(values)
            if missing:
                values += tuple(defaults[-missing:])
            return self._inside(dict(zip(names, values, strict=True)), node.body)

        return call

    def _inside(self, variables: dict[str, Any], body: ast.expr) -> Any:
        before, self._scope = self._scope, {**self._scope, **variables}
        try:
            return self.of(body)
        finally:
            self._scope = before

    # --- comprehensions ------------------------------------------------------------------------
    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp) -> Any:
        return self._made([self.of(node.elt) for _ in self._turns(node.generators)])

    _generatorexp = _listcomp

    def _setcomp(self, node: ast.SetComp) -> Any:
        return self._made({self.of(node.elt) for _ in self._turns(node.generators)})

    def _dictcomp(self, node: ast.DictComp) -> Any:
        turns = self._turns(node.generators)
        return self._made({self.of(node.key): self.of(node.value) for _ in turns})

    def _turns(self, generators: list[ast.comprehension]) -> Iterator[None]:
        """Each turn of the nested loops, with their variables in the scope."""
        before = self._scope
        self._scope = dict(before)
        try:
            yield from self._nested(generators)
        finally:
            self._scope = before

    def _nested(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield
            return
        loop = generators[0]
        for item in self.of(loop.iter):
            self._step()
            self._bind(loop.target, item)
            if all(self.of(condition) for condition in loop.ifs):
                yield from self._nested(generators[1:])

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._scope[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            for part, one in zip(target.elts, value, strict=True):
                self._bind(part, one)
        else:
            raise EvaluationError("a loop's variable must be a name")


def _refuse_growth(how: type[ast.operator], left: Any, right: Any) -> None:
    """Operators by which a short text makes something huge."""
    if how is ast.Mod and not isinstance(left, int | float):
        raise EvaluationError("% is for numbers")
    if how is ast.Pow and (_bits(left) > MOST_BITS / HIGHEST_POWER or abs(right) > HIGHEST_POWER):
        raise EvaluationError("the power is too high")
    if how is ast.Mult:
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise EvaluationError("* is for numbers")
        if _bits(left) + _bits(right) > MOST_BITS:
            raise EvaluationError("the product is too large")


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _replaced(text: str, old: str, new: str, count: int = -1) -> str:
    if len(text) + (text.count(old) + 1) * len(new) > MOST_CHARACTERS:
        raise EvaluationError("the text would be too large")
    return text.replace(old, new, count)


def _joined(separator: str, parts: Any) -> str:
    texts = list(parts)
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_CHARACTERS:
        raise EvaluationError("the text would be too large")
    return separator.join(texts)
