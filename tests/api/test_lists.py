"""Each list of the native door, by the cases that all lists share."""

from __future__ import annotations

from typing import Any

import pytest

from alarms.models import AlarmHistory
from tests.api.cases import ListCases
from tests.api.people import Client
from tests.api.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_once")]
MISSING = "00000000-0000-4000-8000-000000000000"


class TestResources(ListCases):
    path = "/api/resources"
    key = "id"
    orderings = {
        "original_id": lambda row: row["original_id"],
        "-original_id": lambda row: row["original_id"],
        "type": lambda row: row["type"],
        "-type": lambda row: row["type"],
        "started_at": lambda row: row["started_at"],
        "-started_at": lambda row: row["started_at"],
    }
    filters = {
        "q=web": 1,
        "q=VM-": 2,
        "q=%25": 0,
        "type=volume": 1,
        "type=volum": 0,
        "project_id=p1": 2,
        "project_id=p2": 0,
        "original_id=vm-1": 1,
        "metadata.display_name=web": 1,
        "metadata.vcpus=2": 1,
        "metadata.on=true": 1,
        "metadata.flavor.name=tiny": 1,
        "metadata.flavor.name=large": 0,
        "metadata.a' OR 1=1--=x": 0,
        "type=volume&q=vm": 1,
    }
    bad_filters = ("type=", f"type={'x' * 256}", "q=a%00b", "metadata.a.b.c.d.e.f.g.h.i=1")


class TestMetrics(ListCases):
    path = "/api/metrics"
    key = "id"
    orderings = {
        "name": lambda row: row["name"],
        "-name": lambda row: row["name"],
        "resource": lambda row: row["resource"]["original_id"],
        "-resource": lambda row: row["resource"]["original_id"],
    }
    filters = {
        "name=cpu": 2,
        "name=disk.*": 1,
        "name=*": 3,
        "name=%25": 0,
        "name=c_u": 0,
        "resource=vm-1": 1,
        "type=gauge": 3,
        "type=delta": 0,
        "resource_type=volume": 2,
        "project_id=p1": 3,
        "project_id=p2": 0,
        "metadata.flavor.name=tiny": 2,
    }
    bad_filters = ("type=level", "type=Gauge", f"name={'x' * 256}")

    def test_each_row_has_its_last_value_and_age(self, client: Client, world: World) -> None:
        rows = client.fetch(self.path, resource=str(world.vm.uuid))["results"]
        (last,) = [row["last"] for row in rows]
        assert last["value"] == 0.0
        assert 0 <= last["age_s"] < 600


class TestRevisions(ListCases):
    key = "valid_from"
    orderings = {"valid_from": lambda row: row["valid_from"]}
    path = ""

    @pytest.fixture(autouse=True)
    def _stored(self, world: World) -> None:
        type(self).path = f"/api/resources/{world.vm.uuid}/revisions"

    def test_a_stranger_sees_nothing_of_it(self, stranger: Client) -> None:  # type: ignore[override]
        stranger.refused(self.path, 404)


class TestMeters(ListCases):
    path = "/api/meters"
    key = "name"
    orderings = {"name": lambda row: row["name"], "-name": lambda row: row["name"]}
    filters = {"name=d*": 1, "type=gauge": 2, "resource_type=instance": 1, "project_id=p2": 0}
    bad_filters = ("type=x",)

    def test_a_stranger_sees_nothing_of_it(self, client: Client, stranger: Client) -> None:  # type: ignore[override]
        (cpu, _disk) = client.fetch(self.path)["results"]
        assert cpu == {"name": "cpu", "unit": "B", "type": "gauge", "resources": 2}
        assert [row["resources"] for row in stranger.fetch(self.path)["results"]] == [1, 1]


class TestSamples(ListCases):
    path = "/api/samples"
    key = "timestamp"
    filters = {
        "meter=cpu": 11,
        "meter=disk*": 1,
        "resource=vm-2": 2,
        "resource_type=volume": 2,
        "project_id=p2": 0,
        "start=2200-01-01": 0,
        "stop=1970-01-02": 0,
        "metadata.vcpus=2": 10,
    }
    bad_filters = (
        "start=yesterday",
        "start=2026-02-30T00:00:00Z",
        "start=2026-01-01T24:00:00Z",
        "start=0001-01-01T00:00:00%2B14:00",
        "start=\uff12026-01-01",
        "stop=20261125T000000Z",
        "metric=%7B00000000-0000-0000-0000-000000000000%7D",
        "order=up",
        "format=xml",
    )

    def _keys(self, client: Client, **query: Any) -> list[Any]:
        rows = client.fetch(self.path, **query)["results"]
        return [row["timestamp"] for row in rows]

    def test_an_unknown_ordering_is_refused(self, client: Client) -> None:
        assert client.refused(self.path, order="up")["errors"][0]["field"] == "order"


class TestEvents(ListCases):
    path = "/api/events"
    key = "message_id"
    orderings = {
        "generated": lambda row: row["generated"],
        "-generated": lambda row: row["generated"],
    }
    filters = {
        "event_type=volume.*": 2,
        "event_type=*.create.end": 3,
        "event_type=volume": 0,
        "trait.size=1": 1,
        "trait.size=1.0": 1,
        "trait.size__gt=0": 2,
        "trait.size__ge=1": 2,
        "trait.size__gte=1": 2,
        "trait.size__lt=1": 1,
        "trait.size__le=1": 2,
        "trait.size__ne=1": 2,
        "trait.size__gt=0&trait.size__lt=2": 1,
        "trait.load__gt=0.5": 2,
        "trait.name=mine-trait": 3,
        "trait.name__gt=a": 3,
        "trait.name__gt=5": 0,
        "trait.nosuch__ne=1": 0,
        "trait.launched_at__gt=2020-01-01T00:00:00Z": 3,
        "trait.launched_at__lt=2020-01-01T00:00:00Z": 0,
        "trait.' OR 1=1--__eq=1": 0,
        "project_id=p2": 0,
        "trait.name=mine-trait&event_type=compute*": 1,
    }
    bad_filters = ("start=now", "trait.size__like=1", "trait.__gt=1", f"event_type={'x' * 300}")


class TestEventTypes(ListCases):
    path = "/api/event-types"
    key = "event_type"
    orderings = {"event_type": lambda row: row["event_type"]}
    filters = {"event_type=vol*": 1}

    def test_a_stranger_sees_nothing_of_it(self, stranger: Client) -> None:  # type: ignore[override]
        types = [row["event_type"] for row in stranger.fetch(self.path)["results"]]
        assert types == ["compute.instance.create.end", "volume.create.end"]


class TestSources(ListCases):
    path = "/api/sources"
    key = "id"
    owner = "admin"
    admin_only = True
    filters = {"kind=compute": 1, "outcome=ok": 1, "outcome=error": 0, "agent_id=compute.h1": 1}
    bad_filters = ("outcome=fine",)


class TestQuarantine(ListCases):
    path = "/api/quarantine"
    key = "id"
    owner = "admin"
    admin_only = True
    filters = {"state=open": 1, "state=replayed": 0, "reason=schema": 1, "agent_id=nobody": 0}
    bad_filters = ("state=closed", "reason=nosuch")


class TestTokens(ListCases):
    path = "/api/tokens"
    key = "id"
    orderings = {"created_at": lambda row: row["created_at"]}

    def test_pages_follow_each_other_without_gap_or_repetition(self, as_: Any) -> None:  # type: ignore[override]
        for _ in range(3):
            client = as_(self.owner)
        super().test_pages_follow_each_other_without_gap_or_repetition(client)


class TestAlarms(ListCases):
    path = "/api/alarms"
    key = "id"
    orderings = {
        "updated_at": lambda row: row["updated_at"],
        "-updated_at": lambda row: row["updated_at"],
        "name": lambda row: row["name"],
        "-name": lambda row: row["name"],
        "state_timestamp": lambda row: row["state_timestamp"],
        "-state_timestamp": lambda row: row["state_timestamp"],
    }
    filters = {
        "name=cpu high": 1,
        "name=cpu*": 1,
        "name=cpu": 0,
        "name=%25": 0,
        "state=alarm": 1,
        "state=insufficient data": 1,
        "state=ok": 0,
        "severity=critical": 1,
        "severity=moderate": 0,
        "enabled=false": 1,
        "enabled=true": 1,
        "type=gnocchi_resources_threshold": 1,
        "metric=cpu": 2,
        "metric=c*": 2,
        "metric=disk.*": 0,
        "resource_id=vm-1": 1,
        "resource_id=vm": 0,
        "project_id=p1": 2,
        "project_id=p2": 0,
        "q=WEBS": 1,
        "q=display_name": 1,
        "q=%25": 1,
        "q=nosuch": 0,
        "q=web&enabled=true": 0,
    }
    bad_filters = ("state=fine", "severity=high", "enabled=yes", "type=nosuch", "metric=a%00")


class TestAlarmHistory(ListCases):
    path = "/api/alarm-history"
    key = "id"
    orderings = {
        "timestamp": lambda row: row["timestamp"],
        "-timestamp": lambda row: row["timestamp"],
    }
    filters = {
        "type=creation": 3,
        "type=deletion": 1,
        "type=state transition": 1,
        "type=rule change": 0,
        "to_state=alarm": 1,
        "to_state=ok": 0,
        "user_id=u1": 5,
        "user_id=u": 0,
        "project_id=p2": 0,
        f"alarm_id={MISSING}": 0,
        "start=2200-01-01": 0,
        "stop=1970-01-02": 0,
        "start=2020-01-01&type=deletion": 1,
    }
    bad_filters = ("type=nosuch", "alarm_id=x", "start=now", "to_state=")


class TestHistoryOfOneAlarm(ListCases):
    key = "id"
    path = ""
    filters = {"type=creation": 1, "type=state transition": 1, "stop=1970-01-02": 0}
    bad_filters = ("type=nosuch", "start=now")

    @pytest.fixture(autouse=True)
    def _stored(self, world: World) -> None:
        type(self).path = f"/api/alarms/{world.alarm.pk}/history"

    def test_a_stranger_sees_nothing_of_it(self, stranger: Client) -> None:  # type: ignore[override]
        stranger.refused(self.path, 404)

    def test_a_deleted_alarms_history_stays_in_the_whole_one(self, client: Client) -> None:
        gone = AlarmHistory.objects.get(type="deletion").alarm_id
        client.refused(f"/api/alarms/{gone}/history", 404)
        rows = client.fetch("/api/alarm-history", alarm_id=str(gone))["results"]
        assert [row["type"] for row in rows] == ["deletion", "creation"]


class TestSilences(ListCases):
    path = "/api/silences"
    key = "id"
    orderings = {
        "ends_at": lambda row: row["endsAt"],
        "-ends_at": lambda row: row["endsAt"],
        "starts_at": lambda row: row["startsAt"],
        "-starts_at": lambda row: row["startsAt"],
    }
    filters = {
        "state=active": 1,
        "state=expired": 1,
        "state=pending": 0,
        'filter=severity="critical"': 1,
        "filter=severity=low": 0,
        "filter=severity!=critical": 1,
        "user_id=u1": 2,
        "user_id=u2": 0,
        "project_id=p1": 2,
    }
    bad_filters = ("state=over", "filter=x", "filter=tenant=1", 'filter=name=~"a"')


class TestInhibitions(ListCases):
    path = "/api/inhibitions"
    key = "id"
    orderings = {
        "created_at": lambda row: row["created_at"],
        "-created_at": lambda row: row["created_at"],
    }
    filters = {"user_id=u1": 1, "user_id=u2": 0, "project_id=p1": 1}


class TestReceivers(ListCases):
    path = "/api/receivers"
    key = "id"
    orderings = {
        "name": lambda row: row["name"],
        "-name": lambda row: row["name"],
        "created_at": lambda row: row["created_at"],
        "-created_at": lambda row: row["created_at"],
    }
    filters = {"name=o*": 1, "name=x": 0, "project_id=p1": 1}


class TestRoutes(ListCases):
    path = "/api/routes"
    key = "id"
    orderings = {
        "position": lambda row: row["position"], "-position": lambda row: row["position"],
    }  # fmt: skip
    filters = {"project_id=p1": 1, "project_id=p2": 0}


class TestNotifications(ListCases):
    path = "/api/notifications"
    key = "id"
    orderings = {
        "created_at": lambda row: row["created_at"],
        "-created_at": lambda row: row["created_at"],
    }
    filters = {
        "status=pending": 1,
        "status=delivered": 0,
        "current=alarm": 1,
        "current=ok": 0,
        "is_test=true": 1,
        "is_test=false": 0,
        "destination=http://receiver.example:8080": 1,
        "destination=http://receiver.example": 0,
        "severity=critical": 1,
        "severity=low": 0,
        "project_id=p1": 1,
        "project_id=p2": 0,
        f"alarm_id={MISSING}": 0,
        f"receiver_id={MISSING}": 0,
        "start=2200-01-01": 0,
        "stop=1970-01-02": 0,
        "start=2020-01-01&status=pending": 1,
    }
    bad_filters = (
        "status=sent",
        "is_test=1",
        "alarm_id=x",
        "receiver_id=x",
        "start=now",
        "current=bad",
    )


class TestNotificationsOfOneAlarm(ListCases):
    key = "id"
    path = ""
    filters = {"status=pending": 1, "is_test=false": 0}
    bad_filters = ("status=sent",)

    @pytest.fixture(autouse=True)
    def _stored(self, world: World) -> None:
        type(self).path = f"/api/alarms/{world.alarm.pk}/notifications"

    def test_a_stranger_sees_nothing_of_it(self, stranger: Client) -> None:  # type: ignore[override]
        stranger.refused(self.path, 404)
