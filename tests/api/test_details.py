"""Single rows, actions, status, errors that no view makes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import override_settings
from kombu import Connection

from meters.api.views.catalogue import ResourceList
from meters.models import Event, IngestMinute, Quarantine, Resource
from meters.store import write
from telemetry_site import __version__, clock
from telemetry_site.celery import app
from tests.api.people import Client, error_of
from tests.api.world import World
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
MISSING = "00000000-0000-4000-8000-000000000000"


def test_a_resource_comes_with_its_metrics(reader: Client, world: World) -> None:
    found = reader.fetch(f"/api/resources/{world.vm.uuid}")
    assert (found["name"], found["original_id"]) == ("web", "vm-1")
    assert [(row["name"], row["last"]["value"]) for row in found["metrics"]] == [("cpu", 0.0)]


def test_a_metric_comes_with_its_resource(reader: Client, world: World) -> None:
    found = reader.fetch(f"/api/metrics/{world.cpu.uuid}")
    assert found["resource"]["original_id"] == "vm-1"


def test_an_event_comes_with_typed_traits_and_never_raw(reader: Client, world: World) -> None:
    found = reader.fetch(f"/api/events/{world.event.message_id}")
    assert {(trait["name"], trait["type"]) for trait in found["traits"]} == {
        ("project_id", "text"), ("name", "text"), ("size", "int"), ("load", "float"),
        ("launched_at", "datetime"),
    }  # fmt: skip
    assert "raw" not in found


def test_a_message_id_may_hold_anything(admin: Client, world: World) -> None:
    Event.objects.filter(pk=world.event.pk).update(message_id="a/b c?ü")
    assert admin.fetch("/api/events/a/b%20c%3F%C3%BC")["message_id"] == "a/b c?ü"


def test_foreign_and_missing_are_the_same_404(reader: Client, world: World) -> None:
    vm, cpu = world.foreign_vm.uuid, world.foreign_cpu.uuid
    for foreign, missing in (
        (f"/api/resources/{vm}", f"/api/resources/{MISSING}"),
        (f"/api/resources/{vm}/revisions", f"/api/resources/{MISSING}/revisions"),
        (f"/api/metrics/{cpu}", f"/api/metrics/{MISSING}"),
        (f"/api/metrics/{cpu}/samples", f"/api/metrics/{MISSING}/samples"),
        (f"/api/metrics/{cpu}/statistics", f"/api/metrics/{MISSING}/statistics"),
        (f"/api/events/{world.foreign_event.message_id}", "/api/events/nosuch"),
    ):
        one, two = reader.refused(foreign, 404), reader.refused(missing, 404)
        assert {**one, "request_id": ""} == {**two, "request_id": ""}


def test_a_source_comes_with_its_reports(admin: Client, world: World) -> None:
    found = admin.fetch(f"/api/sources/{world.source.pk}")
    assert (found["name"], len(found["reports"])) == ("qemu:///system", 1)
    assert found["reports"][0]["outcome"] == "ok"


class TestQuarantine:
    def test_a_row_has_its_body(self, admin: Client, world: World) -> None:
        found = admin.fetch(f"/api/quarantine/{world.quarantined.pk}")
        assert base64.b64decode(found["body"]) == b'{"a": 1}'
        assert found["size_bytes"] == 8

    def test_discarding_closes_open_rows_and_names_the_others(
        self, admin: Client, world: World
    ) -> None:
        pk = world.quarantined.pk
        body = {"ids": [pk, 999_999]}
        found = admin.post("/api/quarantine/discard", body, format="json").json()
        assert found == {"done": 1, "refused": [{"id": 999_999, "detail": "does not exist"}]}
        row = world.quarantined
        assert (row.state, row.closed_by) == (Quarantine.State.DISCARDED, "admin")
        again = admin.post("/api/quarantine/discard", {"ids": [pk]}, format="json").json()
        assert again == {"done": 0, "refused": [{"id": pk, "detail": "is discarded"}]}

    def test_replaying_what_still_cannot_be_stored_says_why(
        self, admin: Client, world: World
    ) -> None:
        pk = world.quarantined.pk
        found = admin.post("/api/quarantine/replay", {"ids": [pk]}, format="json").json()
        assert found["done"] == 0
        assert "can't be replayed" in found["refused"][0]["detail"]
        assert world.quarantined.state == Quarantine.State.OPEN

    def test_what_was_set_aside_for_its_time_is_replayed(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        soon = clock.now_us() + 301 * SECOND
        write.store_batch(batch_of((resource("vm"), "cpu", 1.0, soon)))
        row = Quarantine.objects.get()
        monkeypatch.setattr(write, "FUTURE_ALLOWANCE", timedelta(hours=1))
        body = {"ids": [row.pk]}
        found = admin.post("/api/quarantine/replay", body, format="json").json()
        assert found == {"done": 1, "refused": []}
        assert Resource.objects.get().original_id == "vm"

    @pytest.mark.parametrize(
        "body", [{}, [], {"ids": []}, {"ids": "1"}, {"ids": [0]}, {"ids": [2**63]}, {"ids": [1.5]},
                 {"ids": [None]}, {"ids": [1] * 1001}, {"ids": [1], "state": "open"}],
    )  # fmt: skip
    def test_a_bad_body_is_a_400(self, admin: Client, body: Any) -> None:
        error_of(admin.post("/api/quarantine/discard", body, format="json"), 400)


class TestStatus:
    def test_everybody_sees_the_version(self, reader: Client) -> None:
        found = reader.fetch("/api/status")
        assert (found["version"], found["installation"]) == (__version__, None)

    def test_administrators_see_rates_queues_and_quarantine(
        self, admin: Client, world: World, broker: Any
    ) -> None:
        minute = clock.now().replace(second=0, microsecond=0)
        IngestMinute.objects.all().delete()
        for ago in range(1, 4):
            IngestMinute.objects.create(
                minute=minute - timedelta(minutes=ago), worker=f"w{ago}", samples=600, events=3
            )
        app.send_task("nobody.takes.it", queue="collector")
        found = admin.fetch("/api/status")["installation"]
        assert (found["samples_per_s"], found["events_per_s"]) == (6.0, 0.03)
        assert found["quarantine_open"] == {"schema": 1}
        assert {"name": "collector", "messages": 1} in found["queues"]

    def test_a_broker_that_is_away_is_no_error(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            app,
            "connection_for_write",
            lambda **options: Connection("redis://127.0.0.1:1", **options),
        )
        found = admin.fetch("/api/status")["installation"]
        assert {row["messages"] for row in found["queues"]} == {None}

    def test_an_administrators_token_without_the_scope_sees_the_version_only(
        self, as_: ClientOf
    ) -> None:
        assert as_("admin", "read").fetch("/api/status")["installation"] is None


class TestErrors:
    def test_an_unknown_address_is_a_json_404(self, reader: Client) -> None:
        for path in (
            "/api/nosuch",
            "/api/resources/",
            "/api/metrics/5",
            "/api//",
            "/api/sources/x",
        ):
            error_of(reader.get(path), 404)
            error_of(reader.post(path, {}, format="json"), 404)

    def test_an_unknown_address_asks_strangers_to_authenticate(self) -> None:
        error_of(Client().get("/api/nosuch"), 401)

    def test_a_wrong_host_is_a_json_400(self, reader: Client) -> None:
        error_of(reader.get("/api/resources", headers={"Host": "evil.example"}), 400)

    def test_an_unacceptable_type_is_a_406(self, reader: Client) -> None:
        error_of(reader.get("/api/resources", headers={"Accept": "image/png"}), 406)

    def test_a_bug_is_a_500_with_nothing_but_the_request_id(
        self, reader: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.break_with(monkeypatch, ZeroDivisionError("secret detail"))
        reader.raise_request_exception = False
        answer = reader.get("/api/resources")
        error = error_of(answer, 500)
        assert error["code"] == "internal_error"
        assert "secret" not in answer.content.decode()
        assert error["request_id"] == answer["X-Openstack-Request-Id"]

    @pytest.mark.parametrize(
        ("cause", "status", "code", "wait"),
        [
            (psycopg.OperationalError("connection refused"), 503, "database_unavailable", "5"),
            (psycopg.errors.QueryCanceled("statement timeout"), 504, "query_timeout", None),
        ],
    )
    def test_faults_of_the_database_are_told_apart(
        self,
        reader: Client,
        monkeypatch: pytest.MonkeyPatch,
        cause: Exception,
        status: int,
        code: str,
        wait: str | None,
    ) -> None:
        fault = OperationalError(str(cause))
        fault.__cause__ = cause
        self.break_with(monkeypatch, fault)
        answer = reader.get("/api/resources")
        assert error_of(answer, status)["code"] == code
        assert answer.get("Retry-After") == wait

    def test_a_real_statement_timeout_is_a_504(
        self, reader: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def sleep(self: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '10ms'")
                cursor.execute("SELECT pg_sleep(5)")

        monkeypatch.setattr(ResourceList, "get_queryset", sleep)
        assert error_of(reader.get("/api/resources"), 504)["code"] == "query_timeout"

    def break_with(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def fail(self: Any) -> Any:
            raise error

        monkeypatch.setattr(ResourceList, "get_queryset", fail)


def test_the_root_lists_versions_and_links_to_anybody(db: None) -> None:
    found = Client().fetch("/api/")
    assert found["versions"][0]["status"] == "CURRENT"
    assert found["links"]["metrics"] == "http://testserver/api/metrics"


def test_every_link_of_the_root_leads_somewhere(admin: Client, world: World) -> None:
    asked = {"statistics": {"meter": "cpu"}, "why": {"meter": "cpu", "resource": "vm-1"}}
    for name, url in admin.fetch("/api/")["links"].items():
        assert admin.get(url, asked.get(name, {})).status_code == 200, name


class TestSchema:
    def test_it_is_for_people_who_are_signed_in(self, reader: Client) -> None:
        for path in ("/api/schema", "/api/docs"):
            assert reader.get(path).status_code == 200
            error_of(Client().get(path), 401)

    @override_settings(TELEMETRY_OPEN_SCHEMA=True)
    def test_a_setting_opens_it(self, db: None) -> None:
        for path in ("/api/schema", "/api/docs"):
            assert Client().get(path).status_code == 200

    def test_the_docs_have_no_inline_script_or_style_and_no_foreign_file(
        self, reader: Client
    ) -> None:
        html = reader.get("/api/docs").content.decode()
        assert "<style" not in html
        assert "style=" not in html
        assert "://" not in html
        assert html.count("<script") == html.count("<script src=") == 3
