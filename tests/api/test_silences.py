"""Silences and acknowledgements by the native door."""

from __future__ import annotations

from typing import Any

import pytest

from alarms import lifecycle
from alarms.models import AlarmAck, Silence
from tests.api.people import Client, error_of
from tests.api.world import World
from tests.support.muting import asked, matcher

pytestmark = pytest.mark.django_db
PATH = "/api/silences"


def post(client: Client, body: Any, status: int = 201) -> Any:
    answer = client.post(PATH, body, format="json")
    if status >= 400:
        return error_of(answer, status)
    assert answer.status_code == status, answer.content
    return answer.json()


class TestWriting:
    def test_it_is_shown_as_alertmanager_shows_it(self, member: Client) -> None:
        sent = asked(matcher("severity", "low|moderate", isRegex=True))
        made = post(member, sent)
        assert made == member.fetch(f"{PATH}/{made['id']}")
        assert made["status"] == {"state": "active"}
        assert made["matchers"] == sent["matchers"]
        assert (made["createdBy"], made["comment"]) == (sent["createdBy"], sent["comment"])
        assert (made["project_id"], made["expired_by"]) == ("p1", "")

    def test_an_id_changes_one(self, member: Client) -> None:
        made = post(member, asked())
        longer = post(member, asked(hours=5) | {"id": made["id"]}, 200)
        assert longer["id"] == made["id"]
        assert longer["endsAt"] > made["endsAt"]
        other = post(member, asked(matcher(value="x")) | {"id": made["id"]}, 201)
        assert other["id"] != made["id"]
        assert member.fetch(f"{PATH}/{made['id']}")["status"] == {"state": "expired"}

    def test_nobody_changes_anothers(self, stranger: Client, world: World) -> None:
        post(stranger, asked() | {"id": str(world.silence.pk)}, 404)
        post(stranger, asked() | {"id": "x"}, 404)
        assert world.silence.state == "active"

    def test_deleting_ends_it(self, member: Client, world: World) -> None:
        silence = world.silence
        for _ in range(2):
            assert member.delete(f"{PATH}/{silence.pk}").status_code == 204
        silence.refresh_from_db()
        assert (silence.state, bool(silence.ended_by)) == ("expired", True)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"comment": ""}, "comment"),
            ({"createdBy": None}, "createdBy"),
            ({"startsAt": 1}, "startsAt"),
            ({"endsAt": "yesterday"}, "endsAt"),
            ({"endsAt": "2020-01-01T00:00:00Z"}, "endsAt"),
            ({"matchers": [{"name": "name", "value": "(", "isRegex": True}]}, "matchers[0].value"),
            ({"more": 1}, "more"),
        ],
    )
    def test_what_is_wrong_is_named(self, member: Client, change: Any, field: str) -> None:
        found = post(member, asked() | change, 400)
        assert found["errors"][0]["field"] == field

    def test_a_project_has_a_limit(
        self, member: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("alarms.muting.silences.MOST", 2)
        post(member, asked())
        post(member, asked())
        assert "silences" in post(member, asked(), 403)["detail"]
        post(stranger, asked())
        assert Silence.objects.count() == 3


def test_a_preview_tells_what_would_be_silenced(reader: Client, world: World) -> None:
    def fit(*matchers: Any) -> Any:
        answer = reader.post(f"{PATH}/preview", {"matchers": matchers}, format="json")
        assert answer.status_code == 200, answer.content
        return answer.json()

    found = fit(matcher("metric", "c.*", isRegex=True))
    assert found["total"] == 2
    assert [one["name"] for one in found["alarms"]] == ["all webs", "cpu high"]
    assert fit(matcher("severity", "critical"))["alarms"][0]["alarm_id"] == str(world.alarm.pk)
    assert fit(matcher("name", "nothing")) == {"total": 0, "alarms": []}


class TestAcknowledging:
    def url(self, world: World) -> str:
        return f"/api/alarms/{world.alarm.pk}/ack"

    def test_it_is_shown_with_who_when_and_why(self, member: Client, world: World) -> None:
        body = {"comment": "I'm on it", "until": "2199-01-01T00:00:00Z"}
        made = member.post(self.url(world), body, format="json").json()
        assert (made["comment"], made["created_by"]) == ("I'm on it", "member")
        assert made["created_at"]
        assert member.fetch(self.url(world)) == made
        first, second = AlarmAck.objects.order_by("created_at")
        assert (first.comment, first.ended_by, second.ended_at) == (
            "being looked at", second.user_id, None,
        )  # fmt: skip

    def test_it_can_be_taken_back_once(self, member: Client, world: World) -> None:
        assert member.delete(self.url(world)).status_code == 204
        error_of(member.delete(self.url(world)), 409)
        error_of(member.get(self.url(world)), 404)

    def test_only_an_alarm_in_alarm_is_acknowledged(self, member: Client, world: World) -> None:
        lifecycle.set_state(world.alarm, "ok", "u1")
        found = error_of(member.post(self.url(world), {"comment": "x"}, format="json"), 409)
        assert "The alarm is ok" in found["detail"]
        error_of(member.get(self.url(world)), 404)
        lifecycle.set_state(world.alarm, "alarm", "u1")
        error_of(member.get(self.url(world)), 404)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "comment"),
            ({"comment": " "}, "comment"),
            ({"comment": "a", "until": "2020-01-01"}, "until"),
            ({"comment": "a", "until": 5}, "until"),
            ({"comment": "a", "x": 5}, "x"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, member: Client, world: World, body: Any, field: str
    ) -> None:
        found = error_of(member.post(self.url(world), body, format="json"), 400)
        assert found["errors"][0]["field"] == field
