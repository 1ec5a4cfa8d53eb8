"""How samples, meters, resources and statistics look in answers: ceilometer's fields."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

from meters.classic_statistics import Statistic
from meters.metering_api.ids import message_id
from meters.metering_api.metadata import flat
from meters.metering_api.reading import Sample
from meters.metering_api.stretches import Revision, Stretch
from meters.models import ResourceRevision
from telemetry_site.clock import from_us


def time_text(timestamp_us: int) -> str:
    """UTC without a zone; a fraction only where there is one."""
    return from_us(timestamp_us).replace(tzinfo=None).isoformat()


def source_of(revision: Revision) -> str:
    """What was pushed without one has the usual one."""
    return revision.source or settings.TELEMETRY_SAMPLE_SOURCE


def metadata_of(stretches: Sequence[Stretch]) -> dict[int, dict[str, str]]:
    """Flat metadata of the stretches' revisions, by the revision's id."""
    wanted = {one.revision.pk for one in stretches}
    rows = ResourceRevision.objects.filter(pk__any=wanted).values_list("pk", "metadata")
    return {pk: flat(metadata) for pk, metadata in rows}


def samples_json(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    metadata = metadata_of([one.stretch for one in samples])
    return [_sample(one, metadata) for one in samples]


def _sample(one: Sample, metadata: Mapping[int, dict[str, str]]) -> dict[str, Any]:
    series, revision = one.stretch
    return {
        "id": message_id(series.pk, one.timestamp_us),
        "meter": series.name,
        "type": series.type,
        "unit": series.unit,
        "volume": one.value,
        "user_id": revision.user_id,
        "project_id": revision.project_id,
        "resource_id": series.resource_id,
        "source": source_of(revision),
        "timestamp": time_text(one.timestamp_us),
        "recorded_at": time_text(one.timestamp_us),
        "metadata": metadata.get(revision.pk, {}),
    }


#: Of an old sample, in ceilometer's order → of a sample.
_OLD = {
    "source": "source", "counter_name": "meter", "counter_type": "type", "counter_unit": "unit",
    "counter_volume": "volume", "user_id": "user_id", "project_id": "project_id",
    "resource_id": "resource_id", "timestamp": "timestamp", "recorded_at": "recorded_at",
    "resource_metadata": "metadata", "message_id": "id",
}  # fmt: skip


def old_samples_json(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    return [{old: new[name] for old, name in _OLD.items()} for new in samples_json(samples)]


def meter_id(resource_id: str | None, name: str) -> str:
    return base64.b64encode(f"{resource_id}+{name}".encode()).decode()


def meter_json(stretch: Stretch) -> dict[str, Any]:
    series, revision = stretch
    return {
        "name": series.name,
        "type": series.type,
        "unit": series.unit,
        "resource_id": series.resource_id,
        "project_id": revision.project_id,
        "user_id": revision.user_id,
        "source": source_of(revision),
        "meter_id": meter_id(series.resource_id, series.name),
    }


def unique_meter_json(stretch: Stretch) -> dict[str, Any]:
    """A meter, whichever resources have it."""
    nobody = dict.fromkeys(("resource_id", "project_id", "user_id", "source"))
    own = {"meter_id": meter_id(None, stretch.series.name)}
    return meter_json(stretch) | nobody | own


def resource_links(root: str, resource_id: str, meters: Sequence[str]) -> list[dict[str, str]]:
    """`root` is the door's address."""
    own = {"href": f"{root}/v2/resources/{quote(resource_id, safe='')}", "rel": "self"}
    query = urlencode([("q.field", "resource_id"), ("q.value", resource_id)])
    return [own] + [
        {"href": f"{root}/v2/meters/{quote(name, safe='')}?{query}", "rel": name} for name in meters
    ]


#: The usual functions, in ceilometer's order.
STANDARD = ("min", "max", "avg", "sum", "count")


def statistic_json(
    row: Statistic,
    unit: str,
    group: Mapping[str, Any] | None,
    period_s: int,
    aggregates: Sequence[tuple[str, str]] | None,
) -> dict[str, Any]:
    """`aggregates` None: the usual functions; else those, as (function, parameter)."""
    found: dict[str, Any] = {"groupby": group, "unit": unit}
    wanted = STANDARD if aggregates is None else [name for name, _ in aggregates]
    values: Mapping[str, Any] = row
    found |= {name: values[name] for name in STANDARD if name in wanted}
    if aggregates is not None:
        found["aggregate"] = {
            f"{name}/{parameter}" if parameter else name: _aggregate(row, name, parameter)
            for name, parameter in aggregates
        }
    start, end = row["duration_start"], row["duration_end"]
    return found | {
        "duration": row["duration"],
        "duration_start": None if start is None else time_text(start),
        "duration_end": None if end is None else time_text(end),
        "period": period_s,
        "period_start": time_text(row["period_start"]),
        "period_end": time_text(row["period_end"]),
    }


def _aggregate(row: Statistic, name: str, parameter: str) -> float | None:
    """Always a float; None where it overflows one."""
    values: Mapping[str, Any] = row
    value = row["cardinality"][parameter] if parameter else values[name]
    return None if value is None else float(value)
