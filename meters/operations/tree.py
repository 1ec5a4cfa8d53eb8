"""The nodes of operations; `meters.operations.parsing` makes them and checks what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class Reference(NamedTuple):
    """What a client calls a series: a metric's id, name or wildcard, and a stored aggregation."""

    metric: str
    aggregation: str


class Metric(msgspec.Struct, frozen=True):
    """The series of all references, each once."""

    references: tuple[Reference, ...]


class Aggregate(msgspec.Struct, frozen=True):
    """One series: `method`, maybe with ``rate:``, over all series of the nodes at each time."""

    method: str
    nodes: tuple[Node, ...]


class Rolling(msgspec.Struct, frozen=True):
    """`method`, maybe with ``rate:``, over the last `window` rows of each series."""

    method: str
    window: int
    node: Node


class Resample(msgspec.Struct, frozen=True):
    """Each series aggregated anew, in buckets of `span_us` microseconds."""

    method: str
    span_us: int
    node: Node


class Change(msgspec.Struct, frozen=True):
    """The difference to the row before, with `per_second` divided by the time between."""

    per_second: bool
    node: Node


class Math(msgspec.Struct, frozen=True):
    """A function of `meters.operations.functions`, by its first name, value by value."""

    function: str
    arguments: tuple[Node | float, ...]


Node = Metric | Aggregate | Rolling | Resample | Change | Math


def references(node: Node | float) -> tuple[Reference, ...]:
    """What the tree needs, each reference once, in the order of the text."""
    return tuple(dict.fromkeys(_references(node)))


def _references(node: Node | float) -> Iterator[Reference]:
    if isinstance(node, Metric):
        yield from node.references
    for child in children(node):
        yield from _references(child)


def children(node: Node | float) -> tuple[Node | float, ...]:
    match node:
        case Aggregate(nodes=nodes):
            return nodes
        case Rolling(node=child) | Resample(node=child) | Change(node=child):
            return (child,)
        case Math(arguments=arguments):
            return arguments
        case _:
            return ()
