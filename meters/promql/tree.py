"""The nodes of an expression. Durations are microseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from meters.promql.tables import NAME, Labels

#: How far back an instant's value may lie, as in Prometheus.
LOOK_BACK_US = 300_000_000


COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")


@dataclass(frozen=True)
class Matcher:
    """`equals`: the text where it wants just that."""

    label: str
    test: Callable[[str], bool]
    equals: str | None = None


@dataclass(frozen=True)
class Selector:
    """`range_us` is 0 for the newest value of each series; `name` is the metric's, "" where the
    matchers alone say which."""

    name: str
    matchers: tuple[Matcher, ...]
    range_us: int = 0
    offset_us: int = 0

    @property
    def reach_us(self) -> int:
        """How far back from the instant it reads."""
        return (self.range_us or LOOK_BACK_US) + self.offset_us

    def matches(self, labels: Labels) -> bool:
        return (not self.name or labels.get(NAME) == self.name) and all(
            one.test(labels.get(one.label, "")) for one in self.matchers
        )

    @property
    def wanted(self) -> Labels:
        """The labels that it wants to be equal to a text."""
        return {one.label: one.equals for one in self.matchers if one.equals}


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


class Grouping(NamedTuple):
    """By these labels, or by all but these."""

    labels: tuple[str, ...]
    is_without: bool

    def key(self, labels: Labels) -> Labels:
        """Those labels that say which elements belong together."""
        if self.is_without:
            return {
                name: value
                for name, value in labels.items()
                if name not in self.labels and name != NAME
            }
        return {name: labels[name] for name in self.labels if labels.get(name)}


@dataclass(frozen=True)
class Aggregate:
    """`parameter`: the number that some operators take."""

    operator: str
    node: Node
    grouping: Grouping
    parameter: Node | None = None


@dataclass(frozen=True)
class Binary:
    """`is_bool`: a comparison gives 0 or 1 instead of choosing. `many` is "left" or "right" where
    several elements of that side belong to one of the other, whose labels `included` they get."""

    operator: str
    left: Node
    right: Node
    matching: Grouping
    is_bool: bool = False
    many: str = ""
    included: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether it leaves elements as they are, or out."""
        return self.operator in COMPARISONS and not self.is_bool


Node = Selector | Number | Call | Aggregate | Binary


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Call():
            return node.arguments
        case Aggregate():
            return (node.node,) if node.parameter is None else (node.node, node.parameter)
        case Binary():
            return (node.left, node.right)
    return ()


def selectors(node: Node) -> Iterator[Selector]:
    if isinstance(node, Selector):
        yield node
    for child in children(node):
        yield from selectors(child)


def is_scalar(node: Node) -> bool:
    match node:
        case Number():
            return True
        case Call():
            return node.function in ("scalar", "time")
        case Binary():
            return is_scalar(node.left) and is_scalar(node.right)
    return False
