"""``/v1/batch``: measures of many metrics in one request, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import making
from meters.metric_api.base import MetricView
from meters.metric_api.errors import bad_request, refusal
from meters.metric_api.finding import metrics_by_ids, metrics_of, parse_uuid, require, target_of
from meters.metric_api.ids import resource_uuid
from meters.metric_api.measures import (
    Posted,
    decode_by_metric,
    decode_by_resource,
    invalid_input,
)
from meters.metric_api.posting import Post, store
from meters.metric_api.resources import MetricDefinition, policies_of
from meters.metric_api.schemas import checked_name
from meters.models import Metric, Resource

Pair = tuple[UUID, str]


class MetricsMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        posted = decode_by_metric(self.raw_body())
        ids = {key: parse_uuid(key) for key in posted}
        for key, identity in ids.items():
            if identity is None:
                raise invalid_input("badly formed hexadecimal UUID string", (key,), of_value=False)
        found = metrics_by_ids({identity for identity in ids.values() if identity})
        unknown = sorted(str(identity) for identity in ids.values() if identity not in found)
        if unknown:
            raise bad_request(f"Unknown metrics: {', '.join(unknown)}")
        for metric in found.values():
            require("post measures", self.caller, target_of(metric))
        store([Post(found[ids[key]], columns) for key, columns in posted.items()])  # type: ignore[index]
        return self.accepted()


class ResourcesMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        caller = self.caller
        creates = self.params.flag("create_metrics")
        names, posted = decode_by_resource(self.raw_body())
        ids = {name: resource_uuid(name, caller.creator) for name in names}
        with transaction.atomic():
            found = _found(ids, posted)
            missing = [one for one in posted if (ids[one.resource_id], one.name) not in found]
            if missing:
                if creates:
                    making.lock_catalogue()
                    found = _found(ids, posted)
                    found |= self._made(ids, found, missing)
                else:
                    raise _unknown(ids, missing)
            for metric in found.values():
                require("post measures", caller, target_of(metric))
            store([Post(found[ids[one.resource_id], one.name], one.columns) for one in posted])
        return self.accepted()

    def _made(
        self, ids: Mapping[str, UUID], found: Mapping[Pair, Metric], missing: Sequence[Posted]
    ) -> dict[Pair, Metric]:
        """The metrics that are still missing, on resources that are there."""
        missing = [one for one in missing if (ids[one.resource_id], one.name) not in found]
        resources = _resources(ids, missing)
        for resource in resources.values():
            require("update resource", self.caller, target_of(resource))
        definitions = [
            (checked_name(one.name), MetricDefinition(one.policy_name, one.unit)) for one in missing
        ]
        wanted = [
            making.NewMetric(policy, one.name, one.unit, resources[ids[one.resource_id]])
            for one, policy in zip(missing, policies_of(definitions), strict=True)
        ]
        made = making.make_metrics(wanted, self.caller)
        return {
            (ids[one.resource_id], one.name): metric
            for one, metric in zip(missing, made, strict=True)
        }


def _found(ids: Mapping[str, UUID], posted: Sequence[Posted]) -> dict[Pair, Metric]:
    rows = Resource.objects.filter(uuid__in={ids[one.resource_id] for one in posted})
    metrics = metrics_of(list(rows.values_list("pk", flat=True)))
    wanted = {(ids[one.resource_id], one.name) for one in posted}
    named = metrics.filter(name__in={one.name for one in posted})
    found = {(metric.resource.uuid, metric.name): metric for metric in named}
    return {pair: metric for pair, metric in found.items() if pair in wanted}


def _unknown(ids: Mapping[str, UUID], missing: Sequence[Posted]) -> Exception:
    named = sorted(f"{ids[one.resource_id]}/{one.name}" for one in missing)
    return bad_request(f"Unknown metrics: {', '.join(named)}")


def _resources(ids: Mapping[str, UUID], missing: Sequence[Posted]) -> dict[UUID, Resource]:
    """Raises the error by which ceilometer's publisher learns what it has to make."""
    wanted = {ids[one.resource_id]: one.resource_id for one in missing}
    found = {resource.uuid: resource for resource in Resource.objects.filter(uuid__in=wanted)}
    unknown = [
        {"resource_id": str(identity), "original_resource_id": name}
        for identity, name in wanted.items()
        if identity not in found
    ]
    if unknown:
        raise refusal("Unknown resources", detail=unknown)
    return found
