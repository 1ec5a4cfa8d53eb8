"""``/v1/influxdb``: measures from whatever writes to an InfluxDB, Telegraf above all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

import numpy as np
from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import resources
from meters.metric_api.base import MetricView
from meters.metric_api.errors import ApiError, refusal
from meters.metric_api.finding import require, resource_type
from meters.metric_api.lineprotocol import Line, LineError, parse_lines
from meters.metric_api.measures import Batch, Columns, Wanted
from meters.metric_api.posting import store_by_name
from meters.metric_api.times import LATEST_US
from meters.metric_api.views.root import BUILD, OpenView
from meters.models import ResourceType
from telemetry_site.clock import now_us

_CREATE = re.compile(r'create\s+database\s+("(?P<quoted>[^"]+)"|(?P<bare>[^\s;]+))\s*;?\s*', re.I)
#: Which tag is the resource's id.
_TAG_HEADER = "X-Gnocchi-InfluxDB-Tag-Resource-ID"
_DEFAULT_TAG = "host"


class Ping(OpenView):
    produces = "text/plain"
    http_method_names = ["get"]

    def get(self, request: Request) -> HttpResponse:
        response = self.no_content()
        response["X-Influxdb-Version"] = f"Gnocchi {BUILD}"
        return response


class Query(MetricView):
    """Only the making of a database, which is a resource type here."""

    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        caller = self.caller
        text = self.params.text("q") or request.POST.get("q")
        if text is None:
            return self.no_content()
        match = _CREATE.fullmatch(text.strip())
        if match is None:
            raise refusal("Not implemented error", 501, detail="q", reason="Query not implemented")
        require("create resource type", caller)
        ResourceType.objects.get_or_create(name=match["quoted"] or match["bare"])
        return self.no_content()


class Write(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        caller = self.caller
        require("create resource", caller)
        kind = resource_type(self.params.text("db") or "influxdb")
        tag = request.headers.get(_TAG_HEADER, _DEFAULT_TAG)
        posted = read_posted(self.any_body(), tag)
        with transaction.atomic():
            resources.ensure(caller, kind, {one.resource_id: {} for one in posted.keys})
            store_by_name(caller, posted, creates=True)
        return self.no_content()


def read_posted(body: bytes, tag: str) -> Batch[Wanted]:
    """Raises `ApiError`."""
    try:
        return _collected(parse_lines(body.decode()), tag)
    except LineError as error:
        raise refusal("Value error", detail="line", reason=str(error)) from error
    except UnicodeDecodeError as error:
        raise refusal("Value error", detail="line", reason=f"No UTF-8: {error}") from error


def _collected(lines: Iterable[Line], tag: str) -> Batch[Wanted]:
    arrived_us = now_us()
    rows: dict[Wanted, list[tuple[int, float]]] = defaultdict(list)
    for line in lines:
        if tag not in line.tags:
            raise refusal("Value error", detail="key", reason=f"Unable to find key `{tag}' in tags")
        moment_us = arrived_us if line.time_ns is None else line.time_ns // 1000
        if not 0 <= moment_us <= LATEST_US:
            raise _out_of_time(line)
        for name, value in line.fields.items():
            key = Wanted(line.tags[tag].replace("/", "_"), _metric_name(line, name, tag))
            rows[key].append((moment_us, value))
    every = list(chain.from_iterable(rows.values()))
    times = np.array([moment_us for moment_us, _ in every], dtype=np.int64)
    values = np.array([value for _, value in every], dtype=np.float64)
    return Batch(list(rows), list(map(len, rows.values())), Columns(times, values))


def _out_of_time(line: Line) -> ApiError:
    reason = f"The time {line.time_ns} ns is not between 1970 and 2262"
    return refusal("Value error", detail="line", reason=reason)


def _metric_name(line: Line, field: str, tag: str) -> str:
    others = ",".join(f"{key}={line.tags[key]}" for key in sorted(line.tags) if key != tag)
    name = f"{line.measurement}.{field}" + (f"@{others}" if others else "")
    return name.replace("/", "_")
