"""`/v2/notifications`: every attempt, what was kept back, and whose that is (alarms.md 8.1)."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.models import Alarm, AlarmHistory, Notification, NotificationAttempt, Receiver
from telemetry_site import clock
from tests.api.alarming.people import AlarmingClient, fault_of, simple

pytestmark = pytest.mark.django_db
HOOK = "https://hook.example/secret"
KEYS = [
    "id", "notification_id", "alarm_id", "alarm_name", "project_id", "severity", "previous",
    "state", "transition_id", "test", "action", "receiver", "destination", "timestamp", "status",
    "silenced_by", "inhibited_by", "group_id", "attempt", "started", "took_ms", "status_code",
    "error", "answer", "next_attempt",
]  # fmt: skip


def tell(client: AlarmingClient, *, state: str = State.ALARM, **fields: Any) -> Notification:
    """The one message of an alarm of the client's that comes to a state."""
    actions = {"alarm_actions": [HOOK], "ok_actions": [HOOK]}
    made = client.make(**{**actions, **fields})
    alarm = Alarm.objects.get(pk=made["alarm_id"])
    lifecycle.set_state(alarm, state, "u1")
    alarm.refresh_from_db()
    [row] = outbox.messages(alarm, State.INSUFFICIENT_DATA, "because", {"type": "threshold"})
    outbox.put([row])
    return Notification.objects.get(pk=row.pk)


def attempt(row: Notification, code: int | None, error: str = "", answer: str = "") -> None:
    """One more try, with what the notifier would record of it."""
    row.attempts += 1
    NotificationAttempt.objects.create(
        notification=row, number=row.attempts, started_at=clock.now(), duration_s=0.25,
        status_code=code, error=error, answer=answer,
    )  # fmt: skip
    row.status = Delivery.PENDING if error else Delivery.DELIVERED
    row.last_status, row.last_error = code, error
    row.save()


def listed(client: AlarmingClient, *terms: tuple[str, ...], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.fetch(f"/notifications?{simple(*terms, **more)}")
    return found


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


class TestRows:
    def test_each_attempt_is_one(self, member: AlarmingClient) -> None:
        row = tell(member)
        attempt(row, 500, "http_500", "no")
        attempt(row, 204)
        last, first = listed(member)
        assert list(last) == list(first) == KEYS
        assert ids([last, first]) == [f"{row.pk}.2", f"{row.pk}.1"]
        assert (first["attempt"], first["status_code"], first["error"]) == (1, 500, "http_500")
        assert (last["attempt"], last["status_code"], last["error"]) == (2, 204, "")
        assert first["took_ms"] == 250
        assert first["started"] < last["started"]
        for one in (last, first):
            assert one["alarm_id"] == str(row.alarm_id)
            assert (one["previous"], one["state"]) == ("insufficient data", "alarm")
            assert one["action"] == "https://hook.example/…"
            assert (one["status"], one["next_attempt"]) == ("delivered", None)
        transition = AlarmHistory.objects.get(type="state transition")
        assert last["transition_id"] == str(transition.event_id)

    def test_what_waits_tells_when_it_is_tried_next(self, member: AlarmingClient) -> None:
        row = tell(member)
        attempt(row, None, "timeout")
        attempt(row, None, "refused")
        last, first = listed(member)
        assert last["next_attempt"]
        assert first["next_attempt"] is None
        assert (last["error"], last["status_code"]) == ("refused", None)

    def test_what_was_not_tried_is_one_too(self, member: AlarmingClient) -> None:
        waiting, quiet = tell(member), tell(member, name="b")
        silence = uuid.uuid4()
        Notification.objects.filter(pk=quiet.pk).update(
            status=Delivery.SUPPRESSED, silenced_by=[silence], last_error="muted"
        )
        found = {one["id"]: one for one in listed(member)}
        assert set(found) == {f"{waiting.pk}.0", f"{quiet.pk}.0"}
        held = found[f"{quiet.pk}.0"]
        assert (held["status"], held["silenced_by"]) == ("suppressed", [str(silence)])
        assert (held["attempt"], held["started"], held["error"]) == (None, None, "muted")
        assert held["next_attempt"] is None
        assert found[f"{waiting.pk}.0"]["next_attempt"]

    def test_one_comes_with_its_body(self, member: AlarmingClient) -> None:
        row = tell(member)
        attempt(row, 200)
        [shown] = listed(member)
        assert member.fetch(f"/notifications/{shown['id']}") == shown | {"body": row.body}
        for ident in (f"{row.pk}.0", f"{row.pk}.2", str(row.pk), f"{row.pk}.x", "x", "x.1"):
            answer = member.ask("GET", f"/notifications/{ident}")
            assert fault_of(answer, 404) == "Notification ID not found"
        assert member.ask("POST", "/notifications", {}).status_code == 405

    def test_a_receiver_is_told_by_its_name(self, member: AlarmingClient) -> None:
        Receiver.objects.create(project_id="p1", name="oncall", url=HOOK, destination="d")
        row = tell(member, alarm_actions=["receiver://oncall"])
        [shown] = listed(member, ("receiver", "oncall"))
        assert (shown["receiver"], shown["notification_id"]) == ("oncall", str(row.pk))
        assert listed(member, ("receiver", "other")) == []
        Receiver.objects.update(project_id=None)
        assert listed(member, ("receiver", "oncall")) == []
        assert listed(member)[0]["receiver"] is None


class TestFilters:
    @pytest.mark.parametrize(
        ("terms", "found"),
        [
            ([("state", "alarm")], "a"),
            ([("state", "ok")], "b"),
            ([("status", "delivered")], "a"),
            ([("status", "pending"), ("severity", "critical")], "b"),
            ([("severity", "moderate")], ""),
            ([("destination", "https://hook.example:443")], "ab"),
            ([("destination", "https://hook.example:444")], ""),
            ([("test", "false")], "ab"),
            ([("test", "True")], ""),
            ([("timestamp", "2001-01-01", "gt"), ("timestamp", "2101-01-01", "le")], "ab"),
            ([("timestamp", "2001-01-01", "lt")], ""),
            ([("timestamp", "2101-01-01", "ge")], ""),
            ([("project_id", "p1")], "ab"),
            ([("all_projects", "false")], "ab"),
        ],
    )
    def test_terms_must_all_hold(self, member: AlarmingClient, terms: Any, found: str) -> None:
        attempt(tell(member, name="a"), 200)
        tell(member, name="b", state=State.OK, severity="critical")
        full = [(*term, "eq") if len(term) == 2 else term for term in terms]
        rows = listed(member, *full)
        assert "".join(sorted(row["alarm_name"] for row in rows)) == found

    def test_of_one_alarm_message_or_transition(self, member: AlarmingClient) -> None:
        one, other = tell(member), tell(member)
        attempt(one, 200)
        transition = AlarmHistory.objects.get(alarm_id=one.alarm_id, type="state transition")
        for term in (
            ("alarm_id", str(one.alarm_id)),
            ("notification_id", str(one.pk)),
            ("transition_id", str(transition.event_id)),
        ):
            assert ids(listed(member, term)) == [f"{one.pk}.1"]
        creation = AlarmHistory.objects.get(alarm_id=other.alarm_id, type="creation")
        assert listed(member, ("transition_id", str(creation.event_id))) == []

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            (simple(("foo", "x")), 'Unknown argument: "foo": unrecognized field in query: ['),
            (
                simple(("state", "alarm", "ne")),
                "Invalid input for field/attribute op. Value: 'ne'.",
            ),
            (simple(("state", "gone")), "Invalid input for field/attribute state. Value: 'gone'."),
            (simple(("status", "sent")), "Invalid input for field/attribute status."),
            (simple(("alarm_id", "x")), "Invalid input for field/attribute alarm_id. Value: 'x'."),
            (simple(("transition_id", "x")), "Invalid input for field/attribute transition_id."),
            (simple(("timestamp", "zz", "lt")), "Invalid input for field/attribute timestamp."),
            (simple(("timestamp", "2001-01-01")), "Invalid input for field/attribute op."),
            (simple(("test", "maybe")), "Unable to convert the value maybe to the expected data"),
            ("marker=zz", "Marker zz not found."),
            (f"marker={uuid.UUID(int=5)}.1", "Marker 00000000-0000-0000-0000-000000000005.1 not"),
            ("sort=answer", "Invalid input for field/attribute sort."),
            ("limit=-1", "Invalid input for field/attribute limit."),
            ("foo=1", 'Unknown argument: "foo"'),
        ],
    )
    def test_what_is_none_is_refused(
        self, member: AlarmingClient, query: str, sentence: str
    ) -> None:
        tell(member)
        answer = member.ask("GET", f"/notifications?{query}")
        assert fault_of(answer, 400).startswith(sentence)


class TestPages:
    @pytest.mark.parametrize("sort", ["", "severity:desc", "state", "alarm_id:desc", "attempt"])
    def test_they_hold_every_row_once(self, member: AlarmingClient, sort: str) -> None:
        """Messages of one instant, some tried twice, some never."""
        for number in range(3):
            row = tell(member, severity=("low", "critical")[number % 2])
            for _ in range(number):
                attempt(row, 500, "http_500")
        Notification.objects.update(created_at=clock.now())
        more: dict[str, Any] = {"sort": sort} if sort else {}
        whole = ids(listed(member, **more))
        seen: list[str] = []
        while page := ids(listed(member, limit=2, **more)):
            seen += page
            more["marker"] = seen[-1]
        assert seen == whole
        assert len(seen) == len(set(seen)) == 4

    def test_a_marker_is_good_when_its_row_has_become_another(self, member: AlarmingClient) -> None:
        older, newer = tell(member), tell(member)
        Notification.objects.filter(pk=older.pk).update(
            created_at=clock.now() - timedelta(minutes=1)
        )
        waiting = ("status", "pending")
        [first] = ids(listed(member, waiting, limit=1))
        assert first == f"{newer.pk}.0"
        attempt(newer, 200)
        assert ids(listed(member, waiting, marker=first)) == [f"{older.pk}.0"]

    def test_one_answer_has_at_most_a_thousand(
        self, member: AlarmingClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from alarms.alarming_api import notifications

        monkeypatch.setattr(notifications, "LISTING", notifications.LISTING._replace(most=2))
        for _ in range(3):
            tell(member)
        assert notifications.MOST == 1000
        assert [len(listed(member, **more)) for more in ({}, {"limit": 0}, {"limit": 9})] == [2] * 3


class TestWhose:
    def test_a_strangers_are_not_there(
        self, member: AlarmingClient, stranger: AlarmingClient, admin: AlarmingClient
    ) -> None:
        row = tell(member)
        attempt(row, 200)
        assert listed(stranger) == []
        assert listed(stranger, ("alarm_id", str(row.alarm_id))) == []
        for marker in (f"{row.pk}.1", f"{uuid.uuid4()}.1"):
            text = fault_of(stranger.ask("GET", f"/notifications?marker={marker}"), 400)
            assert text == f"Marker {marker} not found."
            text = fault_of(stranger.ask("GET", f"/notifications/{marker}"), 404)
            assert text == "Notification ID not found"
        answer = stranger.ask("GET", f"/notifications?{simple(('project_id', 'p1'))}")
        assert fault_of(answer, 401) == "Not Authorized to access project p1"
        fault_of(stranger.ask("GET", f"/notifications?{simple(('all_projects', 'true'))}"), 403)
        assert listed(admin) == []
        assert len(listed(admin, ("all_projects", "true"))) == 1
        assert len(listed(admin, ("project_id", "p1"))) == 1
        assert admin.fetch(f"/notifications/{row.pk}.1")["project_id"] == "p1"

    def test_secrets_and_answers_are_for_those_who_have_them(
        self, member: AlarmingClient, reader: AlarmingClient, admin: AlarmingClient
    ) -> None:
        row = tell(member)
        attempt(row, 500, "http_500", "from the inner network")
        path = f"/notifications/{row.pk}.1"
        for client in (member, reader, admin):
            assert client.fetch(path)["action"] == "https://hook.example/…"
            assert "secret" not in json.dumps(client.fetch("/notifications"))
        assert member.fetch(path)["answer"] is None
        assert admin.fetch(path)["answer"] == "from the inner network"

    @pytest.mark.parametrize("roles", ["", "service"])
    def test_without_a_role_nothing_is_shown(self, member: AlarmingClient, roles: str) -> None:
        row = tell(member)
        client = AlarmingClient("u5", "p1", roles)
        for path in ("/notifications", f"/notifications/{row.pk}.0"):
            fault_of(client.ask("GET", path), 403)

    def test_what_the_house_has_to_do_is_not_told(
        self, member: AlarmingClient, admin: AlarmingClient
    ) -> None:
        row = tell(member)
        Notification.objects.update(destination="remove-trust", url="remove-trust://x")
        assert listed(member) == []
        fault_of(member.ask("GET", f"/notifications/{row.pk}.0"), 404)
        assert len(listed(admin, ("project_id", "p1"))) == 1
