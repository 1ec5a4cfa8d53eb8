"""Posted samples on their way into the store: the one that every sample goes.

Owner, source and metadata are the resource's own from the sample's time on. Where a list describes
one resource in several ways, it is stored as several batches in one transaction, in the order of
time, so that each sample finds the description that it came with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from meters import wire
from meters.api import admission
from meters.metering_api import posted as reading
from meters.metering_api.ids import message_id
from meters.metering_api.posted import NO_SAMPLES as NO_SAMPLES
from meters.metering_api.posted import Posted
from meters.models import Metric, Quarantine, Resource
from meters.store.write import StoreResult, store_batches
from meters.wsme.errors import Fault, invalid
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import now_us

AGENT_ID = "api"
#: Ways in which one list may describe one resource: each is a batch of its own.
MOST_DESCRIPTIONS = 1_000


def post(caller: Caller, meter: str, body: Any) -> list[dict[str, Any]]:
    """Store the list, or nothing of it; what is answered. Raises `Fault`."""
    if not caller.is_admin and not caller.project_id:
        raise Fault(403)
    with admission.admitted():
        samples = reading.read(body, meter, caller)
        admission.take(caller.project_id, len(samples))
        with admission.timed_commit(), transaction.atomic():
            ids = _store(samples)
    return [one.shown | {"message_id": ids[id(one)]} for one in samples]


def _store(samples: Sequence[Posted]) -> dict[int, str]:
    """The ids of the samples, by the identity of the object."""
    by_project: dict[str, list[Posted]] = defaultdict(list)
    for one in samples:
        by_project[one.project_id or ""].append(one)
    ids = {}
    for project, some in sorted(by_project.items()):
        for result in store_batches(_batches(some, project), creator=project):
            _refuse_problems(result)
        series = _series(some, project)
        for one in some:
            ids[id(one)] = message_id(series[one.resource_id], one.timestamp_us)
    return ids


def _refuse_problems(result: StoreResult) -> None:
    for problem in result.problems:
        words = dict(Quarantine.Reason.choices)[problem.reason]
        raise invalid("samples", "timestamp", f"{words}: {problem.detail}. Nothing was stored.")


def _series(samples: Sequence[Posted], project: str) -> dict[str, int]:
    """The series of each resource's id: a list is of one meter."""
    rows = Metric.objects.filter(
        name=samples[0].meter,
        resource__creator=project,
        resource__original_id__any=[one.resource_id for one in samples],
    )
    return dict(rows.values_list("resource__original_id", "pk"))


def _batches(samples: Sequence[Posted], project: str) -> list[wire.Batch]:
    """Raises `Fault` where one resource is described in too many ways."""
    known = _types({one.resource_id for one in samples}, project)
    rounds: dict[str, int] = defaultdict(int)
    described: dict[str, wire.Resource] = {}
    parts: dict[int, list[tuple[wire.Resource, Posted]]] = defaultdict(list)
    for one in sorted(samples, key=lambda one: one.timestamp_us):
        resource = wire.Resource(
            one.resource_id, one.project_id, one.user_id, known.get(one.resource_id, "generic"),
            one.metadata, one.source,
        )  # fmt: skip
        if described.setdefault(one.resource_id, resource) != resource:
            described[one.resource_id] = resource
            rounds[one.resource_id] += 1
        parts[rounds[one.resource_id]].append((resource, one))
    if len(parts) > MOST_DESCRIPTIONS:
        words = f"At most {MOST_DESCRIPTIONS} descriptions of one resource are taken at once."
        raise invalid("samples", "…", words)
    return [_batch(part) for _, part in sorted(parts.items())]


def _types(resource_ids: Iterable[str], project: str) -> dict[str, str]:
    """What kind the resources that are there already are."""
    rows = Resource.objects.of_creator(project).filter(original_id__any=list(resource_ids))
    return dict(rows.values_list("original_id", "type"))


def _batch(part: Sequence[tuple[wire.Resource, Posted]]) -> wire.Batch:
    resources = {resource.id: resource for resource, _ in part}
    places = {name: place for place, name in enumerate(resources)}
    series: dict[wire.Series, int] = {}
    rows = [
        series.setdefault(
            wire.Series(places[one.resource_id], one.meter, one.unit, one.type), len(series)
        )
        for _, one in part
    ]
    catalogue = wire.Catalogue(list(resources.values()), list(series))
    columns = [one.timestamp_us for _, one in part], [one.volume for _, one in part]
    try:
        samples = wire.pack_samples(catalogue, rows, *columns)
    except wire.WireError as error:
        raise invalid("samples", "…", str(error)) from error
    return wire.Batch(
        v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id=AGENT_ID, created_at=now_us(),
        samples=samples,
    )  # fmt: skip
