"""The target zaqar, as the agents' user of a real Keystone, against a server that speaks Zaqar's
documented messages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pollers.pollsters.cloud import current_cloud
from pollers.publishers.errors import Refused, TargetError, Unreachable
from pollers.publishers.items import event_dict, sample_dict
from pollers.publishers.schemes.zaqar import MOST_BYTES
from pollers.publishers.targets import target_of
from telemetry_site.settings.keystone import KeystoneAccess
from tests.keystone import ADMIN_PASSWORD, KeystoneServer
from tests.support.cloud import Zaqar
from tests.support.published import event, sample, sink
from tests.support.webhooks import Request, answering, receiver

SAMPLES = [sample("cpu", "r1"), sample("memory", "r2", 2.0)]
TARGET = "zaqar://?queue=meter_queue&ttl=1200"


@pytest.fixture(autouse=True)
def _anew(settings: Any) -> Iterator[None]:
    """No cloud and no Zaqar, until a test names them."""
    settings.TELEMETRY_OPENSTACK = None
    settings.TELEMETRY_ZAQAR_URL = ""
    current_cloud.cache_clear()
    yield
    current_cloud.cache_clear()


@pytest.fixture
def zaqar() -> Iterator[Zaqar]:
    service = Zaqar()
    yield service
    service.receiver.close()


@pytest.fixture
def cloud(keystone: KeystoneServer, settings: Any) -> KeystoneServer:
    settings.TELEMETRY_OPENSTACK = KeystoneAccess(
        auth_url=keystone.url, username="admin", password=ADMIN_PASSWORD, project_name="admin"
    )
    return keystone


def documents(request: Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(request.body)["messages"]
    return found


@pytest.mark.keystone
def test_messages_with_the_tokens_of_the_agents_login_at_the_address_in_the_catalogue(
    zaqar: Zaqar, cloud: KeystoneServer
) -> None:
    service = cloud.make_service("messaging", "zaqar", f"{zaqar.url}/v2")
    try:
        made = sink(TARGET)
        made.send_samples(SAMPLES)
        made.send_events([event("e1")])
    finally:
        cloud.call("DELETE", f"services/{service}")
    first, second = zaqar.receiver.requests

    assert first.line == "POST /v2/queues/meter_queue/messages HTTP/1.1"
    assert documents(first) == [{"body": sample_dict(one), "ttl": 1200} for one in SAMPLES]
    assert documents(second) == [{"body": event_dict(event("e1")), "ttl": 1200}]
    assert len(first.headers["x-auth-token"]) > 20
    assert first.headers["content-type"] == "application/json"
    assert str(uuid.UUID(first.headers["client-id"])) == second.headers["client-id"]


@pytest.mark.keystone
def test_a_token_that_is_no_longer_taken_is_made_anew_for_the_next_try(
    cloud: KeystoneServer, settings: Any
) -> None:
    tokens = []

    def answer(request: Request, number: int, _connection: Any) -> bytes:
        tokens.append(request.headers["x-auth-token"])
        status = "401 Unauthorized" if number == 1 else "201 Created"
        return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()

    with receiver(answer) as service:
        settings.TELEMETRY_ZAQAR_URL = service.url("")
        made = sink(TARGET)
        with pytest.raises(Unreachable, match="answered 401"):
            made.send_samples(SAMPLES)
        made.send_samples(SAMPLES)
    assert len(set(tokens)) == 2


@pytest.mark.keystone
def test_a_catalogue_without_zaqar_is_to_be_mended(cloud: KeystoneServer) -> None:
    with pytest.raises(Unreachable, match="has no service messaging"):
        sink(TARGET).send_samples(SAMPLES)


def test_an_address_that_is_set_is_asked_without_a_keystone(settings: Any) -> None:
    with receiver(answering(201)) as service:
        settings.TELEMETRY_ZAQAR_URL = service.url("/v2")
        sink("zaqar://?queue=q").send_samples(SAMPLES[:1])
    (request,) = service.requests
    assert request.line == "POST /v2/queues/q/messages HTTP/1.1"
    assert documents(request)[0]["ttl"] == 3600
    assert "x-auth-token" not in request.headers


def test_no_request_is_larger_than_what_zaqar_takes(settings: Any) -> None:
    large = [
        replace(sample("cpu", f"r{number}", metadata={"text": "x" * 40_000}))
        for number in range(13)
    ]
    with receiver(answering(201)) as service:
        settings.TELEMETRY_ZAQAR_URL = service.url("")
        sink(TARGET).send_samples(large)
    assert len(service.requests) == 3
    assert all(len(one.body) <= MOST_BYTES for one in service.requests)
    sent = [one["body"]["resource_id"] for each in service.requests for one in documents(each)]
    assert sent == [f"r{number}" for number in range(13)]


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (503, Unreachable)])
def test_what_zaqar_refuses_and_what_it_cannot_do_now(
    status: int, error: type[Exception], settings: Any
) -> None:
    with receiver(answering(status, body="Bounds")) as service:
        settings.TELEMETRY_ZAQAR_URL = service.url("")
        with pytest.raises(error, match=f"answered {status}: Bounds"):
            sink(TARGET).send_samples(SAMPLES)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("zaqar://", "queue must name a queue"),
        ("zaqar://?queue=a/b", "queue must name a queue"),
        ("zaqar://?queue=q&ttl=5", "ttl='5' is no number from 60"),
        ("zaqar://?queue=q", "no Zaqar is known here"),
    ],
)
def test_an_address_that_can_not_be_used(url: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        target_of(url)
