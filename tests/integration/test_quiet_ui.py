"""The pages of silences, acknowledgements, bulk actions and history, by Django's client."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from alarms import lifecycle, outbox
from alarms.models import Alarm, AlarmAck, AlarmHistory, Inhibition, Notification, Silence
from alarms.muting import acks, silences
from telemetry_site.auth.models import Membership
from tests.browser import seed
from tests.support.alarms import make_alarm
from tests.support.muting import end, make_silence, matcher
from tests.support.visitors import signed_in, text, told

LIST = "/silences"


@pytest.fixture(autouse=True)
def people(db: None) -> None:
    seed.users()
    reader = User.objects.create_user("reader", password="correct horse battery")
    Membership.objects.create(user=reader, project_id=seed.PROJECT, role="reader")


def alarm_of_member(name: str = "cpu high", state: str = "alarm") -> Alarm:
    alarm = make_alarm(project_id=seed.PROJECT, name=name)
    return lifecycle.set_state(alarm, state, "u1")


def of(view: str, one: Alarm | Silence) -> str:
    return reverse(f"alarms:{view}", args=[one.pk])


def filled(**fields: str) -> dict[str, str]:
    return {
        "matchers": "severity = low", "length": "3600", "starts": "", "ends": "",
        "comment": "new disks", "project": "", "do": "save",
    } | fields  # fmt: skip


# --- silences ----------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do_next() -> None:
    for state, words in (
        ("active", "Nothing is silenced."),
        ("pending", "No silence is to come."),
        ("expired", "No silence has ended"),
    ):
        page = text(signed_in("member"), LIST, state=state)
        assert words in page
        assert reverse("alarms:new-silence") in page
    assert reverse("alarms:new-silence") not in text(signed_in("reader"), LIST)


def test_each_project_sees_its_own_under_its_tab() -> None:
    make_silence(matcher(value="mine"), project_id=seed.PROJECT)
    make_silence(matcher(value="to-come"), project_id=seed.PROJECT, in_hours=1)
    end(make_silence(matcher(value="was"), project_id=seed.PROJECT))
    make_silence(matcher(value="foreign"), project_id="somebody-elses")
    member = signed_in("member")
    for state, own in (("active", "mine"), ("pending", "to-come"), ("expired", "was")):
        page = text(member, LIST, state=state)
        shown = [one for one in ("mine", "to-come", "was", "foreign") if one in page]
        assert shown == [own]
    assert "mine" not in text(signed_in("stranger"), LIST)
    assert member.get(LIST, {"state": "x"}).status_code == 400


def test_one_is_made_by_the_form() -> None:
    page = told(signed_in("member"), "/silences/new", filled(matchers='name=~"web-.*"'))
    assert "The silence is made" in page
    silence = Silence.objects.get()
    assert (silence.project_id, silence.created_by) == (seed.PROJECT, "member")
    assert silence.matchers == [matcher("name", "web-.*", isRegex=True)]
    assert (silence.ends_at - silence.starts_at).total_seconds() == pytest.approx(3600, abs=5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"matchers": ""}, "Say which alarms"),
        ({"matchers": "nonsense"}, "Line 1 is not like"),
        ({"matchers": "severity = low\nname =~ ("}, "Line 2 is no regular expression"),
        ({"matchers": "tenant = x"}, "Line 1 must be one of alarm_id"),
        ({"comment": ""}, "Is required."),
        ({"length": "own", "ends": ""}, "Is required."),
        ({"length": "own", "ends": "2020-01-01T00:00:00Z"}, "later than startsAt"),
        ({"starts": "soon"}, "Give a time"),
        ({"project": "somebody-elses"}, "You may silence no alarms"),
    ],
)
def test_errors_stand_at_their_fields(fields: dict[str, str], words: str) -> None:
    page = told(signed_in("member"), "/silences/new", filled(**fields), 422)
    assert words in page
    assert not Silence.objects.exists()


def test_the_preview_lists_the_alarms_that_fit() -> None:
    alarm_of_member("web-1")
    make_alarm(name="web-2", project_id="somebody-elses")
    client = signed_in("member")
    page = told(client, "/silences/preview", filled(matchers="name =~ web-.*"))
    assert "web-1" in page
    assert "web-2" not in page
    assert "1 alarm" in page
    assert "No alarm fits" in told(client, "/silences/preview", filled(matchers="name = x"))
    assert "not like" in told(client, "/silences/preview", filled(matchers="x"))
    assert not Silence.objects.exists()


def test_one_is_ended_and_made_again() -> None:
    silence = make_silence(matcher(value='with "quotes"'), project_id=seed.PROJECT)
    client = signed_in("member")
    assert "is ended" in told(client, of("expire", silence), {})
    assert "over already" in told(client, of("expire", silence), {})
    again = text(client, "/silences/new", like=silence.pk)
    assert silence.comment in again
    longer = make_silence(project_id=seed.PROJECT, hours=4)
    assert 'value="14400" checked' in text(client, "/silences/new", like=longer.pk)
    told(client, "/silences/new", filled(matchers='name="with "quotes""'))
    assert Silence.objects.filter(matchers=silence.matchers).count() == 2


def test_who_may_not_gets_nowhere() -> None:
    silence, alarm = make_silence(project_id=seed.PROJECT), alarm_of_member()
    for who, status in (("reader", 403), ("stranger", 404)):
        client = signed_in(who)
        for page in (of("expire", silence), of("ack", alarm), of("silence", alarm)):
            fields = {"do": "ack", "comment": "x", "hours": "1"}
            assert client.post(page, fields).status_code == status, (who, page)
    reader = signed_in("reader")
    assert reader.get("/silences/new").status_code == 403
    told(reader, "/alarms/bulk", {"item": [str(alarm.pk)], "do": "delete"})
    told(signed_in("stranger"), "/alarms/bulk", {"item": [str(alarm.pk)], "do": "delete"})
    silence.refresh_from_db()
    assert silence.state == "active"
    assert (Alarm.objects.count(), Silence.objects.count(), AlarmAck.objects.count()) == (1, 1, 0)


# --- one alarm ---------------------------------------------------------------------------------


def test_an_alarm_is_silenced_and_acknowledged_on_its_page() -> None:
    alarm, client = alarm_of_member(), signed_in("member")
    told(client, of("silence", alarm), {"hours": "4", "comment": "new disks"})
    told(client, of("ack", alarm), {"do": "ack", "comment": "looking"})
    page = text(client, of("alarm", alarm))
    for words in ("Silenced by", "new disks", "Acknowledged by", "looking", "End silence"):
        assert words in page
    silence = Silence.objects.get()
    assert silences.of_alarm(alarm.pk) == [silence.pk]
    told(client, of("expire", silence), {"back": str(alarm.pk)})
    told(client, of("ack", alarm), {"do": "unack"})
    page = text(client, of("alarm", alarm))
    assert "Silences and acknowledgements before" in page
    assert "Silenced by" not in page
    assert "taken back" in page


def test_what_can_not_be_done_is_said() -> None:
    alarm, client = alarm_of_member(state="ok"), signed_in("member")
    assert "only one in alarm" in told(client, of("ack", alarm), {"do": "ack", "comment": "x"})
    assert "comment: is required" in told(client, of("silence", alarm), {"hours": "1"})
    assert "not acknowledged" in told(client, of("ack", alarm), {"do": "unack"})
    told(client, of("ack", alarm), {"do": "x"}, 400)


def test_the_list_has_marks() -> None:
    alarm = alarm_of_member()
    acks.acknowledge(alarm, acks.Asked("seen", None), "u1", "ada")
    make_silence(matcher("metric", "cpu"), project_id=seed.PROJECT)
    page = text(signed_in("member"), "/alarms")
    assert ">acked</span>" in page
    assert ">silenced</span>" in page


def test_a_message_that_is_kept_back_says_by_what() -> None:
    alarm = make_alarm(project_id=seed.PROJECT, alarm_actions=["https://8.8.8.8/x"])
    silence = make_silence(project_id=seed.PROJECT)
    source = alarm_of_member("power")
    [row] = outbox.send_test(alarm, "alarm", "member")
    Notification.objects.filter(pk=row.pk).update(
        status="suppressed", silenced_by=[silence.pk], inhibited_by=[source.pk]
    )
    client, path = signed_in("member"), reverse("alarms:notification", args=[row.pk])
    page = text(client, path)
    for words in ("suppressed", silence.comment, "power", "Send all the same", "Cancel"):
        assert words in page
    told(client, reverse("alarms:decide", args=[row.pk]), {"do": "retry"})
    row.refresh_from_db()
    assert row.status == "pending"


# --- many alarms -------------------------------------------------------------------------------


def test_things_are_done_to_the_chosen_ones() -> None:
    firing, calm = alarm_of_member("firing"), alarm_of_member("calm", "ok")
    client = signed_in("member")
    both = [str(firing.pk), str(calm.pk)]

    def do(deed: str, **more: str) -> str:
        return told(client, "/alarms/bulk", {"item": both, "do": deed, "back": "/alarms"} | more)

    assert "2 disabled." in do("disable")
    assert not Alarm.objects.filter(enabled=True).exists()
    assert "2 enabled." in do("enable")
    page = do("ack", comment="on it")
    assert "1 acknowledged." in page
    assert "Not acknowledged: calm: The alarm is ok" in page
    assert "2 silenced." in do("silence", comment="works", hours="24")
    assert Silence.objects.count() == 2
    assert "comment: is required" in do("silence")
    assert "2 deleted." in do("delete")
    assert not Alarm.objects.exists()
    told(client, "/alarms/bulk", {"item": ["x"], "do": "delete"}, 400)
    told(client, "/alarms/bulk", {"item": [], "do": "explode"}, 400)
    assert "No alarm was chosen" in told(client, "/alarms/bulk", {"do": "delete"})


def test_it_goes_back_to_the_list_and_nowhere_else() -> None:
    client = signed_in("member")
    for back, wanted in (
        ("/alarms?state=ok", "/alarms?state=ok"),
        ("https://evil.example/alarms", "/alarms"),
        ("//evil.example/alarms", "/alarms"),
        ("/login/", "/alarms"),
    ):
        answer = client.post("/alarms/bulk", {"do": "enable", "back": back})
        assert answer["Location"] == wanted


# --- history -----------------------------------------------------------------------------------


def test_history_tells_who_did_what_to_which_alarm() -> None:
    alarm, client = alarm_of_member("tier one"), signed_in("member")
    client.post(of("enable", alarm), {"enabled": "no"})
    lifecycle.delete(alarm_of_member("gone"), "u1")
    make_alarm(name="foreign", project_id="somebody-elses")
    page = text(client, "/history")
    assert "tier one" in page
    assert "(deleted)" in page
    assert "gone" in page
    assert "foreign" not in page
    mine = text(client, "/history", by="member")
    assert "Rule change" in mine
    assert "gone" not in mine
    assert "Rule change" not in text(client, "/history", type="creation")
    assert "gone" not in text(client, "/history", alarm=alarm.pk)
    assert "Nothing fits" in text(client, "/history", alarm=uuid4())
    assert client.get("/history", {"type": "x"}).status_code == 400


def test_history_of_nothing_says_what_to_do_next() -> None:
    assert "Nothing has happened" in text(signed_in("member"), "/history")
    assert not AlarmHistory.objects.exists()


# --- inhibitions -------------------------------------------------------------------------------


def test_an_inhibition_is_made_listed_and_deleted() -> None:
    client = signed_in("member")
    assert "No alarm keeps another one quiet" in text(client, "/inhibitions")
    fields = {"source": "name = power", "target": "severity = low", "equal": ["metric"]}
    for wrong, words in (
        ({"source": ""}, "Say which alarms"),
        ({"target": "x"}, "Is not like"),
        ({"equal": ["tenant"]}, "Must be one of"),
    ):
        assert words in told(client, "/inhibitions", fields | wrong, 422)
    page = told(client, "/inhibitions", fields | {"comment": "no power, no light"})
    assert "no power, no light" in page
    one = Inhibition.objects.get()
    assert (one.project_id, one.equal) == (seed.PROJECT, ["metric"])
    edit = reverse("alarms:edit-inhibition", args=[one.pk])
    path = reverse("alarms:delete-inhibition", args=[one.pk])
    for who, status in (("reader", 403), ("stranger", 404)):
        other = signed_in(who)
        assert other.post(path).status_code == status
        assert other.post(edit, fields).status_code == status
    assert "severity=&quot;low&quot;" in text(client, edit)
    assert "Is not like" in told(client, edit, fields | {"target": "x"}, 422)
    assert "is changed" in told(client, edit, fields | {"target": "severity = moderate"})
    one.refresh_from_db()
    assert one.target == [matcher("severity", "moderate")]
    assert signed_in("reader").post("/inhibitions", fields).status_code == 403
    assert "is deleted" in told(client, path, {})
    assert not Inhibition.objects.exists()
