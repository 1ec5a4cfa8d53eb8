"""Notifications by the native door: what was to be sent, how it went, once more or never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alarms.choices import Delivery
from alarms.models import Notification, NotificationAttempt
from telemetry_site import clock
from tests.api.people import Client, error_of
from tests.api.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_once")]
ClientOf = Callable[..., Client]
MISSING = "00000000-0000-4000-8000-000000000000"


def send_row(client: Client, row: Notification, action: str, status: int) -> Any:
    answer = client.post(f"/api/notifications/{row.pk}/{action}")
    if status >= 400:
        return error_of(answer, status)
    assert answer.status_code == status, answer.content
    return answer.json()


def put_status(row: Notification, status: str) -> None:
    Notification.objects.filter(pk=row.pk).update(status=status)


class TestOne:
    @pytest.fixture
    def row(self, world: World) -> Notification:
        """Tried twice: a 500 with words, then no answer."""
        row = world.notification
        for number, (code, error, answer) in enumerate(
            [(500, "http_500", "the receiver's words"), (None, "timeout", "")], 1
        ):
            NotificationAttempt.objects.create(
                notification=row, number=number, started_at=clock.now(), duration_s=0.5,
                status_code=code, error=error, answer=answer,
            )  # fmt: skip
        return row

    def test_it_comes_with_its_body_and_attempts(self, reader: Client, row: Notification) -> None:
        found = reader.fetch(f"/api/notifications/{row.pk}")
        assert found["body"] == row.body
        assert found["url"] == "http://receiver.example:8080/…"
        assert [(one["number"], one["status_code"], one["error"]) for one in found["tries"]] == [
            (1, 500, "http_500"),
            (2, None, "timeout"),
        ]

    def test_the_receivers_words_are_for_administrators(
        self, as_: ClientOf, row: Notification
    ) -> None:
        path = f"/api/notifications/{row.pk}"
        assert as_("admin").fetch(path)["tries"][0]["answer"] == "the receiver's words"
        for client in (as_("member"), as_("reader"), as_("admin", "read", project="p1")):
            assert [one["answer"] for one in client.fetch(path)["tries"]] == [None, None]

    def test_the_next_try_is_told_only_where_one_will_be(
        self, reader: Client, row: Notification
    ) -> None:
        path = f"/api/notifications/{row.pk}"
        assert reader.fetch(path)["next_attempt_at"]
        put_status(row, Delivery.DEAD)
        assert reader.fetch(path)["next_attempt_at"] is None

    def test_anothers_is_none(self, stranger: Client, row: Notification) -> None:
        stranger.refused(f"/api/notifications/{row.pk}", 404)
        for action in ("retry", "cancel"):
            send_row(stranger, row, action, 404)


class TestRetry:
    @pytest.mark.parametrize("status", ["dead", "failed", "cancelled", "pending"])
    def test_what_was_not_delivered_is_sent_again(
        self, member: Client, world: World, status: str
    ) -> None:
        put_status(world.notification, status)
        found = send_row(member, world.notification, "retry", 202)
        assert (found["status"], found["id"]) == ("pending", str(world.notification.pk))
        assert found["next_attempt_at"] <= clock.now().isoformat().replace("+00:00", "Z")

    def test_what_was_delivered_is_not(self, member: Client, world: World) -> None:
        put_status(world.notification, Delivery.DELIVERED)
        found = send_row(member, world.notification, "retry", 409)
        assert (found["code"], found["detail"]) == ("conflict", "It is delivered.")

    def test_nothing_is_sent_for_a_deleted_alarm(self, member: Client, world: World) -> None:
        row = world.notification
        member.delete(f"/api/alarms/{row.alarm_id}")
        assert send_row(member, row, "retry", 409)["detail"] == "Its alarm is deleted."
        assert Notification.objects.get(pk=row.pk).status == "cancelled"

    def test_readers_may_not(self, reader: Client, world: World) -> None:
        put_status(world.notification, Delivery.DEAD)
        send_row(reader, world.notification, "retry", 403)
        assert world.notification.status == "dead"

    def test_tests_and_retries_share_one_budget(self, member: Client, world: World) -> None:
        for _ in range(10):
            send_row(member, world.notification, "retry", 202)
        send_row(member, world.notification, "retry", 429)
        error_of(member.post(f"/api/alarms/{world.alarm.pk}/test"), 429)


class TestCancel:
    def test_what_waits_is_cancelled(self, member: Client, world: World) -> None:
        assert send_row(member, world.notification, "cancel", 200)["status"] == "cancelled"

    @pytest.mark.parametrize("status", ["delivered", "dead", "failed", "cancelled"])
    def test_what_does_not_wait_is_not(self, member: Client, world: World, status: str) -> None:
        put_status(world.notification, status)
        found = send_row(member, world.notification, "cancel", 409)
        assert found["detail"] == f"It is {status}, not pending."
