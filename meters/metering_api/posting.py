"""Posted samples on their way into the store: the one that every sample goes.

Owner, source and metadata are the resource's own from the sample's time on. Where a list describes
one resource in several ways, several batches of it are stored in one transaction
(`meters.described`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from meters import wire
from meters.api import admission
from meters.described import Described, TooManyDescriptionsError, batches, known_resources
from meters.metering_api import posted as reading
from meters.metering_api.ids import message_id
from meters.metering_api.posted import NO_SAMPLES as NO_SAMPLES
from meters.metering_api.posted import Posted
from meters.models import Metric, Quarantine, Resource
from meters.store.write import StoreResult, store_batches
from meters.wsme.errors import Fault, invalid
from telemetry_site.auth.caller import Caller


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
    """Raises `Fault` for what can't be stored."""
    known = known_resources({one.resource_id for one in samples}, project)
    try:
        return batches([_described(one, known.get(one.resource_id)) for one in samples])
    except (TooManyDescriptionsError, wire.WireError) as error:
        raise invalid("samples", "…", str(error)) from error


def _described(one: Posted, known: Resource | None) -> Described:
    """A resource that is there already stays of its kind."""
    resource = wire.Resource(
        one.resource_id, one.project_id, one.user_id, known.type if known else "generic",
        one.metadata, one.source,
    )  # fmt: skip
    return Described(resource, one.meter, one.unit, one.type, one.timestamp_us, one.volume)
