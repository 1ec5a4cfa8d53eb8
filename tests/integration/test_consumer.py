"""A real collector process and messages that are none of its tasks (F28, S14, S15)."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from kombu import Connection

from meters import wire
from meters.models import HeadSample, Quarantine
from pollers.publish import Publisher
from telemetry_site.clock import now_us
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.support.batches import batch_of, resource

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

WITHIN_S = 30.0


@pytest.fixture
def collector(process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Path]:
    """A collector worker; gives its log file."""
    output = tmp_path / "collector.log"
    command = [sys.executable, "manage.py", "role", "collector"]
    with output.open("wb") as log:
        worker = subprocess.Popen(command, env=process_env("collector"), stdout=log, stderr=log)
    yield output
    worker.terminate()
    worker.wait(30)


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.1)


def send(broker: EmbeddedValkey, body: bytes, content_type: str, **headers: str) -> None:
    options = {"global_keyprefix": "telemetry:"}
    with Connection(broker.url(), transport_options=options) as link:
        link.Producer().publish(
            body,
            exchange="",
            routing_key="collector",
            headers={"id": wire.new_batch_id(), **headers},
            content_type=content_type,
            content_encoding="binary",
        )


class Touch:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return (open, (str(self.path), "w"))


def test_foreign_and_broken_messages_are_quarantined_and_the_collector_goes_on(
    collector: Path, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    store, bomb = "meters.tasks.store_batch", tmp_path / "unpickled"
    send(
        broker, pickle.dumps(([Touch(bomb)], {}, {})), "application/x-python-serialize", task=store
    )
    send(broker, b"{broken", "application/json", task=store)
    send(broker, b'[["no bytes"], {}, {}]', "application/json", task=store)
    send(broker, b"[[], {}, {}]", "application/json", task="notifier.send")
    send(broker, b"not even a task", "text/plain")
    wait_for(lambda: Quarantine.objects.count() == 5, collector)

    reasons = sorted(Quarantine.objects.values_list("reason", flat=True))
    assert reasons == ["bad_encoding", "bad_encoding", "schema", "schema", "schema"]
    assert not bomb.exists()
    assert (
        "no task of the collector" in Quarantine.objects.get(headers__task="notifier.send").detail
    )

    publisher = Publisher()

    good = wire.encode(batch_of((resource(), "cpu", 1.0, now_us())))
    publisher.publish(store, settings.COLLECTOR_QUEUE, good)
    publisher.close()
    wait_for(lambda: HeadSample.objects.count() == 1, collector)
    assert "Traceback" not in collector.read_text()
