"""The transformers of classic pipelines, as a sink lists them: read once for who takes samples in
and for who reads what is stored.

`unit_conversion` needs one sample only, so it is made of each as it comes. `rate_of_change` and
`delta` need two of one series: they would need all samples of a resource in one process, in order
and each once, and no agent has that. What is stored has it, so they are made where it is read
(`meters.derived`). `accumulator` holds samples back and lets them all go later, which changes
nothing of what is stored. `aggregator` and `arithmetic` are made nowhere: what they give depends on
which samples an agent happened to hold together when it let go of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from telemetry_site.expressions import Expression
from telemetry_site.yamlfile import DefinitionError
from telemetry_site.yamlfile import Mapping as Written
from telemetry_site.yamlfile import Sequence as Listed

#: What of a sample an expression may name; dotted names go into its metadata.
NAMES = ("name", "type", "unit", "volume", "user_id", "project_id", "resource_id")
#: Of these, what is the same for all samples of a series.
SERIES_NAMES = ("name", "type", "unit")
TYPES = ("gauge", "cumulative", "delta")
_METADATA = re.compile(r"\bresource_metadata((?:\.[A-Za-z_]\w*)+)")

#: What stands for a transformer that is made nowhere.
INSTEAD = {
    "aggregator": "an aggregation by a granularity",
    "arithmetic": "an aggregate of several metrics, as (/ (metric A mean) (metric B mean))",
}
DERIVING = ("rate_of_change", "delta")
#: Keys of metadata, from the outside in.
Path = tuple[str, ...]


@dataclass(frozen=True)
class Renaming:
    """`map_from` and `map_to` of names or units: a regular expression and its replacement."""

    pattern: re.Pattern[str]
    replacement: str

    def __call__(self, text: str) -> str:
        return self.pattern.sub(self.replacement, text)


@dataclass(frozen=True)
class Scale:
    """A number, or an expression in which each of `metadata` stands for what is at its path."""

    factor: float = 1.0
    expression: Expression | None = None
    metadata: Mapping[str, Path] = field(default_factory=dict)

    def evaluate(self, fields: Mapping[str, Any], at: Callable[[Path], Any]) -> Any:
        """Of the expression; `at` gives what of the metadata is at a path, None where nothing is.

        Raises `EvaluationError`.
        """
        assert self.expression is not None
        known = {name: at(path) for name, path in self.metadata.items()}
        return self.expression.evaluate({**fields, **known})


@dataclass(frozen=True)
class Conversion:
    """The parameters of a transformer: which samples (of any unit where `source_unit` is None),
    what becomes of their names, units, type and volume."""

    source_unit: str | None = None
    renamings: Mapping[str, Renaming] = field(default_factory=dict)
    target: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None
    scale: Scale = Scale()
    most: float | None = None

    def mapped(self, name: str, text: str) -> str:
        """A sample's `name` or `unit`, which is `text`, as it becomes."""
        renaming = self.renamings.get(name)
        mapped = renaming(text) if renaming is not None else ""
        return mapped or self.target.get(name, text)

    @property
    def shown_target(self) -> str:
        """The name that it gives, as far as it says one."""
        renaming = self.renamings.get("name")
        return renaming.replacement if renaming else self.target.get("name", "meter")


@dataclass(frozen=True)
class Derivation:
    """A meter of two samples of another one in a row: the change a second times the scale, or
    (`is_rate` False) the change itself."""

    conversion: Conversion
    is_rate: bool
    growth_only: bool = False


@dataclass(frozen=True)
class Chain:
    """A sink's transformers: `conversions` are made of each sample as it comes, `derivation` where
    samples are read. `said` are sentences (with their lines) on what isn't made as it comes."""

    conversions: tuple[Conversion, ...] = ()
    derivation: Derivation | None = None
    said: tuple[tuple[int, str], ...] = ()


def read_chain(sink: Written) -> Chain:
    """Raises `DefinitionError` with the line of a transformer that is none."""
    listed = sink.get("transformers") or Listed()
    if not isinstance(listed, Listed):
        raise DefinitionError("'transformers' must be a list", sink.line_of("transformers"))
    read = []
    for one, line in zip(listed, listed.lines, strict=True):
        try:
            name, parameters = _named(one)
        except DefinitionError as error:
            raise DefinitionError(str(error), error.line or line) from error
        if name != "accumulator":
            read.append((name, parameters, line))
    if any(name != "unit_conversion" for name, _, _ in read):
        return _of_several(read)
    return Chain(tuple(_converted(*one) for one in read))


def _named(written: Any) -> tuple[str, dict[str, Any]]:
    name = written.get("name") if isinstance(written, dict) else None
    if not isinstance(name, str):
        raise DefinitionError("a transformer is a mapping with 'name'")
    parameters = written.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise DefinitionError(f"transformer {name}: 'parameters' must be a mapping")
    known = sorted({"accumulator", "unit_conversion", *DERIVING, *INSTEAD})
    if name not in known:
        raise DefinitionError(f"there is no transformer {name!r:.80}, only {', '.join(known)}")
    return name, parameters


def _converted(name: str, parameters: dict[str, Any], line: int) -> Conversion:
    try:
        return _conversion(parameters)
    except DefinitionError as error:
        raise DefinitionError(f"{name}: {error}", error.line or line) from error


def _of_several(read: list[tuple[str, dict[str, Any], int]]) -> Chain:
    """A chain with a transformer that needs several samples: what comes is stored as it is."""
    derivation = None
    said = []
    for name, parameters, line in read:
        if name == "unit_conversion":
            _converted(name, parameters, line)
            continue
        target = parameters.get("target")
        shown = target.get("name") if isinstance(target, dict) else None
        sentence = f"makes no {shown or 'meter'} here: what comes is stored as it is, "
        if name in INSTEAD:
            said.append((line, f"transformer {name} {sentence}ask for {INSTEAD[name]}"))
            continue
        try:
            if len(read) > 1:
                raise DefinitionError("it must be the only transformer of its sink")
            derivation = _derivation(name, parameters)
        except DefinitionError as error:
            said.append((line, f"transformer {name} {sentence}and on reading neither: {error}"))
        else:
            shown = derivation.conversion.shown_target
            text = f"is made where samples are read, as {shown}: what comes is stored as it is"
            said.append((line, f"transformer {name} {text}; the metric API has rate:mean instead"))
    return Chain(derivation=derivation, said=tuple(said))


def _derivation(name: str, parameters: dict[str, Any]) -> Derivation:
    conversion = _conversion(parameters)
    if not conversion.target.get("name") and "name" not in conversion.renamings:
        raise DefinitionError("it gives its meter no name")
    scale = conversion.scale.expression
    of_samples = sorted(scale.names & {*NAMES} - {*SERIES_NAMES}) if scale else []
    if of_samples:
        raise DefinitionError(f"its scale names {of_samples[0]}, which is not the series' own")
    growth_only = parameters.get("growth_only", False)
    if not isinstance(growth_only, bool):
        raise DefinitionError(f"growth_only {growth_only!r:.80} is neither true nor false")
    return Derivation(conversion, name == "rate_of_change", growth_only)


def _conversion(parameters: dict[str, Any]) -> Conversion:
    source, target = _mapping(parameters, "source"), _mapping(parameters, "target")
    type_ = target.get("type")
    if type_ and type_ not in TYPES:
        raise DefinitionError(f"type {type_!r:.80} is not one of {', '.join(TYPES)}")
    most = target.get("max")
    if most is not None and not _is_number(most):
        raise DefinitionError(f"max {most!r:.80} is not a finite number")
    unit = source.get("unit")
    return Conversion(
        source_unit=None if unit is None else str(unit),
        renamings=_renamings(_mapping(source, "map_from"), _mapping(target, "map_to")),
        target={key: str(target[key]) for key in ("name", "unit") if target.get(key)},
        type=type_ or None,
        scale=_scale(target.get("scale")),
        most=most or None,
    )


def _renamings(map_from: dict[str, Any], map_to: dict[str, Any]) -> dict[str, Renaming]:
    made = {}
    for name in ("name", "unit"):
        if map_from.get(name) and map_to.get(name):
            try:
                pattern = re.compile(str(map_from[name]))
                pattern.sub(str(map_to[name]), "")
            except (re.error, IndexError, OverflowError, RecursionError) as error:
                raise DefinitionError(f"map of {name}: {error}") from error
            made[name] = Renaming(pattern, str(map_to[name]))
    return made


def _scale(written: Any) -> Scale:
    if not written:
        return Scale()
    if isinstance(written, int | float):
        if not _is_number(written):
            raise DefinitionError(f"scale {written!r:.80} is not a finite number")
        return Scale(float(written))
    if not isinstance(written, str):
        raise DefinitionError(f"scale {written!r:.80} is no expression")
    metadata: dict[str, Path] = {}

    def named(found: re.Match[str]) -> str:
        name = f"metadata_{len(metadata)}"
        metadata[name] = tuple(found.group(1).removeprefix(".").split("."))
        return name

    text = _METADATA.sub(named, written)
    return Scale(1.0, Expression(text, {*NAMES, *metadata}), metadata)


def _is_number(written: object) -> bool:
    """What a float can hold."""
    if isinstance(written, bool) or not isinstance(written, int | float):
        return False
    return abs(written) <= sys.float_info.max


def _mapping(written: dict[str, Any], key: str) -> dict[str, Any]:
    found = written.get(key) or {}
    if not isinstance(found, dict):
        raise DefinitionError(f"'{key}' must be a mapping")
    return found
