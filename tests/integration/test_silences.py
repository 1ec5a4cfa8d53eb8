"""Silences where the outbox is written, and what becomes of it when they end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.errors import DefinitionError
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, AlarmAck, AlarmHistory, Notification, Silence
from alarms.muting import acks, judging, silences
from alarms.muting.releasing import release
from meters.housekeeping import keep_house
from meters.models import CatalogueEpoch
from meters.store import write
from telemetry_site.clock import now
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.support.alarms import make_alarm, store, threshold
from tests.support.muting import asked, end, make_silence, matcher
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
HOOK = "http://127.0.0.1:9/hook"


@pytest.fixture(autouse=True)
def _fresh(broker: EmbeddedValkey) -> None:
    write._cache.clear()
    CatalogueEpoch.objects.get_or_create(pk=1)


def busy_alarm(name: str = "cpu high", **fields: Any) -> Alarm:
    return make_alarm(
        name=name, alarm_actions=[HOOK], ok_actions=[HOOK], insufficient_data_actions=[HOOK],
        **fields,
    )  # fmt: skip


def evaluate() -> None:
    Alarm.objects.update(evaluate_at=now())
    evaluate_due()


def statuses() -> list[tuple[str, str]]:
    rows = Notification.objects.order_by("state_version", "repeat_no")
    return list(rows.values_list("current", "status"))


class TestWhileItIsActive:
    def test_transitions_and_history_go_on_and_the_message_is_kept_back(self) -> None:
        store(95.0, 95.0, project_id="p1")
        alarm, silence = busy_alarm(), make_silence()
        evaluate()
        alarm.refresh_from_db()
        assert alarm.state == State.ALARM
        assert AlarmHistory.objects.filter(to_state="alarm").count() == 1
        [row] = Notification.objects.all()
        assert (row.status, row.silenced_by) == (Delivery.SUPPRESSED, [silence.pk])
        assert release() == 0
        assert statuses() == [("alarm", "suppressed")]

    @pytest.mark.parametrize(
        ("one", "fits"),
        [
            (matcher("name", "cpu high"), True),
            (matcher("name", "cpu"), False),
            (matcher("name", "cpu.*", isRegex=True), True),
            (matcher("name", "high", isRegex=True), False),
            (matcher("name", "a|cpu high|b", isRegex=True), True),
            (matcher("name", "other", isEqual=False), True),
            (matcher("name", "cpu.*", isRegex=True, isEqual=False), False),
            (matcher("type", "gnocchi_resources_threshold"), True),
            (matcher("severity", "critical|moderate", isRegex=True), True),
            (matcher("metric", "cpu"), True),
            (matcher("resource_id", "vm-1"), True),
            (matcher("resource_id", "vm-2"), False),
        ],
    )
    def test_matchers(self, one: dict[str, Any], fits: bool) -> None:
        store(95.0, 95.0, project_id="p1")
        alarm = busy_alarm(severity="critical")
        always = matcher("alarm_id", str(alarm.pk))
        make_silence(one, always)
        evaluate()
        assert statuses() == [("alarm", "suppressed" if fits else "pending")]
        assert bool(silences.fitting([one, always], "p1", 5).total) is fits

    def test_others_are_not_silenced(self) -> None:
        """Another project's, those to come, those that are over."""
        store(95.0, 95.0, project_id="p1")
        busy_alarm()
        make_silence(project_id="p2")
        make_silence(project_id=None)
        make_silence(in_hours=1)
        end(make_silence())
        evaluate()
        assert statuses() == [("alarm", "pending")]

    def test_where_nothing_is_muted_one_query_finds_it(self) -> None:
        end(make_silence())
        row = outbox.messages(busy_alarm(), "ok", "because", {})
        with CaptureQueriesContext(
            connection,
        ) as asked_for:
            assert judging.settle(row) == row
        assert len(asked_for) == 1

    def test_a_deleted_alarms_message_is_cancelled(self) -> None:
        store(95.0, 95.0, project_id="p1")
        alarm = busy_alarm()
        silence = make_silence()
        evaluate()
        lifecycle.delete(alarm, "u1")
        end(silence)
        release()
        assert statuses() == [("alarm", "cancelled")]

    def test_messages_that_cannot_be_judged_in_time_are_sent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slow = judging._SILENCED.replace(
            "GROUP BY hit.id", "AND pg_sleep(5) IS NULL GROUP BY hit.id"
        )
        monkeypatch.setattr(judging, "_SILENCED", slow)
        monkeypatch.setattr(judging, "TIME_MS", 100)
        store(95.0, 95.0, project_id="p1")
        busy_alarm()
        make_silence()
        evaluate()
        assert statuses() == [("alarm", "pending")]


class TestItsEnd:
    def silenced(self) -> Silence:
        store(95.0, 95.0, project_id="p1")
        busy_alarm()
        silence = make_silence()
        evaluate()
        return silence

    def test_the_message_is_sent_once_under_its_key(self) -> None:
        silence = self.silenced()
        [before] = Notification.objects.all()
        end(silence)
        assert release() == 1
        assert release() == 0
        [row] = Notification.objects.all()
        assert (row.pk, row.status, row.silenced_by) == (before.pk, "pending", [silence.pk])
        assert row.released_at

    def test_two_at_once_release_it_once(self) -> None:
        end(self.silenced())
        assert sorted(at_once(4, release)) == [0, 0, 0, 1]

    def test_what_is_over_is_not_sent(self) -> None:
        silence = self.silenced()
        store(5.0, 5.0, project_id="p1")
        Alarm.objects.update(rule=threshold(threshold=200.0))
        evaluate()
        assert statuses() == [("alarm", "suppressed"), ("ok", "suppressed")]
        end(silence)
        assert release() == 1
        assert statuses() == [("alarm", "cancelled"), ("ok", "pending")]

    def test_a_state_that_was_left_by_hand_is_not_told(self) -> None:
        silence = self.silenced()
        lifecycle.set_state(Alarm.objects.get(), State.OK, "u1")
        end(silence)
        assert release() == 0
        assert statuses() == [("alarm", "cancelled")]

    def test_another_silence_goes_on_keeping_it_back(self) -> None:
        silence = self.silenced()
        other = make_silence(matcher("metric", "cpu"))
        end(silence)
        assert release() == 0
        assert Notification.objects.get().silenced_by == [other.pk]
        end(other)
        assert release() == 1

    def test_repetitions_are_not_made_up_for(self) -> None:
        store(95.0, 95.0, project_id="p1")
        busy_alarm(repeat_actions=True)
        silence = make_silence()
        evaluate()
        evaluate()
        assert statuses() == [("alarm", "suppressed")] * 2
        end(silence)
        assert release() == 1
        assert statuses() == [("alarm", "pending"), ("alarm", "cancelled")]

    def test_somebody_may_send_it_all_the_same(self) -> None:
        self.silenced()
        assert outbox.retry(Notification.objects.all()) == 1
        assert statuses() == [("alarm", "pending")]

    def test_it_is_shown_for_30_days(self) -> None:
        silence = self.silenced()
        end(silence)
        keep_house()
        assert Silence.objects.exists()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE alarms_silence SET ends_at = now() - interval '31 days'")
        keep_house()
        assert not Silence.objects.exists()


class TestWriting:
    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            (r"(a)\1", "refers back"),
            ("(?=a)a", "looking around"),
            ("(?i)a", "flags"),
            ("a(", "is no regular expression"),
            ("a**", "is no regular expression"),
            ("((((a{255}){255}){255}){255})", "is no regular expression|takes too long"),
            ("a" * 256, "at most 255"),
        ],
    )
    def test_patterns_that_nobody_may_use(self, pattern: str, words: str) -> None:
        with pytest.raises(DefinitionError, match=words) as error:
            silences.check(asked(matcher(value=pattern, isRegex=True)))
        assert error.value.field == "matchers[0].value"

    @pytest.mark.parametrize(
        "pattern", [r"a\\1", r"\(\?=", "(?:a|b)+", "(a+)+$", "(a|aa)*b", "[a-z]*.*é"]
    )
    def test_patterns_that_are_quick(self, pattern: str) -> None:
        silences.check(asked(matcher(value=pattern, isRegex=True)))

    @pytest.mark.parametrize("name", silences.FIELDS)
    def test_all_fields_are_required(self, name: str) -> None:
        fields = asked()
        del fields[name]
        with pytest.raises(DefinitionError, match="required") as error:
            silences.check(fields)
        assert error.value.field == name

    @pytest.mark.parametrize(
        "matchers",
        [
            [matcher(value="")],
            [matcher(value=".*", isRegex=True)],
            [matcher(value="x", isEqual=False), matcher(value="", isEqual=True)],
            [],
            "name=a",
            [{"name": "name"}],
            [matcher("tenant", "a")],
            [matcher(isEqual="yes")],
            [matcher() | {"more": 1}],
        ],
    )
    def test_matchers_that_are_none(self, matchers: Any) -> None:
        with pytest.raises(DefinitionError) as error:
            silences.check(asked() | {"matchers": matchers})
        assert error.value.field.startswith("matchers")

    def test_a_change_of_the_end_keeps_it_and_other_matchers_make_another(self) -> None:
        silence = make_silence()
        longer = silences.change(silence, silences.check(asked(hours=9)), "u2")
        assert longer.pk == silence.pk
        assert longer.ends_at > silence.ends_at
        assert longer.starts_at == silence.starts_at
        other = silences.change(longer, silences.check(asked(matcher(value="x"))), "u2")
        assert other.pk != silence.pk
        silence.refresh_from_db()
        assert (silence.state, silence.ended_by) == ("expired", "u2")


class TestAcknowledged:
    def acknowledged(self, until: datetime | None = None) -> Alarm:
        store(95.0, 95.0, project_id="p1")
        alarm = busy_alarm(repeat_actions=True)
        evaluate()
        alarm.refresh_from_db()
        acks.acknowledge(alarm, acks.Asked("on it", until), "u1", "ada")
        return alarm

    def test_it_is_not_told_again_until_the_state_changes(self) -> None:
        self.acknowledged()
        evaluate()
        evaluate()
        assert statuses() == [("alarm", "pending")]
        Alarm.objects.update(rule=threshold(threshold=200.0))
        evaluate()
        assert statuses()[1:] == [("ok", "pending")]
        Alarm.objects.update(rule=threshold())
        evaluate()
        evaluate()
        assert statuses()[2:] == [("alarm", "pending")] * 2

    def test_it_is_told_again_when_it_is_over(self) -> None:
        alarm = self.acknowledged(now() + timedelta(hours=1))
        evaluate()
        assert len(statuses()) == 1
        AlarmAck.objects.update(until=now() - timedelta(seconds=1))
        evaluate()
        assert len(statuses()) == 2
        acks.acknowledge(alarm, acks.Asked("still", None), "u1", "ada")
        evaluate()
        assert len(statuses()) == 2
        acks.take_back(alarm, "u1")
        evaluate()
        assert len(statuses()) == 3

    def test_rows_stay_for_the_auditor_while_they_count_and_30_days(self) -> None:
        alarm = self.acknowledged()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE alarms_alarmack SET created_at = now() - interval '31 days'")
        keep_house()
        assert AlarmAck.objects.count() == 1
        lifecycle.delete(alarm, "u1")
        keep_house()
        assert not AlarmAck.objects.exists()
