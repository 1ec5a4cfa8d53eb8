"""What a sink makes of one sample: the transformers of classic pipelines that need no other one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from meters import wire
from pollers.notification.samples import Sample, Unusable, as_volume
from telemetry_site.conversions import Conversion, Path
from telemetry_site.expressions import EvaluationError

Transform = Callable[[Sample], Sample]


@dataclass(frozen=True)
class UnitConversion:
    """Samples of the conversion's unit scaled, renamed, capped; all others as they are."""

    conversion: Conversion

    def __call__(self, sample: Sample) -> Sample:
        """Raises `Unusable` where the scale has no value for this sample."""
        made = self.conversion
        if made.source_unit is not None and made.source_unit != sample.unit:
            return sample
        volume = self._scaled(sample)
        return replace(
            sample,
            meter=made.mapped("name", sample.meter),
            unit=made.mapped("unit", sample.unit),
            type=cast("wire.SampleType", made.type) if made.type else sample.type,
            volume=volume if made.most is None else min(volume, made.most),
        )

    def _scaled(self, sample: Sample) -> float:
        scale = self.conversion.scale
        if scale.expression is None:
            return sample.volume * scale.factor
        metadata = sample.resource.metadata
        known = {
            "name": sample.meter, "type": sample.type, "unit": sample.unit,
            "volume": sample.volume, "user_id": sample.resource.user_id,
            "project_id": sample.resource.project_id, "resource_id": sample.resource.id,
        }  # fmt: skip
        try:
            return as_volume(scale.evaluate(known, partial(_looked_up, metadata)), sample.meter)
        except EvaluationError as error:
            raise Unusable(f"{sample.meter}: {error}", sample.meter) from error


def _looked_up(metadata: Any, path: Path) -> Any:
    for name in path:
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata
