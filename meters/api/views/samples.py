"""Samples: reading them page by page, exporting them, posting them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from meters.api import admission, ingest, pages, serializers
from meters.api.base import ApiView
from meters.api.bodies import RawJSONParser
from meters.api.errors import BadParameterError
from meters.api.exports import FORMAT, RENDERERS, table_response, wanted_format
from meters.api.filters import SeriesFilters
from meters.api.pagination import (
    CURSOR,
    DEFAULT_LIMIT,
    LIMIT,
    link_to,
    page_response,
)
from meters.api.params import Param, choice, moment, name_text
from meters.api.projects import project_to_write
from meters.api.schema import POSTED_SCHEMA
from meters.api.series import one_visible, visible_series
from meters.api.tables import samples_table
from meters.models import Metric
from meters.wire import EARLIEST_US, LATEST_US
from telemetry_site import clock
from telemetry_site.auth.principal import Scope
from telemetry_site.clock import from_us

START = Param("start", moment, "From this time on.", OpenApiTypes.DATETIME)
STOP = Param("stop", moment, "Before this time.", OpenApiTypes.DATETIME)
ORDERS = ("newest", "oldest")
ORDER = Param("order", choice(ORDERS), "newest (unless told) or oldest first.", choices=ORDERS)
PROJECT = Param("project_id", name_text, "Whose samples these are; needed in several projects.")


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A cursor of samples: the order it belongs to, where to go, and from which position on."""

    order: Literal["newest", "oldest"]
    direction: Literal["next", "previous"]
    timestamp_us: int
    series: int

    def encode(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def decode_mark(text: str, order: str) -> Mark:
    try:
        padded = text + "=" * (-len(text) % 4)
        raw = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        mark = msgspec.json.decode(raw, type=Mark)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadParameterError("cursor", "This is not a cursor of samples.") from error
    in_bounds = EARLIEST_US <= mark.timestamp_us <= LATEST_US and 0 <= mark.series < 2**63
    if mark.order != order or not in_bounds:
        raise BadParameterError("cursor", "This is not a cursor of this query.")
    return mark


class SampleReader(ApiView):
    """What both ways of reading samples share. As a table all of them go out, not a page."""

    serializer_class = serializers.SampleSerializer
    renderer_classes = RENDERERS
    params: Sequence[Param[Any]] = (START, STOP, ORDER, LIMIT, CURSOR, FORMAT)

    def answer(self, metrics: list[Metric]) -> HttpResponseBase:
        bounds = self._bounds(metrics)
        order = self.read(ORDER) or "newest"
        wanted = wanted_format(self.request)
        if wanted != "json":
            metrics = sorted(metrics, key=lambda metric: metric.pk)
            found = pages.stream(self.principal, metrics, bounds, order == "newest")
            return table_response("samples", wanted, samples_table(metrics, found))
        text = self.read(CURSOR)
        mark = decode_mark(text, order) if text else None
        return self._page(metrics, bounds, order, mark)

    def _bounds(self, metrics: list[Metric]) -> tuple[int, int]:
        """[start, stop) in microseconds, within the times that the store has samples of."""
        start, stop = self.read(START), self.read(STOP)
        if start is not None and stop is not None and start >= stop:
            raise BadParameterError("stop", "stop must be later than start.")
        return pages.within(metrics, start, stop, clock.now())

    def _page(
        self, metrics: list[Metric], bounds: tuple[int, int], order: Any, mark: Mark | None
    ) -> Response:
        back = mark is not None and mark.direction == "previous"
        after = pages.Position(mark.timestamp_us, mark.series) if mark else None
        limit = self.read(LIMIT) or DEFAULT_LIMIT
        newest_first = (order == "newest") != back
        page = pages.read_page(self.principal, metrics, bounds, limit, newest_first, after)
        ends = page.next, _position(page.samples[:1]) if mark else None
        samples = page.samples[::-1] if back else page.samples
        following, preceding = ends[::-1] if back else ends
        rows = [
            {"metric": one.metric, "timestamp": from_us(one.timestamp_us), "value": one.value}
            for one in samples
        ]
        return page_response(
            self.get_serializer(rows, many=True).data,
            self._link(order, "next", following),
            self._link(order, "previous", preceding),
        )

    def _link(self, order: Any, direction: Any, position: pages.Position | None) -> str | None:
        if position is None:
            return None
        return link_to(self.request, Mark(order, direction, *position).encode())


class MetricSamples(SampleReader):
    """Samples of one metric, of the time when its resource was the caller's."""

    @extend_schema(operation_id="metric_samples", responses=serializers.SamplePageSerializer)
    def get(self, request: Request, uuid: Any) -> HttpResponseBase:
        return self.answer([one_visible(self.principal, uuid)])


class Samples(SampleReader):
    """Samples of all series that the filters choose; posting samples."""

    filterset_class = SeriesFilters
    parser_classes = [RawJSONParser]
    scopes: dict[str, Scope] = {"POST": "ingest"}

    def query_params(self, method: str) -> Sequence[Param[Any]]:
        return (PROJECT,) if method == "POST" else super().query_params(method)

    def get_renderers(self) -> list[Any]:
        return [JSONRenderer()] if self.request.method == "POST" else super().get_renderers()

    @extend_schema(operation_id="samples", responses=serializers.SamplePageSerializer)
    def get(self, request: Request) -> HttpResponseBase:
        return self.answer(visible_series(self.principal, request.query_params))

    @extend_schema(
        operation_id="post_samples",
        request={"application/json": POSTED_SCHEMA},
        responses={201: serializers.StoredSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER,
                description="At most 128 characters. The same key and body are stored once.",
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Post samples. The answer 201 means that they are committed; nothing is stored else."""
        key = ingest.check_key(request.headers.get("Idempotency-Key"))
        with admission.admitted():
            body = request.data if isinstance(request.data, bytes) else b""
            posted = ingest.decode(body)
            project = project_to_write(self.principal, self._asked_project(posted))
            admission.take(project, len(posted.samples))
            answer, repeated = ingest.store(posted, project, key, body)
        headers = {"Idempotent-Replayed": "true"} if repeated else None
        return Response(answer, status=201, headers=headers)

    def _asked_project(self, posted: ingest.Posted) -> str | None:
        asked = self.read(PROJECT)
        if asked is not None and posted.project_id is not None and asked != posted.project_id:
            raise BadParameterError("project_id", "The URL and the body name different projects.")
        return asked if posted.project_id is None else posted.project_id


def _position(samples: list[pages.Sample]) -> pages.Position | None:
    if not samples:
        return None
    return pages.Position(samples[0].timestamp_us, samples[0].metric.pk)
