"""OTLP/HTTP: what becomes of metrics, what is refused and told, who may send."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from meters import models
from meters.api import admission
from meters.models import HeadSample, Quarantine
from meters.otlp_api import reading
from meters.otlp_api.messages import JSON, PROTOBUF, Status
from meters.store.read import read_points
from telemetry_site.clock import now_us
from tests.api.people import P1, Client

PATH = "/otlp/v1/metrics"
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SECOND = 1_000_000
WHO = {"service.name": "shop", "service.instance.id": "i-1"}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full buckets and no memory of commits."""
    rate, burst = settings.TELEMETRY_INGEST_RATE, settings.TELEMETRY_INGEST_BURST
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(rate, burst))
    monkeypatch.setattr(admission, "commits", admission.CommitTimes())


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_of(value)) for key, value in values.items()]


def value_of(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(value_of, value)))
    return AnyValue(string_value=value)


AT = now_us() - 60 * SECOND


def point(value: float, after_s: float = 0, **attributes: Any) -> NumberDataPoint:
    at = round((AT + after_s * SECOND) * 1000)
    return NumberDataPoint(as_double=value, time_unix_nano=at, attributes=pairs(attributes))


def gauge(name: str, *points: NumberDataPoint, unit: str = "Cel") -> Metric:
    return Metric(name=name, unit=unit, gauge=Gauge(data_points=points))


def total(name: str, kind: int, monotonic: bool, *points: NumberDataPoint) -> Metric:
    data = Sum(data_points=points, aggregation_temporality=kind, is_monotonic=monotonic)
    return Metric(name=name, unit="By", sum=data)


def request(*metrics: Metric, who: dict[str, Any] | None = None) -> ExportMetricsServiceRequest:
    one = ResourceMetrics(
        resource=Resource(attributes=pairs(WHO if who is None else who)),
        scope_metrics=[ScopeMetrics(metrics=metrics)],
    )
    return ExportMetricsServiceRequest(resource_metrics=[one])


def send(
    client: Client, message: Any, status: int = 200, kind: str = PROTOBUF, **headers: str
) -> Any:
    """What is answered, which must be of the kind that was sent."""
    body = message
    if not isinstance(message, bytes):
        as_text = json_format.MessageToJson(message).encode()
        body = as_text if kind == JSON else message.SerializeToString()
    if headers.get("Content_Encoding") == "gzip":
        body = gzip.compress(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(PATH, body, content_type=kind, headers=sent)
    assert answer.status_code == status, (answer.status_code, answer.content)
    told = (ExportMetricsServiceResponse if status == 200 else Status)()
    if kind == JSON:
        assert answer["Content-Type"] == JSON
        json_format.Parse(answer.content, told)
    else:
        assert answer["Content-Type"] == PROTOBUF
        told.ParseFromString(answer.content)
    return told


def taken(client: Client, *metrics: Metric, **options: Any) -> None:
    assert not send(client, request(*metrics, **options)).HasField("partial_success")


def stored() -> dict[str, tuple[str, str, list[float]]]:
    """name → (type, unit, values in the order of time)"""
    return {
        one.name: (one.type, one.unit, read_points([one.pk]).values.tolist())
        for one in models.Metric.objects.all()
    }


class TestMeters:
    def test_a_gauge(self, member: Client) -> None:
        taken(member, gauge("temperature", point(21.5), point(22.5, 10)))
        assert stored() == {"temperature": ("gauge", "Cel", [21.5, 22.5])}

    SUMS = [
        (CUMULATIVE, True, "cumulative"), (CUMULATIVE, False, "gauge"), (DELTA, True, "delta"),
        (DELTA, False, "delta"),
    ]  # fmt: skip

    @pytest.mark.parametrize(("kind", "monotonic", "type_"), SUMS)
    def test_sums(self, member: Client, kind: int, monotonic: bool, type_: str) -> None:
        whole = NumberDataPoint(as_int=7, time_unix_nano=AT * 1000 + 999)
        taken(member, total("io", kind, monotonic, whole, point(9.0, 10)))
        assert stored() == {"io": (type_, "By", [7.0, 9.0])}

    def test_attributes_make_series(self, member: Client) -> None:
        points = point(1.0, device="sda", rw="r"), point(2.0, rw="w", device="/dev/sdb", on=True)
        taken(member, gauge("ops", *points))
        assert sorted(stored()) == ["ops@device=_dev_sdb,on=true,rw=w", "ops@device=sda,rw=r"]

    def test_histograms_are_their_counts_and_sums(self, member: Client) -> None:
        fields: dict[str, Any] = {"time_unix_nano": AT * 1000, "count": 4, "sum": 10.0, "max": 5.0}
        plain = HistogramDataPoint(
            bucket_counts=[1, 3], explicit_bounds=[2.0], attributes=pairs({"m": "GET"}), **fields
        )
        exponential = ExponentialHistogramDataPoint(min=1.0, **fields)
        taken(
            member,
            Metric(name="a", unit="s", histogram=Histogram(
                data_points=[plain], aggregation_temporality=CUMULATIVE)),
            Metric(name="b", unit="s", exponential_histogram=ExponentialHistogram(
                data_points=[exponential], aggregation_temporality=DELTA)),
        )  # fmt: skip
        assert stored() == {
            "a.count@m=GET": ("cumulative", "1", [4.0]), "a.sum@m=GET": ("cumulative", "s", [10.0]),
            "a.max@m=GET": ("gauge", "s", [5.0]), "b.count": ("delta", "1", [4.0]),
            "b.sum": ("delta", "s", [10.0]), "b.max": ("gauge", "s", [5.0]),
            "b.min": ("gauge", "s", [1.0]),
        }  # fmt: skip

    def test_a_summary_has_quantiles(self, member: Client) -> None:
        quantile = SummaryDataPoint.ValueAtQuantile
        values = [quantile(quantile=0.5, value=2.0), quantile(quantile=1, value=float("nan"))]
        one = SummaryDataPoint(
            time_unix_nano=AT * 1000, count=3, sum=6.0, quantile_values=values,
            attributes=pairs({"z": "1"}),
        )  # fmt: skip
        taken(member, Metric(name="s", unit="ms", summary=Summary(data_points=[one])))
        assert stored() == {
            "s.count@z=1": ("cumulative", "1", [3.0]), "s.sum@z=1": ("cumulative", "ms", [6.0]),
            "s@quantile=0.5,z=1": ("gauge", "ms", [2.0]),
        }  # fmt: skip

    def test_quantiles_near_to_one_are_told_apart(self, member: Client) -> None:
        quantile = SummaryDataPoint.ValueAtQuantile
        values = [quantile(quantile=at, value=at * 10) for at in (1.0, 0.9999999)]
        one = SummaryDataPoint(time_unix_nano=AT * 1000, quantile_values=values)
        taken(member, Metric(name="s", summary=Summary(data_points=[one])))
        assert stored()["s@quantile=1"][2] == [10.0]
        assert stored()["s@quantile=0.9999999"][2] == [9.999999]

    def test_a_gap_is_nothing(self, member: Client) -> None:
        gap = NumberDataPoint(time_unix_nano=AT * 1000, flags=1)
        taken(member, gauge("t", gap, point(1.0, 5)))
        assert stored()["t"][2] == [1.0]

    def test_sent_again_it_is_the_same(self, member: Client) -> None:
        for _ in range(2):
            taken(member, gauge("t", point(1.0)))
        assert stored()["t"][2] == [1.0]


class TestResources:
    NAMES = [
        (WHO, "shop@i-1"),
        ({"service.namespace": "web", "service.name": "shop", "host.name": "h"}, "web.shop@h"),
        ({"service.name": "unknown_service:python", "host.id": "a/b", "host.name": "h"}, "a_b"),
        ({"service.name": "shop"}, "shop"),
        ({}, "otlp"),
    ]

    @pytest.mark.parametrize(("who", "name"), NAMES, ids=[name for _, name in NAMES])
    def test_its_id(self, member: Client, who: dict[str, Any], name: str) -> None:
        taken(member, gauge("t", point(1.0)), who=who)
        assert models.Resource.objects.get().original_id == name

    def test_attributes_are_its_metadata_for_their_time(self, member: Client) -> None:
        taken(member, gauge("t", point(1.0)), who=WHO | {"cpus": 4, "tags": ["a", "b"], "on": True})
        taken(member, gauge("t", point(2.0, 10)), who=WHO | {"cpus": 8})
        one = models.Resource.objects.get()
        assert (one.project_id, one.creator, one.source, one.type) == (P1, P1, "otlp", "generic")
        assert one.metadata == WHO | {"cpus": 8}
        first, _ = one.revisions.order_by("valid_from")
        assert first.metadata == WHO | {"cpus": 4, "tags": ["a", "b"], "on": True}

    def test_what_tells_nothing_apart_is_told_apart_by_all(self, member: Client) -> None:
        for color in ("red", "blue"):
            taken(member, gauge("t", point(1.0)), who={"color": color})
        names = set(models.Resource.objects.values_list("original_id", flat=True))
        assert len(names) == 2
        assert all(name.startswith("otlp-") for name in names)

    def test_one_may_be_described_twice_in_one_request(self, member: Client) -> None:
        both = request(gauge("t", point(1.0)), who=WHO | {"v": "1"})
        both.MergeFrom(request(gauge("t", point(2.0, 9)), who=WHO | {"v": "2"}))
        assert not send(member, both).HasField("partial_success")
        assert models.Resource.objects.get().metadata["v"] == "2"
        assert stored()["t"][2] == [1.0, 2.0]


class TestPartialSuccess:
    def test_what_can_be_stored_is_and_the_rest_is_told(self, member: Client) -> None:
        far = 10 * 365 * 86_400
        bad = [
            point(float("nan")), point(float("inf")), point(1.0, 3600), point(1.0, -far),
            NumberDataPoint(as_double=1.0), NumberDataPoint(time_unix_nano=AT * 1000),
        ]  # fmt: skip
        sums = total("u", 0, True, point(1.0), point(2.0))
        answer = send(member, request(gauge("t", point(1.0), *bad), sums, Metric(name="n")))
        told = answer.partial_success
        assert told.rejected_data_points == len(bad) + 2
        for words in (
            "t has a value that is no finite number: nan", "lies in the future",
            "is older than what is kept", "t has no time", "t has no value",
            "2 data points: u is neither delta nor cumulative",
            "n has no data of a kind that is known",
        ):  # fmt: skip
            assert words in told.error_message
        assert stored() == {"t": ("gauge", "Cel", [1.0])}
        assert not Quarantine.objects.exists()

    def test_a_resource_that_can_t_be_kept_takes_its_points_along(self, member: Client) -> None:
        message = request(gauge("t", point(1.0), point(2.0, 1)), who={"a": "x" * 5000})
        message.MergeFrom(request(gauge("t", point(3.0))))
        told = send(member, message).partial_success
        assert told.rejected_data_points == 2
        assert "5000 characters, at most 4096 are allowed" in told.error_message
        assert stored()["t"][2] == [3.0]

    NAMES = ["", "a\0b", "a\nb", "\u200b"]

    @pytest.mark.parametrize("name", NAMES, ids=["none", "nul", "line", "unseen"])
    def test_a_name_that_is_none(self, member: Client, name: str) -> None:
        assert send(member, request(gauge(name, point(1.0)))).partial_success.rejected_data_points
        assert not stored()


class TestForms:
    @pytest.mark.parametrize("kind", [PROTOBUF, JSON])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_encodings(self, member: Client, kind: str, encoding: str) -> None:
        headers = {"Content_Encoding": encoding} if encoding else {}
        told = send(member, request(gauge("t", point(1.5), point(float("nan"), 1))), kind=kind,
                    **headers)  # fmt: skip
        assert told.partial_success.rejected_data_points == 1
        assert stored()["t"][2] == [1.5]

    def test_json_as_the_protocol_writes_it(self, member: Client) -> None:
        """Numbers of 64 bits as texts or numbers, enumerations as numbers, unknown fields."""
        metric = {
            "name": "io", "sum": {
                "aggregationTemporality": 2, "isMonotonic": True, "new": {"field": 1},
                "dataPoints": [
                    {"timeUnixNano": str(AT * 1000), "asInt": "3"},
                    {"timeUnixNano": AT * 1000 + 10**9, "asInt": 4,
                     "exemplars": [{"spanId": "eee19b7ec3c1b174", "asInt": "1"}]},
                ],
            },
        }  # fmt: skip
        body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}], "more": []}
        assert not send(member, json.dumps(body).encode(), kind=JSON).HasField("partial_success")
        assert stored()["io"] == ("cumulative", "", [3.0, 4.0])

    def test_nothing_is_taken_too(self, member: Client) -> None:
        for kind, body in ((PROTOBUF, b""), (JSON, b"{}")):
            assert not send(member, body, kind=kind).HasField("partial_success")

    REFUSED: list[tuple[bytes, str, int, int]] = [
        (b"\xff\xff", PROTOBUF, 400, 3), (b"{", JSON, 400, 3), (b"[]", JSON, 400, 3),
        (b'{"resourceMetrics": 5}', JSON, 400, 3), (b'{"a": NaN}', JSON, 400, 3),
        (b"[" * 100 + b"]" * 100, JSON, 400, 3), (b"x" * (9 << 20), PROTOBUF, 413, 8),
        (b"", "text/plain", 415, 3),
    ]  # fmt: skip

    @pytest.mark.parametrize(("body", "kind", "status", "code"), REFUSED, ids=range(len(REFUSED)))
    def test_a_status_says_what_is_wrong(
        self, member: Client, body: bytes, kind: str, status: int, code: int
    ) -> None:
        before = HeadSample.objects.count()
        answer = member.post(PATH, body, content_type=kind)
        assert answer.status_code == status
        told = Status()
        if kind == JSON:
            json_format.Parse(answer.content, told)
        else:
            told.ParseFromString(answer.content)
        assert told.code == code
        assert told.message
        assert HeadSample.objects.count() == before

    def test_gzip_that_is_none_or_a_bomb(self, member: Client) -> None:
        for body, status in ((b"x", 400), (gzip.compress(b"\0" * (9 << 20)), 413)):
            answer = member.post(
                PATH, body, content_type=PROTOBUF, headers={"Content-Encoding": "gzip"}
            )
            assert answer.status_code == status

    def test_too_many_at_once(self, member: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "MOST_POINTS", 2)
        points = [point(1.0, after) for after in range(3)]
        assert "More than 2 samples" in send(member, request(gauge("t", *points)), 413).message

    EMPTY = {
        "resources": b"\x0a\x00" * 60_000,
        "scopes": request().SerializeToString() * 30_000,
        "metrics": ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(scope_metrics=[
                ScopeMetrics(metrics=[Metric()] * 60_000)])]).SerializeToString(),
    }  # fmt: skip

    @pytest.mark.parametrize("kind", EMPTY)
    def test_parts_without_points_are_counted_too(self, member: Client, kind: str) -> None:
        """Else a few kilobytes of gzip make millions of resources."""
        assert "More than 50000 resources" in send(member, self.EMPTY[kind], 413).message

    def test_who_sends_too_much_is_told_to_wait(
        self, member: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admission, "_buckets", admission.Buckets(1.0, 2.0))
        message = request(gauge("t", *(point(1.0, after) for after in range(3))))
        assert send(member, message, 429).code == 8
        body = message.SerializeToString()
        assert member.post(PATH, body, content_type=PROTOBUF)["Retry-After"] == "1"

    def test_only_metrics_are_taken(self, member: Client) -> None:
        answer = member.post("/otlp/v1/traces", b"", content_type=PROTOBUF)
        assert answer.status_code == 404
        assert "only /v1/metrics" in Status.FromString(answer.content).message
        assert member.get(PATH).status_code == 405


class TestCallers:
    WHO = {"anonymous": 401, "nobody": 403, "reader": 403, "both": 403, "stranger": 200,
           "admin": 200}  # fmt: skip

    @pytest.mark.parametrize(("name", "status"), WHO.items(), ids=list(WHO))
    def test_who_may_send(self, as_: Callable[..., Client], name: str, status: int) -> None:
        send(as_(name), request(gauge("t", point(1.0))), status)
        projects = {"stranger": "p2", "admin": None}
        owners = list(models.Resource.objects.values_list("project_id", flat=True))
        assert owners == ([projects[name]] if name in projects else [])

    def test_a_token_without_the_scope(self, as_: Callable[..., Client]) -> None:
        message = send(as_("member", "read"), request(gauge("t", point(1.0))), 403).message
        assert "lacks the scope `ingest`" in message

    def test_two_projects_never_share_a_resource(self, member: Client, stranger: Client) -> None:
        for client, value in ((member, 1.0), (stranger, 2.0)):
            taken(client, gauge("t", point(value), unit=""))
        rows = models.Metric.objects.values_list("resource__project_id", "pk")
        values = {project: read_points([pk]).values.tolist() for project, pk in rows}
        assert values == {"p1": [1.0], "p2": [2.0]}
