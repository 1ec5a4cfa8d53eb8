"""The nodes of an expression. Durations are microseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: How far back an instant's value may lie, as in Prometheus.
LOOK_BACK_US = 300_000_000
NAME = "__name__"


@dataclass(frozen=True)
class Matcher:
    label: str
    test: Callable[[str], bool]


@dataclass(frozen=True)
class Selector:
    """`range_us` is 0 for the newest value of each series; `name` is the metric's."""

    name: str
    matchers: tuple[Matcher, ...]
    range_us: int = 0
    offset_us: int = 0

    @property
    def reach_us(self) -> int:
        """How far back from the instant it reads."""
        return (self.range_us or LOOK_BACK_US) + self.offset_us

    def matches(self, labels: dict[str, str]) -> bool:
        return labels.get(NAME) == self.name and all(
            one.test(labels.get(one.label, "")) for one in self.matchers
        )


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

    def key(self, labels: dict[str, str]) -> dict[str, str]:
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
    operator: str
    node: Node
    grouping: Grouping


@dataclass(frozen=True)
class Binary:
    """`is_bool`: a comparison gives 0 or 1 instead of choosing."""

    operator: str
    left: Node
    right: Node
    matching: Grouping
    is_bool: bool = False


Node = Selector | Number | Call | Aggregate | Binary


def selectors(node: Node) -> Iterator[Selector]:
    match node:
        case Selector():
            yield node
        case Call():
            for argument in node.arguments:
                yield from selectors(argument)
        case Aggregate():
            yield from selectors(node.node)
        case Binary():
            yield from selectors(node.left)
            yield from selectors(node.right)


def is_scalar(node: Node) -> bool:
    match node:
        case Number():
            return True
        case Call():
            return node.function == "scalar"
        case Binary():
            return is_scalar(node.left) and is_scalar(node.right)
    return False
