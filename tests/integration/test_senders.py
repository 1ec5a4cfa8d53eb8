"""What the notifier's schemes send, to real servers on loopback: mail, chat, test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.errors import DefinitionError
from alarms.models import Alarm, Notification
from alarms.notifier.delivery import send_due
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.outbound import sending
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.mail import MailServer, mail_server
from tests.support.ports import free_port
from tests.support.tls import make_certificates, tls_receiver
from tests.support.webhooks import Request, answering, receiver

pytestmark = pytest.mark.django_db(transaction=True)
TEMPLATE = {
    "subject": "{{ alarm_name|upper }}",
    "body": "{{ previous }} > {{ current }}\n{{ url }}",
}


@pytest.fixture(autouse=True)
def _loopback(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    settings.TELEMETRY_CHAT_WEBHOOKS = True


@pytest.fixture
def use_mail(settings: Any) -> Callable[..., None]:
    """`use_mail(port, …)`: the mail server is there."""

    def use(port: int, **more: Any) -> None:
        plain = {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False, "EMAIL_HOST_USER": "",
                 "EMAIL_TIMEOUT": 1.0, "TELEMETRY_MAIL_FROM": "Us <us@house.example>"}  # fmt: skip
        for name, value in (plain | more).items():
            setattr(settings, name, value)
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port

    return use


@pytest.fixture
def mail(use_mail: Callable[..., None]) -> Iterator[MailServer]:
    with mail_server() as (server, port):
        use_mail(port)
        yield server


@pytest.fixture
def certificates(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Some of an authority that we trust."""
    home = make_certificates(tmp_path)
    settings.TELEMETRY_WEBHOOK_CA_FILE = str(home / "ca.pem")
    sending._context.cache_clear()
    yield home
    sending._context.cache_clear()


def fire(url: str, name: str = "cpu high", template: dict[str, str] | None = None) -> Notification:
    """The alarm comes to alarm, and what is due is sent."""
    alarm: Alarm = make_alarm(name=name, alarm_actions=[url])
    alarm.state, alarm.state_version = State.ALARM, 1
    alarm.save()
    rows = outbox.messages(alarm, State.OK, "because", {"type": "threshold"})
    for row in rows:
        row.template = template
    [row] = Notification.objects.bulk_create(rows)
    send_due()
    row.refresh_from_db()
    return row


def result(row: Notification) -> tuple[str, str]:
    return row.status, row.last_error


class TestMail:
    def test_a_text_to_each_address(self, mail: MailServer) -> None:
        row = fire("mailto:a@one.example,b@two.example")
        assert result(row) == (Delivery.DELIVERED, "")
        [got] = mail.mails
        assert mail.recipients == [["a@one.example", "b@two.example"]]
        assert got["To"] == "a@one.example, b@two.example"
        assert got["From"] == "Us <us@house.example>"
        assert got["Subject"] == "[alarm] cpu high"
        assert got["Message-ID"] == f"<{row.pk}@house.example>"
        assert got["Auto-Submitted"] == "auto-generated"
        assert got.get_content_type() == "text/plain"
        text = got.get_content()
        assert 'Alarm "cpu high" went from ok to alarm.' in text
        assert f"/alarms/{row.alarm_id}" in text

    def test_each_attempt_has_the_same_message_id(self, mail: MailServer) -> None:
        mail.at_data = "451 later"
        row = fire("mailto:a@one.example")
        assert result(row) == (Delivery.PENDING, "smtp_451")
        mail.at_data = ""
        outbox.retry(Notification.objects.filter(pk=row.pk))
        assert send_due() == 1
        assert [(one["Message-ID"], one["X-Telemetry-Attempt"]) for one in mail.mails] == [
            (f"<{row.pk}@house.example>", "2")
        ]

    def test_the_subject_of_the_url_wins(self, mail: MailServer) -> None:
        fire("mailto:a@one.example?subject=disk%20%C3%BCber", template=TEMPLATE)
        assert mail.mails[0]["Subject"] == "disk über"

    @pytest.mark.parametrize(
        ("answer", "wanted"),
        [
            ("550 no such user", (Delivery.FAILED, "smtp_550")),
            ("450 greylisted", (Delivery.PENDING, "smtp_450")),
        ],
    )
    def test_who_is_refused(self, mail: MailServer, answer: str, wanted: tuple[str, str]) -> None:
        """Also where the server takes the others: nobody is left out unsaid."""
        mail.refusals = {"b@two.example": answer}
        row = fire("mailto:a@one.example,b@two.example")
        assert result(row) == wanted
        assert row.tries.get().answer == f"b@two.example: {answer}"
        assert mail.recipients == [["a@one.example"]]
        mail.refusals["a@one.example"] = answer
        assert result(fire("mailto:a@one.example")) == wanted

    def test_refused_for_now_and_for_good_is_tried_again(self, mail: MailServer) -> None:
        mail.refusals = {"a@one.example": "450 later", "b@two.example": "550 never"}
        assert fire("mailto:a@one.example,b@two.example").status == Delivery.PENDING

    def test_the_text_itself_is_refused(self, mail: MailServer) -> None:
        mail.at_data = "554 spam"
        assert result(fire("mailto:a@one.example")) == (Delivery.FAILED, "smtp_554")

    def test_nobody_listens(self, use_mail: Callable[..., None]) -> None:
        use_mail(free_port())
        assert result(fire("mailto:a@one.example")) == (Delivery.PENDING, "refused")

    def test_a_server_that_says_nothing(self, use_mail: Callable[..., None]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            use_mail(silent.getsockname()[1])
            assert result(fire("mailto:a@one.example")) == (Delivery.PENDING, "timeout")

    @pytest.mark.filterwarnings("ignore:Requiring AUTH while not")
    def test_a_login(self, use_mail: Callable[..., None]) -> None:
        with mail_server(password="right") as (server, port):
            use_mail(port, EMAIL_HOST_USER="us", EMAIL_HOST_PASSWORD="wrong")
            assert result(fire("mailto:a@one.example")) == (Delivery.PENDING, "smtp_login")
            use_mail(port, EMAIL_HOST_USER="us", EMAIL_HOST_PASSWORD="right")
            assert result(fire("mailto:a@one.example")) == (Delivery.DELIVERED, "")
            assert len(server.mails) == 1

    def test_a_server_without_tls_gets_no_text(self, use_mail: Callable[..., None]) -> None:
        with mail_server() as (server, port):
            use_mail(port, EMAIL_USE_TLS=True)
            assert result(fire("mailto:a@one.example")) == (Delivery.PENDING, "smtp_login")
            assert server.mails == []

    def test_a_name_cannot_add_a_header(self, mail: MailServer) -> None:
        template = {"subject": "{{ reason }}\r\nBcc: c@three.example", "body": "x"}
        row = fire("mailto:a@one.example", template=template)
        assert result(row) == (Delivery.DELIVERED, "")
        assert mail.mails[0]["Subject"] == "because Bcc: c@three.example"
        assert mail.mails[0]["Bcc"] is None
        assert mail.recipients == [["a@one.example"]]

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("mailto:", "no mail address"),
            ("mailto:a", "no mail address"),
            ("mailto:a@b.example%0d%0aBcc:c@d.example", "no mail address"),
            ("mailto:a@b.example,", "no mail address"),
            ("mailto:a@b.example?bcc=c@d.example", "may carry a subject"),
            ("mailto:a@b.example?subject=x%0ay", "printable"),
            (f"mailto:a@b.example?subject={'x' * 201}", "200"),
            (f"mailto:{','.join(['a@b.example'] * 11)}", "more than 10"),
        ],
    )
    def test_a_wrong_address_is_told_and_never_sent(
        self, mail: MailServer, url: str, words: str
    ) -> None:
        with pytest.raises(DefinitionError, match=words):
            lifecycle.check_actions({"ok_actions": [url]}, "p1", is_admin=False)
        assert result(fire(url)) == (Delivery.FAILED, "bad_url")
        assert mail.mails == []

    def test_domains_may_be_closed(self, mail: MailServer, settings: Any) -> None:
        settings.TELEMETRY_MAIL_DOMAINS = ["one.example"]
        assert result(fire("mailto:a@ONE.example")) == (Delivery.DELIVERED, "")
        assert result(fire("mailto:a@two.example")) == (Delivery.FAILED, "forbidden_address")

    def test_without_a_server_there_is_no_such_scheme(self, settings: Any) -> None:
        settings.EMAIL_HOST = ""
        with pytest.raises(DefinitionError, match="must begin with one of http:"):
            lifecycle.check_actions({"ok_actions": ["mailto:a@b.example"]}, "p1", is_admin=True)
        assert result(fire("mailto:a@b.example")) == (Delivery.FAILED, "scheme")


class TestChat:
    @pytest.fixture
    def chat(self, certificates: Path) -> Iterator[tuple[str, list[Request]]]:
        """A running chat service's host and port, and what it got."""
        with tls_receiver(certificates, "good") as (url, got):
            yield url.removeprefix("https://"), got

    def test_slack_gets_a_text_in_which_names_mention_nobody(
        self, chat: tuple[str, list[Request]]
    ) -> None:
        place, got = chat
        row = fire(f"slack+https://{place}services/x", name="<!channel> & co")
        assert result(row) == (Delivery.DELIVERED, "")
        [request] = got
        assert request.line == "POST /services/x HTTP/1.1"
        text = json.loads(request.body)["text"]
        assert text.startswith("[alarm] &lt;!channel&gt; &amp; co\n")
        assert "because" in text
        assert request.headers["idempotency-key"] == str(row.pk)

    def test_others_get_it_as_it_is(self, chat: tuple[str, list[Request]]) -> None:
        place, got = chat
        row = fire(f"chat+https://{place}", name="<b>", template=TEMPLATE)
        text = json.loads(got[0].body)["text"]
        assert text.startswith("<B>\nok > alarm\nhttp")
        assert row.destination == f"https://{place.rstrip('/')}"

    @pytest.mark.parametrize("scheme", ["slack", "chat"])
    def test_they_are_there_only_where_the_operator_says_so(
        self, settings: Any, scheme: str
    ) -> None:
        settings.TELEMETRY_CHAT_WEBHOOKS = False
        url = f"{scheme}+https://hooks.example/x"
        with pytest.raises(DefinitionError, match="must begin with one of"):
            lifecycle.check_actions({"ok_actions": [url]}, "p1", is_admin=True)
        assert result(fire(url)) == (Delivery.FAILED, "scheme")

    def test_private_networks_stay_shut(self) -> None:
        assert result(fire("chat+https://10.0.0.1/")) == (Delivery.FAILED, "forbidden_address")


class TestTemplates:
    def test_one_that_fails_is_said_below_the_houses_own_text(self, mail: MailServer) -> None:
        template = {"subject": "fine", "body": "{{ reason }\n{% include 'x' %}"}
        assert fire("mailto:a@one.example", template=template).status == Delivery.DELIVERED
        assert mail.mails[0]["Subject"] == "[alarm] cpu high"
        text = mail.mails[0].get_content()
        assert 'Alarm "cpu high" went from ok to alarm.' in text
        assert "could not be used: line 2: Invalid block tag" in text

    def test_an_alarm_that_is_gone_is_described_by_its_message(self, mail: MailServer) -> None:
        template = {"subject": "{{ alarm_name }}/{{ description }}", "body": "x"}
        alarm = make_alarm(alarm_actions=["mailto:a@one.example"], description="the long story")
        alarm.state = State.ALARM
        rows = outbox.messages(alarm, State.OK, "because", {})
        rows[0].template = template
        Notification.objects.bulk_create(rows)
        Alarm.objects.all().delete()
        send_due()
        assert mail.mails[0]["Subject"] == "cpu high/"


def test_a_test_action_keeps_what_would_have_been_sent() -> None:
    row = fire("test://")
    assert result(row) == (Delivery.DELIVERED, "")
    assert json.loads(row.tries.get().answer)["current"] == "alarm"


def test_a_webhook_is_signed_as_standard_webhooks_has_it(settings: Any) -> None:
    secret = base64.b64encode(b"its bytes").decode()
    settings.TELEMETRY_WEBHOOK_SECRETS = ["plain", f"whsec_{secret}"]
    with receiver(answering(200)) as there:
        row = fire(there.url())
    headers = there.requests[0].headers
    assert headers["webhook-id"] == str(row.pk)
    signed = f"{row.pk}.{headers['webhook-timestamp']}.".encode() + there.requests[0].body
    wanted = [
        f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
        for key in (b"plain", b"its bytes")
    ]
    assert headers["webhook-signature"].split(" ") == wanted
