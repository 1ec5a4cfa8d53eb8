"""Rules joined by "and" and "or", nested at will (alarms.md 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from alarms.choices import Type
from alarms.definition.threshold import (
    ClassicThreshold,
    GroupThreshold,
    MetricsThreshold,
    PromqlThreshold,
    ResourceThreshold,
)
from alarms.errors import DefinitionError

Part = ResourceThreshold | MetricsThreshold | GroupThreshold | ClassicThreshold | PromqlThreshold
PARTS: dict[str, type[Part]] = {
    Type.RESOURCE_THRESHOLD: ResourceThreshold,
    Type.METRICS_THRESHOLD: MetricsThreshold,
    Type.GROUP_THRESHOLD: GroupThreshold,
    Type.PROMETHEUS: PromqlThreshold,
    Type.CLASSIC_THRESHOLD: ClassicThreshold,
}
OPERATORS = ("and", "or")
MAX_PARTS = 100
MAX_DEPTH = 16


class SubRule(msgspec.Struct, frozen=True):
    """One of the rules that are joined; `name` is rule1, rule2 … in the order of the document."""

    name: str
    type: str
    rule: Part


class Junction(msgspec.Struct, frozen=True):
    """`operator` is "and" or "or"."""

    operator: str
    parts: tuple[Junction | SubRule, ...]


class CompositeRule(msgspec.Struct, frozen=True):
    root: Junction | SubRule

    @property
    def sub_rules(self) -> list[SubRule]:
        """Depth first, as they are named."""
        return list(_walk(self.root))

    @property
    def form(self) -> str:
        """``(rule1 and (rule2 or rule3))``"""
        return _form(self.root)


def parse_composite(rule: dict[str, Any], parse: Callable[[str, Any], Part]) -> CompositeRule:
    """`parse(type, fields)` reads one of the joined rules. Raises `DefinitionError`."""
    return CompositeRule(_Reader(parse).read(rule, "rule", MAX_DEPTH))


def as_document(node: Junction | SubRule) -> dict[str, Any]:
    """The node as it is stored and shown, with every default filled in."""
    if isinstance(node, SubRule):
        return {**msgspec.to_builtins(node.rule), "type": node.type}
    return {node.operator: [as_document(part) for part in node.parts]}


class _Reader:
    """Numbers the rules while it goes down."""

    def __init__(self, parse: Callable[[str, Any], Part]) -> None:
        self.parse = parse
        self.count = 0

    def read(self, node: Any, where: str, depth: int) -> Junction | SubRule:
        if not isinstance(node, dict) or not node:
            raise _shapeless(node, where)
        if depth < 1:
            raise DefinitionError(where, f"goes deeper than {MAX_DEPTH} levels")
        return self._junction(node, where, depth) if len(node) == 1 else self._sub(node, where)

    def _junction(self, node: dict[str, Any], where: str, depth: int) -> Junction:
        [(operator, parts)] = node.items()
        if operator not in OPERATORS:
            text = 'Threshold rules should be combined with "and" or "or"'
            raise DefinitionError(where, text, text)
        if not isinstance(parts, list) or not parts:
            raise _shapeless(node, where)
        read = [
            self.read(part, f"{where}.{operator}[{place}]", depth - 1)
            for place, part in enumerate(parts)
        ]
        return Junction(operator, tuple(read))

    def _sub(self, node: dict[str, Any], where: str) -> SubRule:
        fields = dict(node)
        kind = fields.pop("type", None)
        if kind is None:
            raise DefinitionError(where, "needs a type", "type must be set in every rule")
        if kind not in PARTS if isinstance(kind, str) else True:
            known = [str(name) for name in PARTS]
            text = f"Unsupported sub-rule type :{kind} in composite rule, should be one of: {known}"
            raise DefinitionError(f"{where}.type", text, text)
        self.count += 1
        if self.count > MAX_PARTS:
            raise DefinitionError("rule", f"joins more than {MAX_PARTS} rules")
        name = f"rule{self.count}"
        try:
            return SubRule(name, str(kind), self.parse(kind, fields))
        except DefinitionError as error:
            place = where + error.field.removeprefix("rule")
            raise DefinitionError(place, error.detail, error.fault) from error


def _shapeless(node: Any, where: str) -> DefinitionError:
    fault = (
        f'Invalid input composite rule: {node}, it should be a dict with an "and" or "or" as key, '
        "and the value of dict should be a list of basic threshold rules or sub composite rules, "
        "can be nested."
    )
    text = 'must be an object with "and" or "or" and a list of rules, or a rule with its type'
    return DefinitionError(where, text, fault)


def _walk(node: Junction | SubRule) -> Iterator[SubRule]:
    if isinstance(node, SubRule):
        yield node
        return
    for part in node.parts:
        yield from _walk(part)


def _form(node: Junction | SubRule) -> str:
    if isinstance(node, SubRule):
        return node.name
    return f"({f' {node.operator} '.join(map(_form, node.parts))})"
