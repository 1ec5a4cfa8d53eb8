"""Signs of life: a watchdog outside is told that alarms are evaluated, and may ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client

from alarms import tasks
from alarms.evaluator import lateness
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm
from alarms.notifier import watchdog
from telemetry_site.celery import app
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.health import Remembered
from telemetry_site.queues import answering as answering_broker
from telemetry_site.queues import depth
from telemetry_site.settings.allowances import parse_allowance
from tests.api.alarming.people import fault_of
from tests.support.alarms import make_alarm
from tests.support.webhooks import answering, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_tasks")]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, broker: EmbeddedValkey) -> None:
    """Nobody remembers what other tests have asked."""
    monkeypatch.setattr(watchdog, "_last", -watchdog.EVERY_S)
    monkeypatch.setattr(lateness, "reason", Remembered(lateness._ask))


def hints() -> int:
    with answering_broker(app) as connected:
        return depth(connected, "notifier")


class TestTelling:
    def test_a_completed_cycle_is_told_by_the_notifier(self, settings: Any) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
        with receiver(answering(200)) as there:
            settings.TELEMETRY_EVALUATOR_HEARTBEAT_URL = there.url("/ping/secret")
            tasks.evaluate_due_alarms.run()
            tasks.evaluate_due_alarms.run()
            assert hints() == 1, "at most every 30 s"
            tasks.tell_watchdog.run()
        [request] = there.requests
        assert request.line == "GET /ping/secret HTTP/1.1"

    def test_a_cycle_that_was_none_is_not(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.TELEMETRY_EVALUATOR_HEARTBEAT_URL = "https://8.8.8.8/ping"

        def fail() -> None:
            raise OperationalError("the database is away")

        monkeypatch.setattr(tasks, "evaluate_due", fail)
        tasks.evaluate_due_alarms.run()
        assert hints() == 0

    def test_without_one_nobody_is_told(self) -> None:
        tasks.evaluate_due_alarms.run()
        assert hints() == 0

    @pytest.mark.parametrize("statuses", [(500,), (302,)])
    def test_what_becomes_of_it_is_counted_and_stops_nothing(
        self, settings: Any, statuses: tuple[int, ...]
    ) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
        counted = watchdog.TOLD.labels(f"http_{statuses[0]}")
        before = counted._value.get()
        with receiver(answering(*statuses)) as there:
            settings.TELEMETRY_EVALUATOR_HEARTBEAT_URL = there.url()
            tasks.tell_watchdog.run()
        assert counted._value.get() == before + 1
        settings.TELEMETRY_WEBHOOK_ALLOW = []
        tasks.tell_watchdog.run()
        assert watchdog.TOLD.labels("forbidden_address")._value.get() > 0


class TestAsking:
    def test_an_alarm_that_is_due_for_three_intervals_is_told(self, client: Client) -> None:
        make_alarm()
        assert client.get("/alarming/healthcheck").status_code == 200
        Alarm.objects.update(evaluate_at=Now() - timedelta(seconds=181))
        lateness.reason = Remembered(lateness._ask)
        text = fault_of(client.get("/alarming/healthcheck"), 503)
        assert text == "alarms are not evaluated: one is due since 181 s"
        evaluate_due()
        lateness.reason = Remembered(lateness._ask)
        assert client.get("/alarming/healthcheck").status_code == 200

    @pytest.mark.parametrize(
        "fields", [{"enabled": False}, {"type": "event"}], ids=["disabled", "event"]
    )
    def test_what_is_never_due_is_not_late(self, client: Client, fields: Any) -> None:
        make_alarm()
        Alarm.objects.update(evaluate_at=Now() - timedelta(days=1), **fields)
        assert client.get("/alarming/healthcheck").status_code == 200
