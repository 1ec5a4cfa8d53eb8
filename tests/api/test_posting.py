"""POST /api/samples: 2xx means committed, everything else means nothing was stored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from meters import wire
from meters.api import admission
from meters.housekeeping import keep_house
from meters.models import HeadSample, Metric, PostedOnce, Quarantine, Resource, ResourceRevision
from meters.store.read import read_points
from telemetry_site import clock
from tests.api.people import P1, P2, Client, error_of
from tests.api.world import World

pytestmark = pytest.mark.django_db
PATH = "/api/samples"
ClientOf = Callable[..., Client]


def sample(**fields: Any) -> dict[str, Any]:
    return {"resource_id": "sensor", "meter": "temperature", "value": 21.5, **fields}


def post(client: Client, body: Any, path: str = PATH, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, raw, content_type="application/json", headers=headers)


def stored() -> int:
    return HeadSample.objects.count()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full buckets and no memory of commits."""
    rate, burst = settings.TELEMETRY_INGEST_RATE, settings.TELEMETRY_INGEST_BURST
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(rate, burst))
    monkeypatch.setattr(admission, "commits", admission.CommitTimes())


class TestStoring:
    def test_a_list_is_stored_as_the_callers(self, member: Client) -> None:
        answer = post(member, [sample(unit="°C", resource_type="sensor")])
        assert answer.status_code == 201
        assert answer.json() == {"stored": 1, "project_id": P1}
        metric = Metric.objects.select_related("resource").get()
        assert (metric.name, metric.unit, metric.type) == ("temperature", "°C", "gauge")
        assert (metric.resource.creator, metric.resource.project_id) == (P1, P1)
        assert (metric.resource.type, metric.resource.source) == ("sensor", "api")
        assert read_points([metric.pk]).values.tolist() == [21.5]

    def test_an_object_with_samples_is_the_same(self, member: Client) -> None:
        times = ["2026-11-25T00:00:00Z", "2026-11-25T02:00:00+01:00", "2026-11-25T02:00:00.5"]
        body = {"samples": [sample(timestamp=time) for time in times], "project_id": P1}
        assert post(member, body).json()["stored"] == 3
        points = read_points([Metric.objects.get().pk])
        assert [clock.from_us(micros).isoformat() for micros in points.timestamps] == [
            "2026-11-25T00:00:00+00:00",
            "2026-11-25T01:00:00+00:00",
            "2026-11-25T02:00:00.500000+00:00",
        ]

    def test_gzip_is_inflated(self, member: Client) -> None:
        body = gzip.compress(json.dumps([sample()]).encode())
        assert post(member, body, **{"Content-Encoding": "gzip"}).status_code == 201

    @pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1, 0.1 + 0.2])
    def test_values_come_back_bit_for_bit(self, member: Client, value: float) -> None:
        post(member, [sample(value=value)])
        (row,) = member.fetch(PATH)["results"]
        assert float(row["value"]).hex() == float(value).hex()

    def test_metadata_stay_when_a_sample_says_nothing_of_them(self, member: Client) -> None:
        post(member, [sample(metadata={"room": "12"}, resource_type="sensor")])
        post(member, [sample(value=22)])
        resource = Resource.objects.get()
        assert (resource.metadata, resource.type) == ({"room": "12"}, "sensor")
        assert ResourceRevision.objects.count() == 1

    def test_an_administrator_may_post_for_nobody(self, admin: Client) -> None:
        assert post(admin, [sample()]).json() == {"stored": 1, "project_id": None}
        assert Resource.objects.get().project_id is None

    def test_an_administrators_post_leaves_an_agents_resource_its_owner(
        self, admin: Client, world: World
    ) -> None:
        post(admin, [sample(resource_id="vm-1", meter="cpu")])
        assert world.vm.project_id == P1
        assert world.vm.metadata["display_name"] == "web"

    def test_a_foreign_resource_id_makes_a_resource_of_ones_own(
        self, stranger: Client, member: Client, world: World
    ) -> None:
        before = member.fetch(PATH)
        assert post(stranger, [sample(resource_id="vm-2", meter="cpu")]).status_code == 201
        assert member.fetch(PATH) == before
        assert Resource.objects.filter(original_id="vm-2").count() == 2


class TestWhoMayPost:
    @pytest.mark.parametrize(
        ("who", "asked", "status"),
        [
            ("anonymous", None, 401), ("nobody", None, 403), ("reader", None, 403),
            ("reader", P1, 403), ("member", None, 201), ("member", P1, 201), ("member", P2, 403),
            ("member", "no-such", 403), ("both", None, 400), ("both", P2, 201), ("admin", P1, 201),
        ],
    )  # fmt: skip
    def test_the_project_comes_from_the_caller(
        self, as_: ClientOf, who: str, asked: str | None, status: int
    ) -> None:
        client = as_(who)
        for answer in (
            post(client, {"samples": [sample()], **({"project_id": asked} if asked else {})}),
            post(client, [sample()], f"{PATH}?project_id={asked}" if asked else PATH),
        ):
            if status == 201:
                assert answer.status_code == 201
            else:
                error_of(answer, status)
        assert stored() == (2 if status == 201 else 0)

    def test_url_and_body_must_agree(self, as_: ClientOf) -> None:
        body = {"samples": [sample()], "project_id": P1}
        error_of(post(as_("both"), body, f"{PATH}?project_id={P2}"), 400)

    def test_identity_headers_change_nothing(self, member: Client) -> None:
        forged = {"X-Project-Id": P2, "X-Roles": "admin", "X-User-Id": "1", "X-Scope-OrgID": P2}
        assert post(member, [sample()], **forged).json()["project_id"] == P1

    def test_the_scope_ingest_is_needed_and_enough(self, as_: ClientOf) -> None:
        error_of(post(as_("member", "read", "alarms", "admin"), [sample()]), 403)
        assert post(as_("member", "ingest"), [sample()]).status_code == 201


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "field", "text"),
        [
            ({"value": "3.5"}, "[1].value", "Expected `float`, got `str`"),
            ({"value": True}, "[1].value", "Expected `float`, got `bool`"),
            ({"value": None}, "[1].value", "Expected `float`, got `null`"),
            ({"meter": ""}, "[1].meter", "length >= 1"),
            ({"meter": "m" * 256}, "[1].meter", "length <= 255"),
            ({"meter": "a\x1b[31m"}, "[1].meter", "control character"),
            ({"meter": "\u200b"}, "[1].meter", "no visible character"),
            ({"resource_id": "a\x00"}, "[1].resource_id", "control character"),
            ({"resource_id": " "}, "[1].resource_id", "no visible character"),
            ({"unit": "a\x00"}, "[1].unit", "NUL"),
            ({"type": "level"}, "[1].type", "Invalid enum value"),
            ({"timestamp": "yesterday"}, "[1].timestamp", "RFC3339"),
            ({"timestamp": "0001-01-01T00:00:00+14:00"}, "[1].timestamp", "1970"),
            ({"timestamp": "9999-12-31T23:59:59-14:00"}, "[1].timestamp", "2200"),
            ({"timestamp": "2000-01-01T00:00:00Z"}, "[1].timestamp", "before the retention"),
            ({"timestamp": "2100-01-01T00:00:00Z"}, "[1].timestamp", "future"),
            ({"metadata": {"a": "x" * 4097}}, "[1].metadata.a", "4097 characters"),
            ({"metadata": {f"k{n}": n for n in range(257)}}, "[1].metadata", "256 keys"),
            ({"metadata": {"a": "b\x00"}}, "[1].metadata.a", "NUL"),
            ({"metadata": []}, "[1].metadata", "Expected `object | null`, got `array`"),
            ({"project_id": P1}, "[1]", "unknown field `project_id`"),
            ({"user_id": "u"}, "[1]", "unknown field `user_id`"),
        ],
    )  # fmt: skip
    def test_the_place_is_named_and_nothing_is_stored(
        self, member: Client, fields: dict[str, Any], field: str, text: str
    ) -> None:
        error = error_of(post(member, [sample(), sample(**fields)]), 400)
        assert error["errors"][0]["field"] == field
        assert text in error["errors"][0]["detail"]
        assert (stored(), Resource.objects.count(), Quarantine.objects.count()) == (0, 0, 0)

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"{}", b"null", b"3", b'"a"', b"[1]", b"{", b"[,]", b"[{}]", b"\xff",
            b"\xef\xbb\xbf[]", b"//", b"[" * 100_000, b'{"samples":' * 1000,
            b'[{"resource_id":"a","meter":"b","value":NaN}]',
            b'[{"resource_id":"a","meter":"b","value":-Infinity}]',
            b'[{"resource_id":"a","meter":"b","value":1e999}]',
            b'[{"resource_id":"a","meter":"b","value":' + b"1" * 5000 + b"}]",
            b'[{"resource_id":"a","meter":"\\ud800","value":1}]',
            b'[{"resource_id":"a","meter":"b","value":1,"metadata":{"a":' + b"9" * 5000 + b"}}]",
            '[{"resource_id":"a","meter":"b","value":1}]'.encode("utf-16"),
            b'[{"resource_id":"a","meter":"b","value":1,"metadata":'
            + b'{"a":' * 40 + b"1" + b"}" * 41 + b"]",
        ],
    )  # fmt: skip
    def test_what_is_no_list_of_samples_is_a_400(self, member: Client, body: bytes) -> None:
        error_of(post(member, body), 400)
        assert stored() == 0

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ('[{"resource_id":"a","meter":"b","value":1,"value":2}]', "[0].value"),
            ('{"samples":[],"samples":[{"resource_id":"a","meter":"b","value":1}]}', "samples"),
            (
                '[{"resource_id":"a","meter":"b","value":1,"metadata":{"x":{"y":1,"y":2}}}]',
                "[0].metadata.x.y",
            ),
        ],
    )
    def test_a_key_that_stands_twice_is_refused_with_its_path(
        self, member: Client, body: str, field: str
    ) -> None:
        assert error_of(post(member, body.encode()), 400)["errors"][0]["field"] == field

    def test_one_time_out_of_bounds_refuses_all_and_names_each(self, member: Client) -> None:
        late = (clock.now() + timedelta(seconds=400)).isoformat()
        body = {"samples": [sample(timestamp=late), sample(), sample(timestamp=late, meter="x")]}
        error = error_of(post(member, body), 400)
        assert [row["field"] for row in error["errors"]] == [
            "samples[0].timestamp",
            "samples[2].timestamp",
        ]
        assert (stored(), Quarantine.objects.count()) == (0, 0)

    def test_a_little_ahead_of_the_clock_is_taken(self, member: Client) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=200)
        assert post(member, [sample(timestamp=soon.isoformat())]).status_code == 201

    def test_other_media_types_are_refused(self, member: Client) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
            error_of(member.post(PATH, b"[]", content_type=kind), 415)
        error_of(member.post(PATH, b"[]", content_type="application/json; charset=latin-1"), 415)
        error_of(post(member, b"[]", **{"Content-Encoding": "br"}), 415)


class TestSizes:
    def test_ten_thousand_samples_are_taken_and_one_more_is_not(
        self, member: Client, fresh: None
    ) -> None:
        rows = [sample(meter=f"m{place}") for place in range(wire.MAX_SAMPLES)]
        assert post(member, rows).json()["stored"] == wire.MAX_SAMPLES
        error = error_of(post(member, [*rows, sample()]), 400)
        assert error["code"] == "limit_exceeded"
        assert "10001" in error["detail"]

    def test_a_body_over_8_mib_is_a_413(self, member: Client) -> None:
        error_of(post(member, b" " * (8 * 1024 * 1024 + 1)), 413)

    def test_a_gzip_bomb_is_cut_off_at_8_mib(self, member: Client) -> None:
        bomb = gzip.compress(b" " * (64 * 1024 * 1024))
        error_of(post(member, bomb, **{"Content-Encoding": "gzip"}), 413)

    @pytest.mark.parametrize("cut", [slice(None, -4), slice(5, None), slice(0, 0)])
    def test_half_a_gzip_stream_is_a_400(self, member: Client, cut: slice) -> None:
        body = gzip.compress(json.dumps([sample()]).encode())[cut]
        error_of(post(member, body, **{"Content-Encoding": "gzip"}), 400)

    def test_what_follows_the_gzip_stream_is_a_400(self, member: Client) -> None:
        body = gzip.compress(json.dumps([sample()]).encode()) + b"more"
        error_of(post(member, body, **{"Content-Encoding": "gzip"}), 400)


def test_a_chunked_body_is_asked_for_its_length(member: Client) -> None:
    error_of(post(member, [sample()], **{"Transfer-Encoding": "chunked"}), 411)


class TestIdempotency:
    KEY = {"Idempotency-Key": "monday/1"}

    def test_the_same_key_and_body_are_stored_once(self, member: Client) -> None:
        first = post(member, [sample()], **self.KEY)
        second = post(member, [sample()], **self.KEY)
        assert first.json() == second.json()
        assert second["Idempotent-Replayed"] == "true"
        assert stored() == 1

    def test_the_same_key_with_another_body_is_a_422(self, member: Client) -> None:
        post(member, [sample()], **self.KEY)
        error_of(post(member, [sample(value=1)], **self.KEY), 422)
        assert stored() == 1

    def test_a_refused_body_does_not_use_up_the_key(self, member: Client) -> None:
        error_of(post(member, [sample(timestamp="2100-01-01T00:00:00Z")], **self.KEY), 400)
        assert post(member, [sample()], **self.KEY).status_code == 201

    def test_another_project_may_use_the_same_key(self, member: Client, stranger: Client) -> None:
        post(member, [sample()], **self.KEY)
        assert post(stranger, [sample(value=1)], **self.KEY).status_code == 201

    def test_keys_of_yesterday_are_forgotten(self, member: Client) -> None:
        post(member, [sample()], **self.KEY)
        PostedOnce.objects.update(created_at=clock.now() - timedelta(hours=25))
        assert post(member, [sample(value=1)], **{"Idempotency-Key": "new"}).status_code == 201
        keep_house()
        assert PostedOnce.objects.count() == 1

    @pytest.mark.parametrize("key", ["", "k" * 129, "a\tb", "ключ".encode().decode("latin-1")])
    def test_a_key_that_is_none_is_a_400(self, member: Client, key: str) -> None:
        error_of(post(member, [sample()], **{"Idempotency-Key": key}), 400)


class TestOverload:
    def test_a_project_over_its_rate_waits_and_another_does_not(
        self, member: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admission, "_buckets", admission.Buckets(rate=1, burst=2))
        assert post(member, [sample(), sample()]).status_code == 201
        answer = post(member, [sample(), sample()])
        assert error_of(answer, 429)["code"] == "rate_limited"
        assert answer["Retry-After"] == "2"
        assert post(stranger, [sample()]).status_code == 201

    def test_with_all_places_taken_posts_wait_and_reads_do_not(
        self, member: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import threading

        places = threading.BoundedSemaphore(1)
        monkeypatch.setattr(admission, "_threads", places)
        with places:
            answer = post(member, [sample()])
            assert error_of(answer, 503)["code"] == "overloaded"
            assert answer["Retry-After"] == "1"
            assert member.get(PATH).status_code == 200
        assert post(member, [sample()]).status_code == 201

    def test_slow_commits_shed_posts_until_they_are_forgotten(self) -> None:
        times = admission.CommitTimes()
        for _ in range(admission.ENOUGH_COMMITS):
            times.note(100.0, 3.0)
        assert times.p95_s(101.0) == 3.0
        assert times.p95_s(100.0 + admission.RECENT_S + 1) == 0.0

    def test_a_few_slow_commits_prove_nothing(self) -> None:
        times = admission.CommitTimes()
        times.note(100.0, 30.0)
        assert times.p95_s(100.0) == 0.0

    def test_full_buckets_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(admission, "MOST_BUCKETS", 3)
        buckets = admission.Buckets(rate=1, burst=10)
        for place in range(3):
            buckets.take(f"p{place}", 5, 0.0)
        buckets.take("late", 1, 100.0)
        assert set(buckets._levels) == {"late"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fresh_store")
def test_201_means_committed(as_: ClientOf) -> None:
    """Another connection, which sees committed rows only, finds the sample."""
    assert post(as_("member"), [sample()]).status_code == 201
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM meters_head")
        assert cursor.fetchone() == (1,)
    other.close()
