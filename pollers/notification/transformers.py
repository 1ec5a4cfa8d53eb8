"""The transformers of classic pipelines: those that need one sample only are made.

`unit_conversion` is. `accumulator` holds samples back and lets them all go later, which changes
nothing of what is stored. The others make a meter of several samples: they would need all samples
of a resource in one process, in order and each once, and an agent has none of that. Their
meters are to be asked for where samples are read, from what is stored as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from meters import wire
from pollers.notification.samples import Sample, Unusable, as_type, as_volume
from pollers.pollsters.expressions import EvaluationError, Expression
from telemetry_site.yamlfile import DefinitionError

Transform = Callable[[Sample], Sample]

#: What of a sample an expression may name; dotted names go into its metadata.
_NAMES = ("name", "type", "unit", "volume", "user_id", "project_id", "resource_id")
_METADATA = re.compile(r"\bresource_metadata((?:\.[A-Za-z_]\w*)+)")

#: What stands for a meter that is made of several samples.
INSTEAD = {
    "rate_of_change": "the aggregation rate:mean",
    "delta": "the aggregation rate:mean, or a difference of two reads",
    "aggregator": "an aggregation by a granularity",
    "arithmetic": "an aggregate of several metrics, as (/ (metric A mean) (metric B mean))",
}


@dataclass(frozen=True)
class Derived:
    """A transformer whose meter is not made here. `sentence` says what stands for it."""

    name: str
    target: str

    @property
    def sentence(self) -> str:
        return (
            f"transformer {self.name} makes no {self.target} here: what comes is stored as it is, "
            f"ask for {INSTEAD[self.name]}"
        )


@dataclass(frozen=True)
class Renaming:
    """`map_from` and `map_to` of names or units: a regular expression and its replacement."""

    pattern: re.Pattern[str]
    replacement: str

    def __call__(self, text: str) -> str:
        return self.pattern.sub(self.replacement, text)


@dataclass(frozen=True)
class UnitConversion:
    """Samples of `source_unit` (of any, where there is none) scaled, renamed, capped."""

    source_unit: str | None = None
    renamings: dict[str, Renaming] = field(default_factory=dict)
    target: dict[str, str] = field(default_factory=dict)
    type: wire.SampleType | None = None
    factor: float = 1.0
    scale: Expression | None = None
    metadata: dict[str, list[str]] = field(default_factory=dict)
    most: float | None = None

    def __call__(self, sample: Sample) -> Sample:
        """Raises `Unusable` where the scale has no value for this sample."""
        if self.source_unit is not None and self.source_unit != sample.unit:
            return sample
        volume = self._scaled(sample)
        return replace(
            sample,
            meter=self._mapped("name", sample.meter),
            unit=self._mapped("unit", sample.unit),
            type=self.type or sample.type,
            volume=volume if not self.most else min(volume, self.most),
        )

    def _mapped(self, name: str, text: str) -> str:
        renaming = self.renamings.get(name)
        mapped = renaming(text) if renaming is not None else ""
        return mapped or self.target.get(name, text)

    def _scaled(self, sample: Sample) -> float:
        if self.scale is None:
            return sample.volume * self.factor
        known = {
            "name": sample.meter, "type": sample.type, "unit": sample.unit,
            "volume": sample.volume, "user_id": sample.resource.user_id,
            "project_id": sample.resource.project_id, "resource_id": sample.resource.id,
        }  # fmt: skip
        for name, path in self.metadata.items():
            known[name] = _looked_up(sample.resource.metadata, path)
        try:
            return as_volume(self.scale.evaluate(known), sample.meter)
        except EvaluationError as error:
            raise Unusable(f"{sample.meter}: {error}", sample.meter) from error


def _looked_up(metadata: Any, path: list[str]) -> Any:
    for name in path:
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata


def make_transformer(written: Any) -> Transform | Derived | None:
    """None for one that changes nothing. Raises `DefinitionError`."""
    name = written.get("name") if isinstance(written, dict) else None
    if not isinstance(name, str):
        raise DefinitionError("a transformer is a mapping with 'name'")
    parameters = written.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise DefinitionError(f"transformer {name}: 'parameters' must be a mapping")
    if name == "accumulator":
        return None
    if name == "unit_conversion":
        return _unit_conversion(parameters)
    if name in INSTEAD:
        target = _mapping(parameters, "target")
        return Derived(name, str(target.get("name") or "meter"))
    known = ", ".join(sorted({"accumulator", "unit_conversion", *INSTEAD}))
    raise DefinitionError(f"there is no transformer {name!r:.80}, only {known}")


def _unit_conversion(parameters: dict[str, Any]) -> UnitConversion:
    source, target = _mapping(parameters, "source"), _mapping(parameters, "target")
    try:
        kind = as_type(target["type"], "type") if target.get("type") else None
    except Unusable as error:
        raise DefinitionError(f"unit_conversion: {error}") from error
    most = target.get("max")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | float)):
        raise DefinitionError(f"unit_conversion: max {most!r:.80} is not a number")
    factor, scale, metadata = _scale(target.get("scale"))
    fixed = {key: str(target[key]) for key in ("name", "unit") if target.get(key)}
    unit = source.get("unit")
    return UnitConversion(
        source_unit=None if unit is None else str(unit),
        renamings=_renamings(_mapping(source, "map_from"), _mapping(target, "map_to")),
        target=fixed,
        type=kind,
        factor=factor,
        scale=scale,
        metadata=metadata,
        most=most,
    )


def _renamings(map_from: dict[str, Any], map_to: dict[str, Any]) -> dict[str, Renaming]:
    made = {}
    for name in ("name", "unit"):
        if map_from.get(name) and map_to.get(name):
            try:
                pattern = re.compile(str(map_from[name]))
                pattern.sub(str(map_to[name]), "")
            except (re.error, IndexError) as error:
                raise DefinitionError(f"unit_conversion: map of {name}: {error}") from error
            made[name] = Renaming(pattern, str(map_to[name]))
    return made


def _scale(written: Any) -> tuple[float, Expression | None, dict[str, list[str]]]:
    """(factor, expression, {name in it: path in the metadata}) of a number or an expression."""
    if not written:
        return 1.0, None, {}
    if isinstance(written, int | float):
        return float(written), None, {}
    if not isinstance(written, str):
        raise DefinitionError(f"unit_conversion: scale {written!r:.80} is no expression")
    metadata: dict[str, list[str]] = {}

    def named(found: re.Match[str]) -> str:
        name = f"metadata_{len(metadata)}"
        metadata[name] = found.group(1).removeprefix(".").split(".")
        return name

    text = _METADATA.sub(named, written)
    return 1.0, Expression(text, {*_NAMES, *metadata}), metadata


def _mapping(written: dict[str, Any], key: str) -> dict[str, Any]:
    found = written.get(key) or {}
    if not isinstance(found, dict):
        raise DefinitionError(f"'{key}' must be a mapping")
    return found
