"""Actions zaqar: without a Keystone, against a server that speaks Zaqar's documented messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alarms.errors import ActionError
from alarms.models import Alarm, Notification
from alarms.notifier.actions import check_action
from alarms.notifier.delivery import send_due
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.cloud import Zaqar
from tests.support.telling import go

pytestmark = pytest.mark.django_db(transaction=True)
SIGNED = (
    "zaqar://?queue_name=q&project_id=p9&paths=/v2/queues/q/messages&methods=POST"
    "&expires=2199-01-01T00:00:00&signature=abc"
)


@pytest.fixture
def zaqar(settings: Any, broker: EmbeddedValkey) -> Iterator[Zaqar]:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    service = Zaqar()
    settings.TELEMETRY_ZAQAR_URL = service.url
    yield service
    service.receiver.close()


def fired(*urls: str) -> tuple[Alarm, list[Notification]]:
    alarm = make_alarm(alarm_actions=list(urls))
    go(alarm)
    send_due()
    return alarm, list(Notification.objects.order_by("action_no"))


def test_by_a_signed_url_without_a_token(zaqar: Zaqar) -> None:
    alarm, [row] = fired(SIGNED)
    assert (row.status, row.last_status) == ("delivered", 201)
    assert [body["alarm_id"] for body in zaqar.queues["q"]] == [str(alarm.pk)]
    headers = zaqar.receiver.requests[0].headers
    assert {name: headers[name] for name in headers if name.startswith(("url-", "x-p"))} == {
        "url-signature": "abc", "url-expires": "2199-01-01T00:00:00", "url-methods": "POST",
        "url-paths": "/v2/queues/q/messages", "x-project-id": "p9",
    }  # fmt: skip
    assert (headers["client-id"], "x-auth-token" in headers) == (str(row.pk), False)


def test_what_zaqar_refuses_ends_and_what_it_cannot_do_now_comes_again(
    zaqar: Zaqar, settings: Any
) -> None:
    _, [row] = fired("zaqar://?topic=t")
    assert (row.status, row.last_error) == ("failed", "http_401"), "it wants a token"
    settings.TELEMETRY_ZAQAR_URL = "http://127.0.0.1:1"
    Notification.objects.all().delete()
    _, [row] = fired(SIGNED)
    assert (row.status, row.last_error) == ("pending", "refused")


@pytest.mark.parametrize(
    "url",
    [
        "zaqar://", "zaqar://?topic=a&queue_name=b", "zaqar://?topic=a&ttl=x",
        "zaqar://?topic=a&ttl=99999999999", "zaqar://?topic=a" + "&subscriber=http://h/" * 11,
        "zaqar://?topic=a%0d%0ab", "zaqar://?topic=" + "a" * 4000,
    ],
)  # fmt: skip
def test_a_url_that_says_nothing_is_refused(url: str) -> None:
    with pytest.raises(ActionError):
        check_action(url, "p1", False)
