"""Which meters are derived of which: read from classic pipeline files, the operator's before ours.

Of a sink whose only transformer makes one sample of two in a row, each meter that the sink's
sources take gives a meter of the name that the transformer says. Of several definitions that give
one meter of one resource the first one counts. Ours are of counters only: a gauge that is called
`cpu` is something else.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from django.conf import settings

from telemetry_site.conversions import Derivation, read_chain
from telemetry_site.selection import Selection
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, read_yaml
from telemetry_site.yamlfile import Sequence as Listed

log = structlog.get_logger(__name__)

STOCK = Path(__file__).with_name("stock.yaml")
#: Numbers of definitions: 16 bits, and none is 0.
CODES = 0xFFFF
_GROUP = re.compile(r"\\(?:\d+|g<\w+>)")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Definition:
    """`code` stays the same in all processes, and when other definitions come or go (but for two
    that would have the same). `of_counters`: it takes cumulative meters only."""

    code: int
    selections: tuple[Selection, ...]
    derivation: Derivation
    of_counters: bool = False

    def target_of(self, source: str) -> str | None:
        """The meter that is derived of this one; None: none."""
        if not any(one.accepts(source) for one in self.selections):
            return None
        target = self.derivation.conversion.mapped("name", source)
        return target if target != source else None

    def takes(self, type_: str) -> bool:
        """Whether meters of this type."""
        return type_ == "cumulative" or not self.of_counters

    def unit_of(self, unit: str) -> str:
        """A change has the unit of what changes, a rate the one that is said."""
        derivation = self.derivation
        return derivation.conversion.mapped("unit", unit) if derivation.is_rate else unit

    def type_of(self, type_: str) -> str:
        return (self.derivation.conversion.type or type_) if self.derivation.is_rate else "delta"

    @property
    def named_sources(self) -> list[str] | None:
        """All meters that it takes; None where wildcards or exclusions say it."""
        if any(one.excluded or any(map(_WILD.search, one.included)) for one in self.selections):
            return None
        return [name for one in self.selections for name in one.included]

    def may_give(self, target: str) -> bool:
        """Whether a name looks like one that it gives; of some meter, maybe."""
        renaming = self.derivation.conversion.renamings.get("name")
        if renaming is None:
            return target == self.derivation.conversion.target.get("name")
        parts = map(re.escape, _GROUP.split(renaming.replacement))
        return re.search(".*".join(parts), target) is not None


class Pair(NamedTuple):
    """`target` is derived of `source`."""

    definition: Definition
    source: str
    target: str


class Definitions:
    """All that are in use; those before others count."""

    def __init__(self, every: Sequence[Definition]) -> None:
        self.every = tuple(every)
        self.by_code = {one.code: one for one in every}
        self.place = {one.code: place for place, one in enumerate(every)}
        self._named: dict[str, list[Pair]] = {}
        self._wild = [one for one in every if one.named_sources is None]
        for one in every:
            for source in one.named_sources or ():
                target = one.target_of(source)
                if target is not None:
                    self._named.setdefault(target, []).append(Pair(one, source, target))
        self.of_source = lru_cache(maxsize=4096)(self._of_source)

    @property
    def named_targets(self) -> list[str]:
        """What may be derived of meters that definitions name."""
        return list(self._named)

    def giving(
        self, targets: Collection[str], sources: Callable[[], Collection[str]]
    ) -> list[Pair]:
        """All ways to one of the targets. `sources` gives the names of all stored meters; it is
        asked only where a definition with wildcards may give one."""
        found = [pair for target in targets for pair in self._named.get(target, ())]
        wild = [one for one in self._wild if any(map(one.may_give, targets))]
        if wild:
            found += [
                Pair(one, source, target)
                for source in sources()
                for one in wild
                if (target := one.target_of(source)) in targets and target is not None
            ]
        return found

    def _of_source(self, source: str, type_: str) -> tuple[Pair, ...]:
        """What is derived of a meter of this name and type, each name once."""
        found: dict[str, Pair] = {}
        for one in self.every:
            target = one.target_of(source)
            if target is not None and one.takes(type_):
                found.setdefault(target, Pair(one, source, target))
        return tuple(found.values())


def current() -> Definitions:
    """Those of the operator's pipeline file, then ours."""
    return _current(settings.TELEMETRY_METER_PIPELINE)


@lru_cache(maxsize=4)
def _current(pipeline: str) -> Definitions:
    """Read once a process; each fault is said once, in the log."""
    files = [Path(pipeline)] if pipeline else []
    found, faults = load([*files, STOCK])
    for fault in faults:
        log.error("derived meter", fault=str(fault))
    return found


def load(files: Sequence[Path]) -> tuple[Definitions, list[Fault]]:
    """The definitions of pipeline files, and what can't be derived; no fault hides another."""
    every: list[Definition] = []
    faults: list[Fault] = []
    taken: set[int] = set()
    for file in files:
        content, wrong = read_yaml(file)
        faults += wrong
        for sink, line in _sinks(content):
            try:
                chain = read_chain(sink)
                selections = tuple(_selections(content, sink)) if chain.derivation else ()
            except DefinitionError as error:
                text = f"sink {sink.get('name')!r:.80}: {error}"
                faults.append(Fault(str(file), error.line or line, text))
                continue
            if chain.derivation is None:
                name = f"sink {sink.get('name')!r:.80}"
                faults += [Fault(str(file), at, f"{name}: {text}") for at, text in chain.said]
            elif selections:
                target = chain.derivation.conversion.shown_target
                code = _code(f"{sink.get('name')} {target}", taken)
                every.append(Definition(code, selections, chain.derivation, file == STOCK))
    return Definitions(every), faults


def _code(text: str, taken: set[int]) -> int:
    code = zlib.crc32(text.encode()) % CODES + 1
    while code in taken:
        code = code % CODES + 1
    taken.add(code)
    return code


def _sinks(content: Any) -> Iterator[tuple[Mapping, int]]:
    """With their lines. Of a file from before sources and sinks were told apart, each entry."""
    listed = content.get("sinks") if isinstance(content, Mapping) else content
    if isinstance(listed, Listed):
        for written, line in zip(listed, listed.lines, strict=True):
            if isinstance(written, Mapping):
                yield written, line


def _selections(content: Any, sink: Mapping) -> Iterator[Selection]:
    """What goes into a sink. Raises `DefinitionError`."""
    sources = content.get("sources") if isinstance(content, Mapping) else [sink]
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, Mapping) and (source is sink or _leads_to(source, sink)):
            meters = source.get("meters", source.get("counters"))
            yield Selection([meters] if isinstance(meters, str) else meters or [])


def _leads_to(source: Mapping, sink: Mapping) -> bool:
    named = source.get("sinks")
    return isinstance(named, list) and sink.get("name") in named
