"""The pages of alarms and notifications by Django's client: who sees what, forms, decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from alarms import budget, lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.definition import as_stored, parse_rule
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, AlarmHistory, Notification, NotificationAttempt
from alarms.muting import acks
from meters.models import CatalogueEpoch, Metric, Resource
from meters.store import write
from meters.store.write import store_batch
from meters.wire import Trait
from telemetry_site.auth.models import Membership
from telemetry_site.clock import now
from tests.browser import seed
from tests.support.alarms import group, make_alarm, store, threshold
from tests.support.batches import batch_of, event
from tests.support.muting import make_inhibition, make_silence, matcher
from tests.support.visitors import signed_in

#: A public address, so that no name server is asked.
RECEIVER = "https://8.8.8.8/hook"
SECRET = "https://8.8.4.4/services/T0/very-secret?key=hush"


@pytest.fixture(autouse=True)
def installation(db: None) -> Iterator[None]:
    write._cache.clear()  # what it knows was rolled back with the test before
    CatalogueEpoch.objects.get_or_create(pk=1)
    seed.users()
    reader = User.objects.create_user("reader", password="correct horse battery")
    Membership.objects.create(user=reader, project_id=seed.PROJECT, role="reader")
    budget._asked._levels.clear()
    yield
    write._cache.clear()


def alarm_of_member(**fields: Any) -> Alarm:
    store(50.0, 95.0, project_id=seed.PROJECT)
    fields.setdefault("alarm_actions", [SECRET])
    return make_alarm(project_id=seed.PROJECT, **fields)


def sent(alarm: Alarm, **fields: Any) -> Notification:
    [row] = outbox.send_test(alarm, State.ALARM, "member")
    Notification.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


def failed(alarm: Alarm) -> Notification:
    """One that got a 500 and waits for its next try."""
    row = sent(
        alarm, attempts=1, last_status=500, last_error="http_500",
        next_attempt_at=now() + timedelta(seconds=40),
    )  # fmt: skip
    NotificationAttempt.objects.create(
        notification=row, number=1, started_at=now(), duration_s=0.2, status_code=500,
        error="http_500", answer="database of the receiver is full",
    )  # fmt: skip
    return row


def text(client: Client, page: str, query: dict[str, Any] | None = None) -> str:
    answer = client.get(page, query)
    assert answer.status_code == 200, page
    return answer.content.decode()


def filled(**fields: str) -> dict[str, str]:
    """The form of a member's alarm as a browser sends it."""
    return {
        "type": "gnocchi_resources_threshold", "metric": "cpu", "resource_id": "vm-1",
        "aggregation_method": "mean", "comparison_operator": "gt", "threshold": "80",
        "granularity": "60", "evaluation_periods": "1", "resource_type": "generic", "query": "",
        "name": "busy", "severity": "low", "description": "", "enabled": "on", "project": "",
        "alarm_actions": RECEIVER, "ok_actions": "", "insufficient_data_actions": "",
        "do": "save",
    } | fields  # fmt: skip


def of(view: str, one: Alarm | Notification) -> str:
    return reverse(f"alarms:{view}", args=[one.pk])


# --- who sees what ---------------------------------------------------------------------------


def lists() -> list[str]:
    return [reverse("alarms:alarms"), reverse("alarms:notifications"), reverse("alarms:offers")]


def own_pages(alarm: Alarm, row: Notification) -> list[str]:
    return [of("alarm", alarm), of("data", alarm), of("notification", row)]


def decisions(alarm: Alarm, row: Notification) -> list[tuple[str, dict[str, str]]]:
    """Every way to change something, with a form that would do it."""
    return [
        (of("edit", alarm), filled(name="changed")),
        (of("enable", alarm), {"enabled": "no"}),
        (of("delete", alarm), {}),
        (of("state", alarm), {"state": "ok"}),
        (of("test", alarm), {"state": "alarm"}),
        (of("decide", row), {"do": "cancel"}),
    ]


def everything() -> list[Any]:
    rows = [
        list(model.objects.order_by("pk").values()) for model in (Alarm, AlarmHistory, Notification)
    ]
    return [str(row) for row in rows]


def test_nobody_sees_a_page_without_login() -> None:
    alarm = alarm_of_member()
    for page in [*lists(), reverse("alarms:new"), *own_pages(alarm, sent(alarm))]:
        answer = Client().get(page)
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/login/?next=")
        assert Client().get(page, headers={"HX-Request": "true"}).status_code == 401, page


def test_who_is_of_the_project_sees_its_alarms_and_the_operator_all(
    operator: Client, member: Client, reader: Client
) -> None:
    alarm = alarm_of_member()
    for client in (operator, member, reader):
        for page in lists() + own_pages(alarm, sent(alarm)):
            assert client.get(page).status_code == 200, page
            part = client.get(page, headers={"HX-Request": "true"})
            assert part.status_code == 200, page


def test_a_stranger_gets_a_404_finds_nothing_and_changes_nothing(stranger: Client) -> None:
    alarm = alarm_of_member(name="very-private")
    row = sent(alarm)
    before = everything()
    for page in own_pages(alarm, row):
        assert stranger.get(page).status_code == 404, page
    for page in [*lists(), "/"]:
        assert "very-private" not in text(stranger, page)
        assert alarm.rule["resource_id"] not in text(stranger, page)
    for page, form in decisions(alarm, row):
        assert stranger.post(page, form).status_code == 404, page
    listed = text(stranger, reverse("alarms:notifications"), {"alarm": str(alarm.pk)})
    assert "very-private" not in listed
    assert everything() == before


def test_the_installations_own_alarms_are_the_operators(operator: Client, member: Client) -> None:
    alarm = make_alarm(project_id=None, name="of the installation")
    assert member.get(of("alarm", alarm)).status_code == 404
    assert "of the installation" not in text(member, "/alarms")
    assert "of the installation" in text(operator, "/alarms")


def test_a_reader_sees_no_buttons_and_is_refused(reader: Client, member: Client) -> None:
    alarm = alarm_of_member()
    row = sent(alarm)
    before = everything()
    for page in own_pages(alarm, row)[::2]:
        assert '<form method="post" action="/alarms' not in text(reader, page)
        assert "Retry" not in text(reader, page)
    assert of("edit", alarm) in text(member, of("alarm", alarm))
    assert of("edit", alarm) not in text(reader, of("alarm", alarm))
    assert "New alarm" not in text(reader, "/alarms")
    assert reader.get("/alarms/new").status_code == 403
    assert reader.post("/alarms/new", filled()).status_code == 403
    for page, form in decisions(alarm, row):
        assert reader.post(page, form).status_code == 403, page
    assert everything() == before


def test_what_changes_something_is_a_post_with_a_token(member: Client) -> None:
    alarm = alarm_of_member()
    row = sent(alarm)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="member"))
    before = everything()
    for page, form in [*decisions(alarm, row), ("/alarms/new", filled())]:
        assert strict.post(page, form).status_code == 403, page
        if not page.endswith(("edit", "delete", "new")):
            assert member.get(page).status_code == 405, page
    assert everything() == before


def test_what_is_not_there_is_a_404(operator: Client) -> None:
    for view in ("alarm", "data", "edit", "delete", "notification"):
        assert operator.get(reverse(f"alarms:{view}", args=[uuid4()])).status_code == 404


def test_secrets_of_a_url_are_shown_to_nobody_but_in_the_form(
    operator: Client, member: Client, reader: Client
) -> None:
    alarm = alarm_of_member()
    member.post(of("edit", alarm), filled(alarm_actions=f"{SECRET}\n{RECEIVER}"))
    row = Notification.objects.filter(url=SECRET).first() or sent_to(alarm, SECRET)
    for client in (operator, member, reader):
        for page in (*own_pages(alarm, row), "/alarms", "/notifications"):
            assert "very-secret" not in text(client, page), page
            assert "hush" not in text(client, page), page
    assert "https://8.8.4.4/…" in text(reader, of("alarm", alarm))
    assert SECRET in text(member, of("edit", alarm)).replace("&amp;", "&")
    assert reader.get(of("edit", alarm)).status_code == 403


def sent_to(alarm: Alarm, url: str) -> Notification:
    alarm.refresh_from_db()
    rows = outbox.send_test(alarm, State.ALARM, "member")
    return next(row for row in rows if row.url == url)


def test_the_receivers_answer_is_for_administrators(
    operator: Client, member: Client, reader: Client
) -> None:
    alarm = alarm_of_member()
    row = failed(alarm)
    for page in (of("alarm", alarm), of("notification", row), "/notifications"):
        assert "HTTP 500" in text(member, page)
        assert "next try" in text(reader, page)
        assert "is full" not in text(member, page)
        assert "is full" not in text(reader, page)
        assert "database of the receiver is full" in text(operator, page)


# --- lists -----------------------------------------------------------------------------------


def test_alarms_are_listed_worst_first(member: Client) -> None:
    for name, state, severity in (
        ("fine", "ok", "critical"), ("new", "insufficient data", "low"),
        ("bad", "alarm", "moderate"), ("worst", "alarm", "critical"), ("off", "alarm", "critical"),
    ):  # fmt: skip
        alarm = make_alarm(project_id=seed.PROJECT, name=name, severity=severity)
        Alarm.objects.filter(pk=alarm.pk).update(state=state, enabled=name != "off")
    listing = member.get("/alarms").context["listing"]
    assert [alarm.name for alarm in listing.page] == ["worst", "bad", "new", "fine", "off"]


def test_alarms_are_filtered_and_paged(member: Client) -> None:
    for number in range(52):
        make_alarm(project_id=seed.PROJECT, name=f"alarm {number}", severity="moderate")
    make_alarm(threshold("db-1", metric="disk"), seed.PROJECT, name="alarm x", enabled=False)

    def total(**query: str) -> int:
        return member.get("/alarms", query).context["listing"].total

    assert total() == 53
    assert total(state="ok") == 0
    assert total(state="insufficient data") == 53
    assert total(severity="low") == total(enabled="no") == total(q="disk db") == total(q="ALARM X")
    assert total(severity="low") == 1
    assert total(q="nothing-like-it") == 0
    page = text(member, "/alarms", {"severity": "moderate", "page": "2"})
    assert "51–52 of 52" in page
    assert "?severity=moderate&amp;page=1" in page
    assert "No alarm fits" in text(member, "/alarms", {"state": "ok"})


def test_empty_lists_say_what_to_do(member: Client) -> None:
    assert 'href="/alarms/new"' in text(member, "/alarms")
    assert "webhook_receiver" in text(member, "/notifications")
    assert 'href="/alarms/new"' in text(member, "/history")


def test_who_may_make_none_is_not_sent_to_make_an_alarm(reader: Client) -> None:
    for page in ("/alarms", "/history"):
        assert 'href="/alarms/new"' not in text(reader, page)


def test_notifications_are_filtered(member: Client) -> None:
    alarm, other = alarm_of_member(), alarm_of_member(name="other")
    sent(alarm, status=Delivery.DELIVERED)
    sent(other)

    def total(**query: Any) -> int:
        return member.get("/notifications", query).context["listing"].total

    assert total() == total(kind="test") == 2
    assert total(kind="real") == 0
    assert total(status="delivered") == total(alarm=str(other.pk)) == 1
    assert "of <bdi>other</bdi>" in text(member, "/notifications", {"alarm": str(other.pk)})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("alarms?state=bad", "state: &#x27;bad&#x27; is not one of ok, alarm, insufficient data"),
        ("alarms?severity=bad", "severity:"),
        ("alarms?enabled=bad", "enabled:"),
        ("alarms?page=0", "page:"),
        ("alarms?q=%00", "q: holds a NUL"),
        ("notifications?status=bad", "status:"),
        ("notifications?kind=bad", "kind:"),
        ("notifications?alarm=bad", "alarm: badly formed"),
        ("alarms/new?resource=%00", "resource: holds a NUL"),
    ],
)
def test_a_bad_query_is_a_400_that_names_the_place(
    operator: Client, query: str, words: str
) -> None:
    answer = operator.get(f"/{query}")
    assert answer.status_code == 400
    assert words in answer.content.decode()


# --- overview --------------------------------------------------------------------------------


def test_the_overview_counts_by_state_and_names_the_worst(member: Client) -> None:
    assert "none is set" in text(member, "/")
    for number in range(7):
        alarm = make_alarm(project_id=seed.PROJECT, name=f"burning {number}")
        Alarm.objects.filter(pk=alarm.pk).update(state="alarm", state_reason="too hot")
    make_alarm(project_id=seed.PROJECT, name="not yet")
    page = text(member, "/")
    assert ">7 alarm<" in page
    assert ">1 insufficient data<" in page
    assert ">0 ok<" in page
    assert page.count("burning ") == 5
    assert "all 7 are on the page Alarms" in page
    assert "<title>(7) Overview" in page
    assert 'data-problems="7"' in text(member, "/health")


# --- one alarm -------------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh_store")  # the evaluator looks at the database's now
def test_an_alarms_page_tells_rule_state_reason_history_and_deliveries(member: Client) -> None:
    alarm = alarm_of_member(description="web tier")
    evaluate_due()
    page = text(member, of("alarm", alarm))
    assert "Mean of cpu of resource vm-1 above 80 for 1 period of 60 s" in page
    reason = "Transition to alarm due to 1 samples outside threshold, most recent: 95.0"
    assert page.count(reason) == 2  # at the state, and in the history
    assert "web tier" in page
    assert "insufficient data</span> → <span" in page
    assert ">evaluator<" in page
    assert "https://8.8.4.4/…" in page
    assert ">pending<" in page


def test_an_alarm_that_goes_to_and_fro_says_so(member: Client) -> None:
    alarm = alarm_of_member()
    for state in ("ok", "alarm", "alarm", "ok"):
        lifecycle.set_state(alarm, state, "u1")
    oldest = AlarmHistory.objects.filter(alarm_id=alarm.pk, to_state="ok").earliest("pk")
    oldest.timestamp = now() - timedelta(hours=25)
    oldest.save()
    page = text(member, f"/alarms/{alarm.pk}")
    assert "<dt>Changes of state</dt><dd>2 in the last 24 h</dd>" in page
    assert "newest sample" in page


def test_an_alarm_that_cannot_be_evaluated_says_why(member: Client) -> None:
    alarm = alarm_of_member()
    Alarm.objects.update(evaluation_error="rule.query: is not JSON", rule={"metric": 5})
    page = text(member, of("alarm", alarm))
    assert "It can&#x27;t be evaluated" in page or "It can't be evaluated" in page
    assert "rule.query: is not JSON" in page
    assert "Unreadable rule: rule" in text(member, "/alarms")
    assert member.get(of("data", alarm)).status_code == 400
    assert member.get(of("edit", alarm)).status_code == 200


@pytest.mark.usefixtures("fresh_store")  # the evaluator looks at the database's now
def test_the_plots_data_has_threshold_and_bands_of_the_state(member: Client) -> None:
    alarm = alarm_of_member()
    evaluate_due()
    data = member.get(of("data", alarm), {"range": "1h"}).json()
    assert data["threshold"] == {"value": 80.0, "sign": ">"}
    assert data["words"] == "mean per 60 s"
    assert [value for value in data["series"][0]["v"] if value is not None] == [50.0, 95.0]
    assert data["series"][0]["unit"] == "B"
    states = data["states"]
    assert [band["state"] for band in states] == ["insufficient data", "alarm"]
    assert states[0]["to"] == states[1]["from"]
    assert states[1]["to"] == data["stop"]
    assert member.get(of("data", alarm), {"range": "2h"}).status_code == 400


def test_history_tells_what_was_changed_by_whom(member: Client) -> None:
    alarm = alarm_of_member()
    member.post(of("edit", alarm), filled(name="calm", severity="critical"))
    page = text(member, of("alarm", alarm))
    assert "Rule change" in page
    assert "<bdi>name</bdi>: <bdi>calm</bdi>" in page
    assert "<bdi>severity</bdi>: <bdi>critical</bdi>" in page
    assert "<bdi>member</bdi>" in page


def test_an_alarm_is_disabled_and_enabled(member: Client) -> None:
    alarm = alarm_of_member()
    for word, enabled in (("no", False), ("yes", True)):
        member.post(of("enable", alarm), {"enabled": word})
        alarm.refresh_from_db()
        assert alarm.enabled is enabled
    assert member.post(of("enable", alarm), {"enabled": "maybe"}).status_code == 400
    kinds = list(AlarmHistory.objects.order_by("pk").values_list("type", flat=True))
    assert kinds == ["creation", "rule change", "rule change"]


def test_deleting_asks_first_tells_what_is_cancelled_and_history_stays(member: Client) -> None:
    alarm = alarm_of_member()
    row = sent(alarm)
    page = text(member, of("delete", alarm))
    assert "1 notification that waits to be sent is cancelled" in page
    assert Alarm.objects.exists()
    answer = member.post(of("delete", alarm), follow=True)
    assert "cpu high is deleted." in answer.content.decode()
    row.refresh_from_db()
    assert row.status == "cancelled"
    assert AlarmHistory.objects.filter(alarm_id=alarm.pk, type="deletion").exists()
    assert "(deleted)" in text(member, of("notification", row))
    assert "Retry" not in text(member, of("notification", row))


def test_a_state_is_set_by_hand(member: Client) -> None:
    alarm = alarm_of_member()
    answer = member.post(of("state", alarm), {"state": "alarm"}, follow=True)
    assert "The state is set to alarm" in answer.content.decode()
    assert "Manually set by member" in answer.content.decode()
    assert not Notification.objects.exists()
    assert member.post(of("state", alarm), {"state": "bad"}).status_code == 400


def test_a_test_is_sent_to_the_receivers_of_a_state(member: Client) -> None:
    alarm = alarm_of_member(ok_actions=["log://", "https://a.example/"])
    answer = member.post(of("test", alarm), {"state": "alarm"}, follow=True)
    assert "Test notification requested by member" in answer.content.decode()
    assert Notification.objects.get().is_test
    answer = member.post(of("test", alarm), {"state": "ok"}, follow=True)
    assert "2 test notifications are on their way" in answer.content.decode()
    answer = member.post(of("test", alarm), {"state": "insufficient data"}, follow=True)
    assert "No receiver is set" in answer.content.decode()
    assert member.post(of("test", alarm), {"state": "bad"}).status_code == 400


def test_messages_by_hand_are_limited_with_words(member: Client, operator: Client) -> None:
    alarm = alarm_of_member()
    for _ in range(11):
        answer = member.post(of("test", alarm), {"state": "alarm"}, follow=True)
    assert "10 messages a minute" in answer.content.decode()
    assert Notification.objects.count() == 10
    row = Notification.objects.earliest("created_at")
    answer = member.post(of("decide", row), {"do": "retry"}, follow=True)
    assert "10 messages a minute" in answer.content.decode()
    answer = operator.post(of("test", alarm), {"state": "alarm"}, follow=True)
    assert "10 messages a minute" not in answer.content.decode()


# --- notifications ---------------------------------------------------------------------------


def test_a_notification_shows_its_body_and_attempts_and_is_tried_again_or_cancelled(
    member: Client,
) -> None:
    alarm = alarm_of_member()
    row = failed(alarm)
    page = text(member, of("notification", row))
    assert "&quot;alarm_name&quot;: &quot;cpu high&quot;" in page
    assert "attempt 1" in page
    answer = member.post(of("decide", row), {"do": "retry"}, follow=True)
    assert "It is tried again now." in answer.content.decode()
    row.refresh_from_db()
    assert row.next_attempt_at <= now()
    member.post(of("decide", row), {"do": "cancel"})
    row.refresh_from_db()
    assert row.status == Delivery.CANCELLED
    answer = member.post(of("decide", row), {"do": "cancel"}, follow=True)
    assert "nothing was cancelled" in answer.content.decode()
    member.post(of("decide", row), {"do": "retry"})
    row.refresh_from_db()
    assert row.status == Delivery.PENDING
    assert member.post(of("decide", row), {"do": "eat"}).status_code == 400


def test_what_is_delivered_is_not_offered_to_be_sent_again(member: Client) -> None:
    row = sent(alarm_of_member(), status=Delivery.DELIVERED, last_status=204)
    assert of("decide", row) not in text(member, of("notification", row))
    answer = member.post(of("decide", row), {"do": "retry"}, follow=True)
    assert "can't be tried again" in answer.content.decode().replace("&#x27;", "'")


# --- the form --------------------------------------------------------------------------------


def test_an_alarm_is_made_by_the_form(member: Client) -> None:
    store(50.0, project_id=seed.PROJECT)
    answer = member.post("/alarms/new", filled(alarm_actions=f"{RECEIVER}\r\n\r\n{RECEIVER}/2"))
    assert answer.status_code == 302, answer.context["errors"]
    alarm = Alarm.objects.get()
    assert answer["Location"] == of("alarm", alarm)
    assert alarm.project_id == seed.PROJECT
    assert alarm.rule == threshold() | {"resource_type": "generic"}
    assert alarm.alarm_actions == [RECEIVER, f"{RECEIVER}/2"]
    assert (alarm.enabled, alarm.repeat_actions, alarm.severity) == (True, False, "low")
    assert AlarmHistory.objects.get().user_id == str(User.objects.get(username="member").pk)


def test_a_group_is_written_as_lines_or_as_a_search(member: Client) -> None:
    kind = "gnocchi_aggregation_by_resources_threshold"
    for given, stored in (
        ("display_name like web-%\nflavor.vcpus >= 2",
         {"and": [{"like": {"display_name": "web-%"}}, {">=": {"flavor.vcpus": 2}}]}),
        ('{"=": {"type": "instance"}}', {"=": {"type": "instance"}}),
        ("", {}),
    ):  # fmt: skip
        Alarm.objects.all().delete()
        member.post("/alarms/new", filled(type=kind, query=given))
        alarm = Alarm.objects.get()
        assert json.loads(alarm.rule["query"]) == stored
    assert "resource_id" not in alarm.rule


def test_the_form_of_an_alarm_says_what_it_is_and_changes_nothing_when_saved_as_it_is(
    member: Client,
) -> None:
    rule = group('{"and": [{"=": {"a": "b"}}, {"like": {"c": "d%"}}]}', threshold=0.5)
    alarm = alarm_of_member(rule=rule, repeat_actions=True, ok_actions=[RECEIVER])
    form = member.get(of("edit", alarm)).context["form"]
    assert form.values["query"] == "a = b\nc like d%"
    assert form.values["threshold"] == "0.5"
    member.post(of("edit", alarm), form.values | {"do": "save"})
    assert AlarmHistory.objects.filter(alarm_id=alarm.pk).count() == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Give it a name."),
        ("name", "x" * 256, "Must have 1 to 255 characters."),
        ("name", "a\0b", "Holds a NUL character."),
        ("metric", "", "Which meter?"),
        ("resource_id", "", "Which resource?"),
        ("threshold", "", "Give a number."),
        ("threshold", "eighty", "Give a number."),
        ("threshold", "1e999", "Must be a finite number."),
        ("granularity", "1.5", "Give a whole number of seconds."),
        ("granularity", "0", "Must be at least 1."),
        ("granularity", "9" * 30, ""),
        ("evaluation_periods", "101", "Must be at most 100."),
        ("aggregation_method", "average", "Must be mean, min, max"),
        ("comparison_operator", "over", "Invalid enum value"),
        ("severity", "bad", "Must be one of low, moderate, critical."),
        ("project", "somebody-elses", "You may make no alarms in this project."),
        ("alarm_actions", f"{RECEIVER}\nftp://x", "Line 2: must begin with one of"),
        ("alarm_actions", "log://", "Line 1: begins with log:, which is for administrators."),
        ("alarm_actions", "http://127.0.0.1/", "Line 1: "),
        ("ok_actions", "nonsense", "Line 1: must begin with one of"),
    ],
)
def test_an_error_stands_at_its_field_and_nothing_is_lost(
    member: Client, field: str, value: str, words: str
) -> None:
    answer = member.post("/alarms/new", filled(**{"description": "keep me", field: value}))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert field in answer.context["errors"]
    if field != "project":
        assert f'aria-describedby="{field}-error"' in page
    assert f'id="{field}-error"' in page
    place = page.index(f'id="{field}-error"')
    assert words in page[place : place + 400]
    assert "keep me" in page
    assert not Alarm.objects.exists()


def test_errors_of_several_fields_are_told_at_once(member: Client) -> None:
    answer = member.post("/alarms/new", filled(name="", threshold="", alarm_actions="x"))
    assert set(answer.context["errors"]) == {"name", "threshold", "alarm_actions"}
    assert "3 fields need another look" in answer.content.decode()


@pytest.mark.parametrize("query", ["no condition", '{"a": 1}', '{"=": ', "a = b\nwhat"])
def test_a_bad_search_is_told_at_its_field(member: Client, query: str) -> None:
    kind = "gnocchi_aggregation_by_resources_threshold"
    answer = member.post("/alarms/new", filled(type=kind, query=query))
    assert answer.status_code == 422
    assert "query" in answer.context["errors"]


@pytest.mark.parametrize("field", ["metric", "resource_id", "resource_type", "query", "type"])
def test_hostile_text_is_refused_or_kept_as_text(member: Client, field: str) -> None:
    for hostile in ("a\0b", "<script>alert(1)</script>", "x" * 70_000, "\ud7ff" * 10, "{}{}"):
        for kind in ("gnocchi_resources_threshold", "gnocchi_aggregation_by_resources_threshold"):
            form = filled(type=kind) | {field: hostile}
            for page in ("/alarms/new", "/alarms/preview"):
                answer = member.post(page, form, follow=True)
                assert answer.status_code in (200, 422), (field, hostile[:20])
                assert "<script>alert" not in answer.content.decode()


def test_a_form_without_fields_is_an_error_and_no_crash(member: Client) -> None:
    assert member.post("/alarms/new", {}).status_code == 422
    assert member.post("/alarms/preview", {}).status_code == 200


def test_a_link_from_a_metric_fills_the_form(operator: Client, member: Client) -> None:
    seed.seed(instances=1, hours=0.1)
    metric = seed.metric("cpu", seed.instance(1))
    plot = text(member, "/plot", {"metric": str(metric.uuid)})
    link = f"/alarms/new?resource={metric.resource.uuid}&amp;meter=cpu"
    assert link in plot
    page = member.get(link.replace("&amp;", "&"))
    values = page.context["form"].values
    assert values["resource_id"] == seed.instance(1).id
    assert values["aggregation_method"] == "rate:mean"
    assert values["name"] == "cpu of web-1"
    assert page.context["preview"].series == 1
    assert "Give a threshold" in page.content.decode()
    host = operator.get("/alarms/new", {"resource": "demo-host", "meter": "hardware.cpu.util"})
    assert host.context["form"].values["project"] == ""
    assert host.context["preview"].series == 1


def test_a_link_to_a_strangers_metric_fills_in_nothing_of_it(stranger: Client) -> None:
    seed.seed(instances=1, hours=0.1)
    metric = seed.metric("cpu", seed.instance(1))
    page = stranger.get("/alarms/new", {"resource": str(metric.resource.uuid), "meter": "cpu"})
    assert page.status_code == 200
    assert "web-1" not in page.content.decode()
    assert page.context["preview"] is None or page.context["preview"].series == 0
    form = filled(resource_id=seed.instance(1).id, project=seed.PROJECT)
    foreign = stranger.post("/alarms/preview", form)
    assert foreign.context["preview"] is None
    assert "You may make no alarms in this project." in foreign.content.decode()
    seen = stranger.post("/alarms/preview", form | {"project": ""})
    assert seen.context["preview"].series == 0


def test_nobody_but_an_operator_looks_with_the_eyes_of_the_installation(
    reader: Client, stranger: Client, operator: Client
) -> None:
    store(95.0, project_id="another")
    for client in (reader, stranger):
        preview = client.post("/alarms/preview", filled()).context["preview"]
        assert preview is None or preview.series == 0
    assert operator.post("/alarms/preview", filled()).context["preview"].series == 1


def test_metrics_are_offered_by_words(member: Client, stranger: Client) -> None:
    seed.seed(instances=2, hours=0.1)
    assert text(member, "/alarms/offers", {"q": "cpu web-2"}).count("<li>") == 1
    assert "web-2" not in text(stranger, "/alarms/offers", {"q": "cpu web-2"})


def test_who_saves_what_somebody_else_has_changed_meanwhile_is_told(
    member: Client, operator: Client
) -> None:
    alarm = alarm_of_member()
    seen = member.get(of("edit", alarm)).context["form"].values
    operator.post(of("edit", alarm), filled(name="theirs"))
    answer = member.post(of("edit", alarm), seen | {"name": "mine", "do": "save"})
    assert answer.status_code == 422
    assert "Somebody has changed the alarm meanwhile." in answer.content.decode()
    alarm.refresh_from_db()
    assert alarm.name == "theirs"
    again = answer.context["form"].values
    assert member.post(of("edit", alarm), again | {"do": "save"}).status_code == 302
    alarm.refresh_from_db()
    assert alarm.name == "mine"


def test_a_project_with_as_many_alarms_as_it_may_have_is_told(
    member: Client, settings: Any
) -> None:
    settings.TELEMETRY_ALARMS_PER_PROJECT = 1
    assert member.post("/alarms/new", filled()).status_code == 302
    answer = member.post("/alarms/new", filled())
    assert answer.status_code == 422
    assert "the most it may have" in answer.content.decode()
    assert Alarm.objects.count() == 1


# --- preview ---------------------------------------------------------------------------------


def test_the_preview_tells_what_would_be_now_and_what_would_have_been(member: Client) -> None:
    store(50.0, 95.0, 40.0, 99.0, project_id=seed.PROJECT)
    answer = member.post("/alarms/preview", filled())
    page = answer.content.decode()
    assert "Now it would be" in page
    assert "Transition to alarm due to 1 samples outside threshold, most recent: 99.0" in page
    assert answer.context["preview"].fired >= 1
    data = json.loads(answer.context["preview"].data)
    assert data["threshold"]["value"] == 80
    assert [value for value in data["series"][0]["v"] if value is not None][-1] == 99.0
    assert "alarm" in {band["state"] for band in data["states"]}
    assert not Alarm.objects.exists()


def test_the_preview_says_what_is_missing(member: Client) -> None:
    assert "Choose what is looked at" in member.post("/alarms/preview", {}).content.decode()
    page = member.post("/alarms/preview", filled(granularity="x")).content.decode()
    assert "Granularity: Give a whole number of seconds." in page
    page = member.post("/alarms/preview", filled()).content.decode()
    assert "resource vm-1 does not exists" in page


def test_without_a_script_the_button_shows_the_preview_and_saves_nothing(member: Client) -> None:
    store(50.0, 95.0, project_id=seed.PROJECT)
    answer = member.post("/alarms/new", filled(do="preview", name="kept"))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Now it would be" in page
    assert 'value="kept"' in page
    assert '<noscript><button class="button" name="do" value="preview">' in page
    assert not Alarm.objects.exists()
    alarm = alarm_of_member()
    answer = member.post(of("edit", alarm), filled(do="preview", threshold="97"))
    assert "Now it would be" in answer.content.decode()
    alarm.refresh_from_db()
    assert alarm.rule["threshold"] == 80


# --- admin -----------------------------------------------------------------------------------


def test_the_admin_is_read_only_and_shows_no_secret(operator: Client) -> None:
    alarm = alarm_of_member()
    row = failed(alarm)
    member_like = signed_in("operator")
    member_like.post(of("edit", alarm), filled(alarm_actions=f"{SECRET}2"))
    for model, pk in (
        ("alarm", alarm.pk), ("notification", row.pk),
        ("alarmhistory", AlarmHistory.objects.latest("pk").pk),
    ):  # fmt: skip
        for page in (f"/admin/alarms/{model}/", f"/admin/alarms/{model}/{pk}/change/"):
            answer = operator.get(page)
            assert answer.status_code == 200, page
            assert "very-secret" not in answer.content.decode(), page
        assert operator.get(f"/admin/alarms/{model}/add/").status_code == 403
        change = f"/admin/alarms/{model}/{pk}/change/"
        assert operator.post(change, {"name": "x", "status": "dead"}).status_code == 403
    assert operator.get("/admin/alarms/destination/").status_code == 200
    for model, words in (("alarm", "cpu"), ("notification", "8.8"), ("alarmhistory", "ab")):
        assert operator.get(f"/admin/alarms/{model}/", {"q": words}).status_code == 200


def test_admin_actions_go_through_lifecycle_and_outbox(operator: Client) -> None:
    alarm = alarm_of_member()
    row = failed(alarm)
    form = {"action": "disable", "_selected_action": [str(alarm.pk)]}
    answer = operator.post("/admin/alarms/alarm/", form, follow=True)
    assert "1 disabled." in answer.content.decode()
    change = AlarmHistory.objects.latest("pk")
    assert (change.type, change.detail) == ("rule change", {"enabled": False})
    form = {"action": "cancel", "_selected_action": [str(row.pk)]}
    operator.post("/admin/alarms/notification/", form)
    row.refresh_from_db()
    assert row.status == Delivery.CANCELLED
    operator.post("/admin/alarms/notification/", form | {"action": "retry"})
    row.refresh_from_db()
    assert row.status == Delivery.PENDING


def test_the_admin_shows_what_keeps_messages_back_and_ends_a_silence(operator: Client) -> None:
    alarm = alarm_of_member()
    lifecycle.set_state(alarm, State.ALARM, "u1")
    alarm.refresh_from_db()
    silence = make_silence(matcher(value="web"), project_id=seed.PROJECT)
    rule = make_inhibition(matcher(value="a"), matcher(value="b"), project_id=seed.PROJECT)
    ack = acks.acknowledge(alarm, acks.Asked("on it", None), "u1", "ann")
    for model, pk in (("silence", silence.pk), ("inhibition", rule.pk), ("alarmack", ack.pk)):
        assert operator.get(f"/admin/alarms/{model}/", {"q": "x"}).status_code == 200
        assert operator.get(f"/admin/alarms/{model}/{pk}/change/").status_code == 200
        assert operator.get(f"/admin/alarms/{model}/add/").status_code == 403
    form = {"action": "expire", "_selected_action": [str(silence.pk)]}
    answer = operator.post("/admin/alarms/silence/", form, follow=True)
    assert "1 ended." in answer.content.decode()
    silence.refresh_from_db()
    assert silence.state == "expired"


def test_staff_that_may_only_view_can_do_nothing_in_the_admin_and_sees_no_answer() -> None:
    alarm = alarm_of_member()
    row = failed(alarm)
    helper = User.objects.create_user("helper", password="correct horse battery", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = signed_in("helper")
    page = text(client, f"/admin/alarms/notification/{row.pk}/change/")
    assert "http_500" in page
    assert "database of the receiver is full" not in page
    client.post("/admin/alarms/alarm/", {"action": "disable", "_selected_action": [str(alarm.pk)]})
    alarm.refresh_from_db()
    assert alarm.enabled


def test_unscoped_helpers_are_not_used(member: Client) -> None:
    """The names of a metric and its resource come only with the principal's own rights."""
    store(95.0, project_id=seed.PROJECT)
    alarm = make_alarm(project_id=seed.PROJECT)
    Resource.objects.update(project_id="sold")
    page = text(member, of("alarm", alarm))
    assert Metric.objects.get().resource.display_name not in page


# --- each type in the form -------------------------------------------------------------------

PARTS = {
    "or": [{"type": "prometheus", "query": "up", "threshold": 0},
           {"type": "prometheus", "query": "down", "threshold": 1}],
}  # fmt: skip
#: type → (what is typed, the rule that it makes, the rule in words, words of the preview).
TYPED: dict[str, tuple[dict[str, str], dict[str, Any], str, str]] = {
    "gnocchi_aggregation_by_metrics_threshold": (
        {"metrics": "00000000-0000-0000-0000-000000000001\n\nb"},
        {"metrics": ["00000000-0000-0000-0000-000000000001", "b"], "aggregation_method": "mean",
         "comparison_operator": "gt", "threshold": 80, "evaluation_periods": 1, "granularity": 60},
        "Mean of 2 metrics together above 80 for 1 period of 60 s", "no data",
    ),
    "threshold": (
        {"conditions": "resource_id = vm-1\nmetadata.size >= integer::2", "statistic": "max",
         "exclude_outliers": "on"},
        {"meter_name": "cpu", "statistic": "max", "comparison_operator": "gt", "threshold": 80,
         "evaluation_periods": 1, "period": 60, "exclude_outliers": True,
         "query": [{"field": "resource_id", "op": "eq", "type": "", "value": "vm-1"},
                   {"field": "metadata.size", "op": "ge", "type": "integer", "value": "2"}]},
        "Max of cpu with resource_id = &quot;vm-1&quot; and metadata.size ≥ &quot;2&quot; above 80",
        "no data",
    ),
    "prometheus": (
        {"expression": "avg(cpu)"},
        {"query": "avg(cpu)", "comparison_operator": "gt", "threshold": 80},
        "Avg(cpu) above 80", "would have gone to alarm 0 times",
    ),
    "composite": (
        {"document": json.dumps(PARTS)}, PARTS, "Up equal to 0 or down equal to 1",
        "Now it would be",
    ),
    "event": (
        {"event_type": "compute.*", "conditions": "traits.state = error"},
        {"event_type": "compute.*",
         "query": [{"field": "traits.state", "op": "eq", "type": "", "value": "error"}]},
        "An event compute.* with traits.state = &quot;error&quot;", "events would have made it",
    ),
    "loadbalancer_member_health": (
        {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
        {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
        "A member of load balancer pool p is in error",
        "Alarms of type loadbalancer_member_health are not evaluated here.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_the_form_makes_shows_and_keeps_an_alarm_of_each_type(member: Client, kind: str) -> None:
    typed, rule, words, told = TYPED[kind]
    typed = {"threshold": "80"} | typed | {"type": kind}
    assert told in member.post("/alarms/preview", filled(**typed)).content.decode()
    answer = member.post("/alarms/new", filled(**typed))
    assert answer.status_code == 302, answer.context["errors"]
    alarm = Alarm.objects.get()
    assert alarm.rule == as_stored(parse_rule(kind, rule))
    assert words in text(member, reverse("alarms:alarms"))
    assert words in text(member, of("alarm", alarm))
    form = member.get(of("edit", alarm)).context["form"]
    member.post(of("edit", alarm), form.values | {"do": "save"})
    assert AlarmHistory.objects.filter(alarm_id=alarm.pk).count() == 1


def test_an_alarm_that_nobody_here_can_evaluate_says_so(member: Client) -> None:
    kind = "loadbalancer_member_health"  # it wants Octavia, which is not set up here
    alarm = make_alarm(type=kind, rule=TYPED[kind][1], project_id=seed.PROJECT)
    Alarm.objects.update(evaluate_at=now() - timedelta(seconds=60))
    evaluate_due()
    page = text(member, of("alarm", alarm))
    assert f"Alarms of type {kind} are not evaluated here." in page
    assert member.get(of("data", alarm)).status_code == 400
    member.post(of("state", alarm), {"state": "ok"})
    alarm.refresh_from_db()
    assert alarm.state == "ok"


@pytest.mark.parametrize(
    ("kind", "field", "typed", "words"),
    [
        ("composite", "document", "", "Which conditions?"),
        ("composite", "document", "- a", "Must begin with &quot;and:&quot; or &quot;or:&quot;."),
        ("composite", "document", "or:\n  - {", "Is no YAML in line "),
        ("composite", "document", "or: &a [*a]", "May not refer to an anchor"),
        ("composite", "document", "or: [2026-13-45]", "Is no YAML: it can&#x27;t be read"),
        ("composite", "document", "or: [!!bool x]", "Is no YAML: it can&#x27;t be read"),
        ("composite", "document", "or: [!!timestamp x]", "Is no YAML: it can&#x27;t be read"),
        ("composite", "document", 'or: ["\\ud800"]', "Is no YAML in line 1"),
        ("composite", "document", "or: [{type: prometheus, query: up, threshold: x}]",
         "Rule.or[0].threshold: Expected `float`, got `str`."),
        ("threshold", "conditions", "a ~ b", "Line 1 is not like"),
        ("threshold", "conditions", "a like b", "Line 1 is not like"),
        ("threshold", "conditions", "timestamp > 5", "May not limit timestamp."),
        ("event", "conditions", "[1", "Is no JSON list"),
        ("event", "conditions",
         '[{"field": "traits.a", "op": "eq", "type": "string", "value": "\\ud800"}]',
         "Is no JSON list"),
        ("event", "conditions", "traits.n = integer::x", "Is no integer."),
        ("prometheus", "expression", "avg(", "Is no PromQL"),
        ("prometheus", "expression", "", "Which expression?"),
        ("loadbalancer_member_health", "stack_id", "", "Which stack?"),
        ("gnocchi_aggregation_by_metrics_threshold", "metrics", "", "Which metrics?"),
        ("nonsense", "type", "nonsense", "Choose one of these."),
    ],
)  # fmt: skip
def test_an_error_of_a_types_own_field_stands_there(
    member: Client, kind: str, field: str, typed: str, words: str
) -> None:
    whole = TYPED.get(kind, ({},))[0] | {"type": kind, field: typed}
    answer = member.post("/alarms/new", filled(**whole))
    assert answer.status_code == 422
    page = answer.content.decode()
    place = page.index(f'id="{field}-error"')
    assert words in page[place : place + 400]


def test_the_preview_counts_the_events_of_the_last_week(member: Client) -> None:
    happened = [
        event(f"m{place}", Trait("project_id", "text", project), Trait("n", "int", place))
        for place, project in enumerate([seed.PROJECT, seed.PROJECT, "sold"])
    ]
    store_batch(batch_of(events=happened))
    page = member.post(
        "/alarms/preview", filled(type="event", conditions="traits.n >= 1")
    ).content.decode()
    assert "1 of last week's 2 events would have made it go to alarm." in page
    assert page.count('<a class="link" href="/events/') == 1


NIGHT = {"name": "night", "start": "0 23 * * *", "duration": 3600, "timezone": "Europe/Paris"}
AS_A_LINE = "name=night;start=0 23 * * *;duration=3600;timezone=Europe/Paris"


def test_times_stand_in_the_form_as_lines_and_stay_when_it_is_saved(member: Client) -> None:
    alarm = make_alarm(
        time_constraints=[NIGHT], policy={"mute": [NIGHT]}, project_id=seed.PROJECT,
        alarm_actions=[RECEIVER],
    )  # fmt: skip
    form = member.get(of("edit", alarm)).context["form"]
    assert form.values["time_constraints"] == form.values["mute"] == AS_A_LINE
    member.post(of("edit", alarm), form.values | {"do": "save"})
    changed = Alarm.objects.get()
    assert (changed.time_constraints, changed.policy) == (alarm.time_constraints, alarm.policy)
    day = "name=day;start=0 8 * * 1-5;duration=36000"
    fields = form.values | {"do": "save", "time_constraints": f"{AS_A_LINE}\n\n{day}", "mute": ""}
    assert member.post(of("edit", alarm), fields).status_code == 302
    changed = Alarm.objects.get()
    assert [one["name"] for one in changed.time_constraints] == ["night", "day"]
    assert "mute" not in (changed.policy or {})


@pytest.mark.parametrize("field", ["time_constraints", "mute"])
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("at night", "Line 1 is not like: name=night;start="),
        ("name=n;start=0 0 * * *;colour=red", "Line 1 is not like"),
        ("name=a;start=@daily;duration=1\nname=n;start=@daily", "Line 2 has no duration."),
        ("name=n;start=0 0 * * *;duration=1h", "Line 1 has a duration that is no whole number"),
        ("name=n;start=0 0 30 2 *;duration=1", "[0 0 30 2 *] never comes"),
        ("name=n;start=0 0 * * *;duration=1;timezone=Mars/X", "Is no known time zone."),
        ("[1", "Is no JSON list"),
        ('["x"]', "Expected `object`, got `str`."),
    ],
)
def test_what_is_wrong_with_times_stands_at_their_field(
    member: Client, field: str, typed: str, words: str
) -> None:
    answer = member.post("/alarms/new", filled(**{field: typed}))
    assert answer.status_code == 422
    page = answer.content.decode()
    place = page.index(f'id="{field}-error"')
    assert words in page[place : place + 400]


def test_the_preview_counts_only_what_is_evaluated(member: Client) -> None:
    """From now on in the other half of the year."""
    store(50.0, 95.0, 40.0, 99.0, project_id=seed.PROJECT)
    month = (now().month + 5) % 12 + 1
    never = f"name=n;start=0 0 1 {month} *;duration=60"
    seen = [member.post("/alarms/preview", filled(time_constraints=one)) for one in ("", never)]
    assert [answer.context["preview"].fired > 0 for answer in seen] == [True, False]


def test_an_alarms_page_tells_when_it_is_evaluated_and_what_it_waits_for(member: Client) -> None:
    policy = {"for": 300, "no_data": "keep", "repeat_interval": 3600, "mute": [NIGHT]}
    alarm = make_alarm(
        time_constraints=[NIGHT], policy=policy, repeat_actions=True, project_id=seed.PROJECT
    )
    page = text(member, of("alarm", alarm))
    assert page.count("<code>0 23 * * *</code> for 3600 s, Europe/Paris") == 2
    for words in ("no data, ", "300 s", "the state stays", "every 3600 s"):
        assert f"<dd>{words}" in page, words


def test_who_shares_a_name_is_told(member: Client) -> None:
    alarm = make_alarm(project_id=seed.PROJECT)
    make_alarm(project_id="sold")
    assert "this name" not in text(member, of("alarm", alarm))
    make_alarm(project_id=seed.PROJECT)
    assert "1 other alarm of this project has this name" in text(member, of("alarm", alarm))


def test_the_form_asks_for_patience(member: Client) -> None:
    alarm = make_alarm(policy={"for": 60}, project_id=seed.PROJECT)
    fields = filled(**{"for": "300", "recovery_threshold": "70,5", "no_data": "keep"})
    answer = member.post(f"/alarms/{alarm.pk}/edit", fields)
    assert answer.status_code == 302, answer.content
    alarm.refresh_from_db()
    assert alarm.policy == {"for": 300, "recovery_threshold": 70.5, "no_data": "keep"}
    answer = member.post(f"/alarms/{alarm.pk}/edit", filled(**{"for": "soon"}))
    assert answer.status_code == 422
    assert "Give a whole number of seconds." in answer.content.decode()


def test_the_form_has_the_words_of_mails(member: Client) -> None:
    words = {"subject": "{{ alarm_name }} & more", "body": "It is\n{{ current }}."}
    alarm = make_alarm(policy={"template": words}, project_id=seed.PROJECT)
    form = member.get(f"/alarms/{alarm.pk}/edit").context["form"]
    assert {name: form.values[name] for name in words} == words
    assert "{{ alarm_name }} &amp; more" in text(member, of("alarm", alarm))
    fields = filled(subject="", body="It is {{ current }}.")
    answer = member.post(f"/alarms/{alarm.pk}/edit", fields)
    assert answer.status_code == 302, answer.content
    alarm.refresh_from_db()
    assert (alarm.policy or {})["template"] == {"subject": "", "body": "It is {{ current }}."}
    answer = member.post(f"/alarms/{alarm.pk}/edit", filled(body="{% load x %}"))
    assert answer.status_code == 422
    assert "body" in answer.context["form"].errors
    answer = member.post(f"/alarms/{alarm.pk}/edit", filled())
    alarm.refresh_from_db()
    assert "template" not in (alarm.policy or {})
