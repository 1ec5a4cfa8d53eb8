"""The notifier against real receivers (rules N1–N6, F32, F32b, F32c)."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.models import Alarm, Destination, Notification, NotificationAttempt
from alarms.notifier import delivery
from alarms.notifier.delivery import send_due
from alarms.notifier.message import Message
from alarms.notifier.outcome import of_status
from alarms.notifier.sweep import sweep
from meters.housekeeping import keep_house
from telemetry_site.celery import app
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.queues import answering as answering_broker
from telemetry_site.queues import depth
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.tls import make_certificates, tls_receiver
from tests.support.webhooks import answering, receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]


def transition(alarm: Alarm, state: str = State.ALARM, repeat_no: int = 0) -> list[Notification]:
    """What the evaluator writes when an alarm comes to a state."""
    before = alarm.state
    alarm.state, alarm.repeat_no = state, repeat_no
    alarm.state_version += not repeat_no
    alarm.save()
    rows = outbox.messages(alarm, before, "because", {"type": "threshold"})
    return Notification.objects.bulk_create(rows)


def alarm_for(*urls: str, **fields: Any) -> Alarm:
    return make_alarm(alarm_actions=list(urls), ok_actions=list(urls), **fields)


def pass_time(seconds: float) -> None:
    """Everything stored lies so much further back."""
    by = timedelta(seconds=seconds)
    Notification.objects.update(
        next_attempt_at=F("next_attempt_at") - by,
        lease_until=F("lease_until") - by,
        retrying_since=F("retrying_since") - by,
        tried_at=F("tried_at") - by,
    )
    Destination.objects.update(open_until=F("open_until") - by)


def waits_s(row: Notification) -> float:
    got = Notification.objects.annotate(wait=F("next_attempt_at") - Now()).get(pk=row.pk)
    seconds: float = got.wait.total_seconds()
    return seconds


class TestADelivery:
    def test_the_body_is_aodhs_and_the_rest_is_in_headers(self) -> None:
        with receiver(answering(200)) as there:
            [row] = transition(alarm_for(there.url("/a?b=c")))
            assert send_due() == 1
        [request] = there.requests
        assert request.line == "POST /a?b=c HTTP/1.1"
        assert list(json.loads(request.body)) == [
            "alarm_name", "alarm_id", "severity", "previous", "current", "reason", "reason_data",
        ]  # fmt: skip
        assert request.headers["host"] == f"127.0.0.1:{there.port}"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["idempotency-key"] == str(row.pk)
        assert request.headers["x-openstack-request-id"] == f"req-{row.pk}"
        assert request.headers["x-telemetry-attempt"] == "1"
        assert not {"x-telemetry-signature", "x-alarm-test", "cookie"} & request.headers.keys()
        row.refresh_from_db()
        assert (row.status, row.attempts, row.last_status) == (Delivery.DELIVERED, 1, 200)
        assert row.delivered_at
        [attempt] = row.tries.all()
        assert (attempt.number, attempt.status_code, attempt.error) == (1, 200, "")
        assert attempt.answer == "thanks"
        assert attempt.duration_s is not None

    @pytest.mark.parametrize(
        ("is_allowed", "query", "error"),
        [
            (True, "?aodh-alarm-ssl-verify=0", ""), (True, "?aodh-alarm-ssl-verify=1", "tls"),
            (True, "?aodh-alarm-ssl-verify=no", "tls"), (True, "", "tls"),
            (False, "?aodh-alarm-ssl-verify=0", "tls"),
        ],
    )  # fmt: skip
    def test_the_urls_own_switch_of_tls_counts_where_the_operator_lets_it(
        self, settings: Any, tmp_path: Path, is_allowed: bool, query: str, error: str
    ) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW_UNVERIFIED = is_allowed
        with tls_receiver(make_certificates(tmp_path), "self") as (url, got):
            [row] = transition(alarm_for(f"{url}{query}"))
            send_due()
        row.refresh_from_db()
        assert (row.last_error, len(got)) == (error, int(not error))

    def test_each_secret_signs(self, settings: Any) -> None:
        settings.TELEMETRY_WEBHOOK_SECRETS = ["new", "old"]
        with receiver(answering(200)) as there:
            transition(alarm_for(there.url()))
            send_due()
        [request] = there.requests
        at, *signatures = request.headers["x-telemetry-signature"].split(",")
        signed = at.removeprefix("t=").encode() + b"." + request.body
        assert signatures == [
            f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"
            for secret in (b"new", b"old")
        ]

    def test_a_test_message_says_so(self) -> None:
        with receiver(answering(200)) as there:
            outbox.send_test(alarm_for(there.url()), State.ALARM, "admin")
            send_due()
        [request] = there.requests
        assert request.headers["x-alarm-test"] == "true"
        assert json.loads(request.body)["reason_data"] == {"type": "test"}


class TestWhatAnAnswerMeans:
    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    def test_2xx_is_delivered(self, status: int) -> None:
        with receiver(answering(status, body="")) as there:
            [row] = transition(alarm_for(there.url()))
            send_due()
        row.refresh_from_db()
        assert row.status == Delivery.DELIVERED

    @pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
    def test_4xx_is_a_refusal_for_good(self, status: int) -> None:
        with receiver(answering(status)) as there:
            [row] = transition(alarm_for(there.url()))
            send_due()
            pass_time(100_000)
            assert send_due() == 0
        row.refresh_from_db()
        assert (row.status, row.last_status, row.last_error) == (
            Delivery.FAILED, status, f"http_{status}",
        )  # fmt: skip

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_refused_and_not_followed(self, status: int) -> None:
        with receiver(answering(200)) as elsewhere:
            moved = f"Location: {elsewhere.url()}\r\n"
            with receiver(answering(status, headers=moved)) as there:
                [row] = transition(alarm_for(there.url()))
                send_due()
        row.refresh_from_db()
        assert (row.status, row.last_error) == (Delivery.FAILED, "redirect_refused")
        assert elsewhere.connections == 0

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
    def test_later_means_again_after_5_s(self, status: int) -> None:
        with receiver(answering(status)) as there:
            [row] = transition(alarm_for(there.url()))
            send_due()
        row.refresh_from_db()
        assert (row.status, row.last_error) == (Delivery.PENDING, f"http_{status}")
        assert 3.5 < waits_s(row) < 6

    @pytest.mark.parametrize(
        ("status", "asked", "low", "high"),
        [(429, "30", 28, 30), (503, "30", 28, 30), (503, "90000", 3590, 3600), (500, "30", 3, 6)],
    )
    def test_retry_after_is_honoured_up_to_an_hour(
        self, status: int, asked: str, low: float, high: float
    ) -> None:
        with receiver(answering(status, headers=f"Retry-After: {asked}\r\n")) as there:
            [row] = transition(alarm_for(there.url()))
            send_due()
        assert low < waits_s(row) <= high

    def test_the_schedule_and_its_end(self) -> None:
        with receiver(answering(500)) as there:
            [row] = transition(alarm_for(there.url()))
            waits = []
            for _ in range(7):
                assert send_due() == 1
                waits.append(waits_s(row))
                pass_time(waits[-1] + 61)
            for wait, wanted in zip(waits, (5, 15, 60, 300, 900, 3600, 3600), strict=True):
                assert 0.78 * wanted < wait < 1.2 * wanted
            while send_due():
                pass_time(3600 * 1.2 + 61)
        row.refresh_from_db()
        assert row.status == Delivery.DEAD
        assert row.attempts in (25, 26), "a day's, each a little late"
        numbers = row.tries.order_by("number").values_list("number", flat=True)
        assert list(numbers) == list(range(1, row.attempts + 1))
        assert {request.headers["idempotency-key"] for request in there.requests} == {str(row.pk)}

    def test_a_day_in_which_nobody_tried_is_none_of_its_days(self) -> None:
        """An outage of ours, or a clock that was put forward."""
        with receiver(answering(500)) as there:
            [row] = transition(alarm_for(there.url()))
            found = []
            for _ in range(5):
                assert send_due() == 1
                row.refresh_from_db()
                found.append(row.status)
                pass_time(48 * 3600)
        assert found == [Delivery.PENDING] * 4 + [Delivery.DEAD], "6 h of each pause count"

    def test_500_five_times_and_then_200(self) -> None:
        with receiver(answering(500, 500, 500, 500, 500, 200)) as there:
            [row] = transition(alarm_for(there.url()))
            while send_due():
                pass_time(5000)
        row.refresh_from_db()
        assert (row.status, row.attempts) == (Delivery.DELIVERED, 6)
        numbers = [request.headers["x-telemetry-attempt"] for request in there.requests]
        assert numbers == ["1", "2", "3", "4", "5", "6"]

    def test_of_two_receivers_only_who_failed_is_asked_again(self) -> None:
        with receiver(answering(200)) as good, receiver(answering(500, 500, 200)) as bad:
            transition(alarm_for(good.url(), bad.url()))
            while send_due():
                pass_time(100)
        assert (len(good.requests), len(bad.requests)) == (1, 3)

    def test_nobody_listens(self) -> None:
        with receiver(answering(200)) as there:
            pass
        [row] = transition(alarm_for(there.url()))
        send_due()
        row.refresh_from_db()
        assert (row.status, row.last_error, row.last_status) == (
            Delivery.PENDING, "refused", None,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("url", "kind"),
        [
            ("http://10.0.0.1/", "forbidden_address"),
            ("http://169.254.169.254/latest", "forbidden_address"),
            ("gopher://127.0.0.1:6379/_x", "scheme"),
            ("http://[::1", "bad_url"),
            ("nonsense", "scheme"),
            ("", "scheme"),
            ("http://u:p@127.0.0.1/", "userinfo"),
        ],
    )
    def test_what_the_guard_stops_has_failed_with_its_class_only(self, url: str, kind: str) -> None:
        [row] = transition(alarm_for(url))
        send_due()
        row.refresh_from_db()
        assert (row.status, row.last_error) == (Delivery.FAILED, kind)
        assert row.tries.get().answer == ""

    def test_a_log_action_is_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        alarm = alarm_for("log://")
        [row] = transition(alarm)
        send_due()
        row.refresh_from_db()
        assert row.status == Delivery.DELIVERED
        assert (
            f"Notifying alarm cpu high {alarm.pk} of low priority from insufficient data to alarm "
            "with action log:// because because." in capsys.readouterr().out
        )


class TestLeases:
    def test_a_killed_notifiers_message_is_sent_again_under_its_key(self, settings: Any) -> None:
        """What `notifier.after_claim` leaves behind: a lease, and an attempt without an end."""
        with receiver(answering(200)) as there:
            [row] = transition(alarm_for(there.url()))
            lost = delivery._claim()
            assert lost is not None
            delivery._finished(lost)
            assert send_due() == 0
            pass_time(settings.TELEMETRY_NOTIFIER_LEASE + 1)
            assert send_due() == 1
        row.refresh_from_db()
        assert (row.status, row.attempts) == (Delivery.DELIVERED, 2)
        assert row.tries.get(number=1).duration_s is None

    def test_who_wakes_up_after_its_lease_changes_nothing(self, settings: Any) -> None:
        with receiver(answering(200)) as there:
            [row] = transition(alarm_for(there.url()))
            frozen = delivery._claim()
            assert frozen is not None
            delivery._finished(frozen)
            pass_time(settings.TELEMETRY_NOTIFIER_LEASE + 1)
            send_due()
        delivery._record(frozen, of_status(500), 1.0)
        row.refresh_from_db()
        assert (row.status, row.last_status) == (Delivery.DELIVERED, 200)
        assert row.tries.get(number=1).status_code == 500, "what happened is recorded"

    def test_what_is_cancelled_while_it_is_sent_stays_cancelled(self) -> None:
        alarm = make_alarm()

        def answer(*_: Any) -> bytes:
            outbox.cancel_pending(Notification.objects.filter(alarm_id=alarm.pk))
            connection.close()
            return b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

        with receiver(answer) as there:
            alarm.alarm_actions = [there.url()]
            [row] = transition(alarm)
            send_due()
        row.refresh_from_db()
        assert row.status == Delivery.CANCELLED

    def test_nothing_is_sent_for_a_deleted_alarm(self) -> None:
        with receiver(answering(200)) as there:
            alarm = alarm_for(there.url())
            [row] = transition(alarm)
            lifecycle.delete(alarm, "u1")
            assert outbox.retry(Notification.objects.filter(pk=row.pk)) == 0
            assert send_due() == 0
        assert there.connections == 0

    def test_a_person_sends_it_again(self) -> None:
        with receiver(answering(410, 200)) as there:
            [row] = transition(alarm_for(there.url()))
            send_due()
            assert outbox.retry(Notification.objects.filter(pk=row.pk)) == 1
            send_due()
        row.refresh_from_db()
        assert (row.status, row.attempts, row.last_error) == (Delivery.DELIVERED, 2, "")


class TestOrder:
    def test_transitions_of_a_receiver_that_is_down_arrive_in_their_order(self) -> None:
        """F32b, and nobody else waits."""
        with receiver(answering(500, 500, 200)) as there, receiver(answering(200)) as other:
            alarm = alarm_for(there.url(), other.url())
            for state in (State.ALARM, State.OK, State.ALARM):
                transition(alarm, state)
            for _ in range(3):
                send_due()
                pass_time(100)
        arrived = [json.loads(request.body)["current"] for request in there.requests]
        assert arrived == ["alarm", "alarm", "alarm", "ok", "alarm"]
        assert [json.loads(one.body)["current"] for one in other.requests] == [
            "alarm", "ok", "alarm",
        ]  # fmt: skip
        assert not Notification.objects.exclude(status=Delivery.DELIVERED).exists()

    def test_repeats_keep_their_order_too(self) -> None:
        with receiver(answering(500, 200)) as there:
            alarm = alarm_for(there.url())
            first = transition(alarm)[0].pk
            second = transition(alarm, repeat_no=1)[0].pk
            while send_due():
                pass_time(100)
        keys = [request.headers["idempotency-key"] for request in there.requests]
        assert keys == [str(first), str(first), str(second)]


class TestBulkheads:
    def test_five_failures_open_the_breaker_and_one_probe_closes_it(self) -> None:
        with receiver(answering(500, 500, 500, 500, 500, 200)) as there:
            for number in range(12):
                transition(alarm_for(there.url(f"/{number}")))
            assert send_due() == 5
            breaker = Destination.objects.get()
            assert breaker.key == f"http://127.0.0.1:{there.port}"
            assert (breaker.failures, breaker.last_error) == (5, "http_500")
            assert send_due() == 0
            pass_time(60)
            assert send_due() == 12
        assert Destination.objects.get().failures == 0
        assert not Notification.objects.exclude(status=Delivery.DELIVERED).exists()

    def test_a_refusal_is_a_sign_of_life(self) -> None:
        with receiver(answering(500, 500, 500, 500, 404, 500)) as there:
            for number in range(6):
                transition(alarm_for(there.url(f"/{number}")))
            assert send_due() == 6
        assert Destination.objects.get().failures == 1

    def test_claims_stop_at_four_a_receiver_and_at_the_projects_share(self) -> None:
        for number in range(6):
            transition(alarm_for(f"http://127.0.0.1:9/{number}", project_id="p1"))
        for number in range(12):
            transition(alarm_for(f"http://127.0.0.2:{8000 + number}/", project_id="p2"))
        projects = [message.project_id for message in _claimed()]
        assert (projects.count("p1"), projects.count("p2")) == (4, 8)

    def test_a_receiver_that_failed_gets_one_at_a_time(self) -> None:
        with receiver(answering(500)) as there:
            for number in range(3):
                transition(alarm_for(there.url(f"/{number}")))
            claimed = _claimed()
            assert len(claimed) == 3
            delivery._deliver(claimed[0])
            pass_time(3600)
            assert len(_claimed()) == 1


def _claimed() -> list[Message]:
    """All that may be under way at once."""
    claimed = list(iter(delivery._claim, None))
    for message in claimed:
        delivery._finished(message)
    return claimed


def test_a_hanging_receiver_keeps_nobody_waiting_in_a_real_notifier() -> None:
    """F32c stands with the fault tests; here: several threads, one of them hangs."""
    release = threading.Event()

    def hang(*_: Any) -> bytes:
        release.wait(20)
        return b""

    def work() -> None:
        send_due()
        connection.close()

    with receiver(hang) as dead, receiver(answering(200)) as alive:
        transition(alarm_for(dead.url(), project_id="p1"))
        for number in range(20):
            transition(alarm_for(alive.url(f"/{number}"), project_id="p2"))
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            if len(alive.requests) == 20:
                break
            release.wait(0.1)
        assert len(alive.requests) == 20
        assert len(dead.requests) == 1
        release.set()
        for thread in threads:
            thread.join()


def test_keys_are_made_of_the_transition() -> None:
    alarm_id = uuid.uuid4()
    keys = {outbox.key(alarm_id, 1, 0, 0), outbox.key(alarm_id, 1, 1, 0)}
    keys |= {outbox.key(alarm_id, 2, 0, 0), outbox.key(alarm_id, 1, 0, 1)}
    assert len(keys) == 4
    assert outbox.key(alarm_id, 1, 0, 0) == outbox.key(alarm_id, 1, 0, 0)


class TestTheCommand:
    def run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("notifications", *arguments, stdout=out)
        return out.getvalue()

    def test_nothing_there(self) -> None:
        said = self.run("list")
        assert "No notifications match." in said
        assert "0 waiting (0 due), 0 given up" in said

    def test_a_refused_one_is_listed_shown_and_sent_again(self) -> None:
        with receiver(answering(410, 200)) as there:
            [row] = transition(alarm_for(there.url("/secret")))
            send_due()
            [listed] = json.loads(self.run("list", "--status", "failed", "--format", "json"))
            assert listed["id"] == str(row.pk)
            assert listed["last_error"] == "http_410"
            assert "secret" not in listed["url"]
            assert "http_410" in self.run("show", str(row.pk))
            assert "1 match" in self.run("retry", "--dry-run")
            assert "1 to be sent again" in self.run("retry")
            send_due()
        row.refresh_from_db()
        assert row.status == Delivery.DELIVERED
        assert "0 to be sent again" in self.run("retry", str(row.pk))

    def test_what_waits_is_cancelled(self) -> None:
        alarm = alarm_for("http://127.0.0.1:9/")
        transition(alarm)
        other = transition(alarm_for("http://127.0.0.1:9/"))
        assert "1 cancelled" in self.run("cancel", "--alarm", str(alarm.pk))
        assert Notification.objects.get(status=Delivery.PENDING) == other[0]

    def test_an_unknown_one(self) -> None:
        with pytest.raises(CommandError, match="There is no notification"):
            self.run("show", str(uuid.uuid4()))


def test_old_rows_go_and_what_waits_stays() -> None:
    old, waiting, new = (transition(alarm_for("log://"))[0] for _ in range(3))
    NotificationAttempt.objects.create(notification=old, number=1, started_at=Now(), error="")
    Notification.objects.filter(pk=old.pk).update(status=Delivery.DELIVERED)
    Notification.objects.filter(pk=new.pk).update(status=Delivery.DELIVERED)
    long_ago = timedelta(days=31)
    Notification.objects.exclude(pk=new.pk).update(created_at=F("created_at") - long_ago)
    NotificationAttempt.objects.update(started_at=F("started_at") - long_ago)
    keep_house()
    assert set(Notification.objects.values_list("pk", flat=True)) == {waiting.pk, new.pk}
    assert not NotificationAttempt.objects.exists()


class TestTheSweep:
    def test_a_receiver_that_is_left_alone_is_named(self) -> None:
        with receiver(answering(*[500] * 5, 200)) as there:
            [row] = transition(alarm_for(there.url("/secret")))
            for _ in range(5):
                send_due()
                sweep()
                named = {"destination": f"http://127.0.0.1:{there.port}"}
                value = REGISTRY.get_sample_value("telemetry_receiver_left_alone", named)
                Notification.objects.update(next_attempt_at=Now())
            assert value == 1
            pass_time(61)
            send_due()
            sweep()
        assert REGISTRY.get_sample_value("telemetry_receiver_left_alone", named) == 0
        row.refresh_from_db()
        assert row.status == Delivery.DELIVERED

    def test_it_hints_at_what_is_due_and_measures(self) -> None:
        for _ in range(3):
            transition(alarm_for("http://127.0.0.1:9/"))
        later = transition(alarm_for("http://127.0.0.1:9/"))[0]
        Notification.objects.filter(pk=later.pk).update(next_attempt_at=Now() + timedelta(hours=1))
        found = sweep()
        assert (found.pending, found.due, found.dead) == (4, 3, 0)
        with answering_broker(app) as connected:
            assert depth(connected, "notifier") == 3
