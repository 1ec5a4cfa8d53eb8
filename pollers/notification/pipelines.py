"""pipeline.yaml and event_pipeline.yaml: which samples and events go where, and in which form.

``{sources: [{name, meters (or events), sinks}], sinks: [{name, publishers, transformers}]}``;
older files are a list of ``{name, meters (or counters), publishers, transformers}``. What no
source selects is let go. What goes through several sinks and comes out the same is stored once, and
handed to each target once. A sink whose publishers are all targets of ours stores nothing.

A file with a source or sink that is wrong is not used: half of it would lose data silently, so
everything is kept until it is right. What has no effect is named, and the rest counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pollers.notification import publishers
from pollers.notification.samples import Outcome, Sample, Unusable
from pollers.notification.transformers import Transform, UnitConversion
from pollers.publishers.targets import Target
from telemetry_site.conversions import read_chain
from telemetry_site.selection import Selection
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, read_yaml, unknown_keys
from telemetry_site.yamlfile import Sequence as Listed

_SOURCE_KEYS = {"name", "sinks", "meters", "counters", "events"}
#: Of files that said what is polled, too; polling.yaml does now.
_POLLING_KEYS = {"interval", "resources", "discovery"}
_SINK_KEYS = {"name", "publishers", "transformers"}


@dataclass(frozen=True)
class Sink:
    """What is made of a sample, and where it goes."""

    chain: tuple[Transform, ...] = ()
    is_stored: bool = True
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Route:
    """What a source takes, and the sinks that it goes through."""

    selection: Selection
    sinks: tuple[Sink, ...]


class Pipelines:
    """All routes of a file, for samples or for events."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self.sinks_of = lru_cache(maxsize=4096)(self._sinks_of)

    def _sinks_of(self, name: str) -> tuple[Sink, ...]:
        """Without repetition: a sink that two sources name does its work once."""
        found = [sink for route in self.routes if route.selection.accepts(name)
                 for sink in route.sinks]  # fmt: skip
        return tuple({id(sink): sink for sink in found}.values())

    @property
    def targets(self) -> list[Target]:
        """All that are named, each once."""
        found = [target for route in self.routes for sink in route.sinks for target in sink.targets]
        return list(dict.fromkeys(found))

    def stores(self, name: str) -> bool:
        return any(sink.is_stored for sink in self.sinks_of(name))

    def targets_of(self, name: str) -> list[str]:
        """Names of the targets that are to be handed it; some get all that is stored anyway."""
        stored = self.stores(name)
        found = [target for sink in self.sinks_of(name) for target in sink.targets]
        return list(dict.fromkeys(one.name for one in found if not (stored and one.gets_all)))

    def pass_through(self, outcome: Outcome) -> None:
        """Leave in `outcome` what the sinks make of its samples, to be stored and handed on."""
        samples, outcome.samples = outcome.samples, []
        for sample in samples:
            made: list[Sample] = []
            handed: dict[Target, list[Sample]] = {}
            for sink in self.sinks_of(sample.meter):
                try:
                    result = _transformed(sample, sink.chain)
                except Unusable as error:
                    outcome.failures.append(error)
                    continue
                if sink.is_stored and result not in made:
                    made.append(result)
                for target in sink.targets:
                    of_target = handed.setdefault(target, [])
                    if result not in of_target:
                        of_target.append(result)
            outcome.samples += made
            for target, results in handed.items():
                new = [one for one in results if not (target.gets_all and one in made)]
                if new:
                    outcome.published.setdefault(target.name, []).extend(new)


def _transformed(sample: Sample, chain: tuple[Transform, ...]) -> Sample:
    for transform in chain:
        sample = transform(sample)
    return sample


@dataclass
class _Reading:
    """A file being read. `what` is "meters" or "events"."""

    file: Path
    what: str
    faults: list[Fault]
    sinks: dict[str, Sink] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    wrong: bool = False

    def refuse(self, line: int, text: str) -> None:
        """A fault with which the file cannot be used."""
        self.wrong = True
        self.fault(line, text)

    def fault(self, line: int, text: str, is_note: bool = False) -> None:
        self.faults.append(Fault(str(self.file), line, text, is_note))


def load_pipelines(file: Path, what: str = "meters") -> tuple[Pipelines | None, list[Fault]]:
    """None where the file cannot be used: then everything is to be kept."""
    content, faults = read_yaml(file)
    reading = _Reading(file, what, faults)
    if isinstance(content, Listed):
        _classic(reading, content)
    elif isinstance(content, Mapping) and "sources" in content and "sinks" in content:
        reading.faults += unknown_keys(
            reading.file, content, {"sources", "sinks"}, "a pipeline file"
        )
        for written, line in _entries(reading, content, "sinks"):
            _sink(reading, written, line)
        for written, line in _entries(reading, content, "sources"):
            _source(reading, written, line)
    elif not faults:
        reading.fault(1, "Both sources & sinks are required")
    if reading.wrong or not reading.routes:
        reading.fault(0, f"the file is not used, so all {what} are kept")
        return None, faults
    return Pipelines(list(reading.routes.values())), faults


def _classic(reading: _Reading, content: Listed) -> None:
    """A list: each entry is a source with a sink of its own."""
    for written, line in zip(content, content.lines, strict=True):
        _sink(reading, written, line, _SOURCE_KEYS | _POLLING_KEYS)
        if isinstance(written, Mapping) and written.get("name") in reading.sinks:
            written["sinks"] = [written["name"]]
            _source(reading, written, line, _SINK_KEYS)


def _entries(reading: _Reading, content: Mapping, key: str) -> Iterator[tuple[Any, int]]:
    entries = content[key]
    if not isinstance(entries, Listed):
        reading.refuse(content.line_of(key), f"'{key}' must be a list")
        return
    yield from zip(entries, entries.lines, strict=True)


# --- sinks -------------------------------------------------------------------------------------


def _sink(reading: _Reading, written: Any, line: int, beside: Collection[str] = ()) -> None:
    try:
        name = _name(written, line, reading.sinks, "sink")
        reading.faults += unknown_keys(
            reading.file, written, {*_SINK_KEYS, *beside}, f"sink {name!r}"
        )
        is_stored, targets = _publishers(reading, written, name)
        chain = _chain(reading, written, name)
        reading.sinks[name] = Sink(chain, is_stored, tuple(dict.fromkeys(targets)))
    except DefinitionError as error:
        reading.refuse(error.line or line, str(error))


def _publishers(reading: _Reading, written: Mapping, name: str) -> tuple[bool, list[Target]]:
    """(whether the store is one of them, the others)."""
    line = written.line_of("publishers")
    listed = written.get("publishers")
    if not listed or not isinstance(listed, Listed):
        raise DefinitionError(f"sink {name!r}: No publisher specified", line)
    found = [publishers.read(one, reading.what) for one in listed]
    for one, place in zip(found, listed.lines, strict=True):
        for said in one.said:
            reading.fault(place, f"sink {name!r}: {said}")
    targets = [one.target for one in found if one.target is not None]
    return len(targets) < len(found), targets


def _chain(reading: _Reading, written: Mapping, name: str) -> tuple[Transform, ...]:
    """What is made of each sample as it comes; what isn't is said."""
    try:
        chain = read_chain(written)
    except DefinitionError as error:
        raise DefinitionError(f"sink {name!r}: {error}", error.line) from error
    for line, said in chain.said:
        is_made = chain.derivation is not None
        reading.fault(line, f"sink {name!r}: {said}", is_note=is_made)
    return tuple(map(UnitConversion, chain.conversions))


# --- sources -----------------------------------------------------------------------------------


def _source(reading: _Reading, written: Any, line: int, beside: Collection[str] = ()) -> None:
    try:
        name = _name(written, line, reading.routes, "source")
        reading.faults += unknown_keys(
            reading.file, written, {*_SOURCE_KEYS, *_POLLING_KEYS, *beside}, f"source {name!r}"
        )
        _unused(reading, written, name)
        selection = _selection(reading, written, name)
        reading.routes[name] = Route(selection, _sinks(reading, written, name))
    except DefinitionError as error:
        reading.refuse(error.line or line, str(error))


def _unused(reading: _Reading, written: Mapping, name: str) -> None:
    other = "events" if reading.what == "meters" else "meters"
    if other in written:
        text = f"source {name!r}: '{other}' has no effect in a pipeline of {reading.what}"
        reading.fault(written.line_of(other), text)
    for key in sorted(_POLLING_KEYS & written.keys()):
        text = f"source {name!r}: '{key}' has no effect here, polling.yaml says what is polled"
        reading.fault(written.line_of(key), text)


def _selection(reading: _Reading, written: Mapping, name: str) -> Selection:
    key = reading.what
    if key == "meters" and "meters" not in written and "counters" in written:
        key = "counters"
    listed = written.get(key)
    line = written.line_of(key)
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, list):
        raise DefinitionError(f"source {name!r}: Missing {reading.what} value", line)
    try:
        return Selection(listed, reading.what)
    except DefinitionError as error:
        raise DefinitionError(f"source {name!r}: {error}", line) from error


def _sinks(reading: _Reading, written: Mapping, name: str) -> tuple[Sink, ...]:
    listed, line = written.get("sinks"), written.line_of("sinks")
    if not listed or not isinstance(listed, list):
        raise DefinitionError(f"No sink defined in source {name}", line)
    for sink in listed:
        if not isinstance(sink, str) or sink not in reading.sinks:
            raise DefinitionError(f"Dangling sink {sink!s:.80} from source {name}", line)
    return tuple(reading.sinks[sink] for sink in listed)


# --- both --------------------------------------------------------------------------------------


def _name(written: Any, line: int, known: dict[str, Any], what: str) -> str:
    if not isinstance(written, Mapping):
        raise DefinitionError(f"a {what} is a mapping", line)
    name = written.get("name")
    if not isinstance(name, str) or not name:
        raise DefinitionError("Required field name not specified", line)
    if name in known:
        raise DefinitionError(f"Duplicated {what} names: {name}", line)
    return name
