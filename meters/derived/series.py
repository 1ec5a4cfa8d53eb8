"""Derived series: their numbers, and finding them. Of what is stored under the name nothing is.

The number of a derived series is that of its source with its definition's code above it, so it is
known without a row of its own, and larger than that of any stored series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from meters.derived.definitions import Pair, current
from meters.models import Metric
from meters.store.distinct import first_values

#: Below them a series' number, above them a definition's.
SOURCE_BITS = 42
MOST_NAMES = 100_000
_VERSION, _VARIANT, _LOW = 8 << 76, 0b10 << 62, (1 << 62) - 1


class Derived(NamedTuple):
    """A series without a row. `source` is the number of the series that it is made of."""

    pk: int
    source: int
    resource_id: int
    name: str
    unit: str
    type: str

    @property
    def key(self) -> tuple[int, int]:
        """Of those of one name and resource the one with the smallest counts."""
        return current().place[code_of(self.pk)], self.source


def derived(pair: Pair, source: int, resource_id: int, unit: str, type_: str) -> Derived:
    """What is derived of a series with this number, resource, unit and type."""
    definition = pair.definition
    return Derived(
        number_of(definition.code, source), source, resource_id, pair.target,
        definition.unit_of(unit), definition.type_of(type_),
    )  # fmt: skip


def number_of(code: int, source: int) -> int:
    return code << SOURCE_BITS | source


def code_of(number: int) -> int:
    """Of the definition; 0 of a stored series."""
    return number >> SOURCE_BITS


def source_of(number: int) -> int:
    """The number of the series that one is made of; that of a stored one itself."""
    return number & (1 << SOURCE_BITS) - 1


def uuid_of(number: int) -> UUID:
    """As a metric's: of version 8, which no stored one has, and nothing but the number."""
    return UUID(int=_VERSION | _VARIANT | number)


def number_of_uuid(uuid: UUID) -> int | None:
    """None for one that is no derived metric's."""
    number = uuid.int & _LOW
    return number if uuid.int == _VERSION | _VARIANT | number and code_of(number) else None


def derivable(names: Iterable[str]) -> list[Pair]:
    """All ways to meters of these names; none costs no query."""
    return current().giving(set(names), _stored_names)


def find(
    names: Collection[str], sources: QuerySet[Metric], *columns: str, most: int | None = None
) -> list[tuple[Derived, tuple[Any, ...]]]:
    """The derived series of these names, of some `sources` (the first `most` of them that give
    any), by their numbers; each with columns of its source. A resource that has a series of the
    name itself has no derived one."""
    return _of_pairs(derivable(names), sources, columns, most)


def find_numbers(
    numbers: Collection[int], sources: QuerySet[Metric], *columns: str
) -> list[tuple[Derived, tuple[Any, ...]]]:
    """The same of derived series with these numbers."""
    definitions = current()
    known = {number for number in numbers if code_of(number) in definitions.by_code}
    if not known:
        return []
    sources = sources.filter(pk__in=set(map(source_of, known)))
    kinds = sources.order_by().values_list("name", "type").distinct()
    pairs = [pair for kind in kinds for pair in definitions.of_source(*kind)]
    return [one for one in _of_pairs(pairs, sources, columns) if one[0].pk in known]


def are_more(names: Collection[str], sources: QuerySet[Metric], most: int) -> bool:
    """Whether there are more than `most` sources of derived series of these names."""
    pairs = derivable(names)
    return bool(pairs) and sources.filter(_unstored(pairs))[most : most + 1].exists()


def _of_pairs(
    pairs: Sequence[Pair],
    sources: QuerySet[Metric],
    columns: Sequence[str],
    most: int | None = None,
) -> list[tuple[Derived, tuple[Any, ...]]]:
    if not pairs:
        return []
    of_source: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        of_source[pair.source].append(pair)
    found: dict[tuple[int, str], tuple[Derived, tuple[Any, ...]]] = {}
    rows = sources.filter(_unstored(pairs)).order_by("pk")
    for pk, name, unit, type_, resource, *more in rows.values_list(
        "pk", "name", "unit", "type", "resource_id", *columns
    )[:most]:
        for pair in of_source[name]:
            one = derived(pair, pk, resource, unit, type_)
            known = found.get((resource, pair.target))
            if not pair.definition.takes(type_) or (known and known[0].key <= one.key):
                continue
            found[resource, pair.target] = one, tuple(more)
    return sorted(found.values(), key=lambda one: one[0].pk)


def _unstored(pairs: Sequence[Pair]) -> Q:
    """On sources: whose resources have no series of the name that is derived of them."""
    kinds: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for definition, source, target in pairs:
        kinds[target, definition.of_counters].add(source)
    stored = Metric.objects.filter(resource=OuterRef("resource"))
    ways = []
    for (target, of_counters), sources in kinds.items():
        way = Q(name__in=sources) & ~Q(Exists(stored.filter(name=target)))
        ways.append(way & Q(type=Metric.Type.CUMULATIVE) if of_counters else way)
    return reduce(or_, ways)


def _stored_names() -> list[str]:
    return [name for (name,) in first_values(Metric, ("name",), MOST_NAMES)]
