"""`manage.py webhook_receiver` over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alarms.management.commands.webhook_receiver import Behaviour, Receiver
from telemetry_site import paths
from telemetry_site.console import console

MESSAGE = {
    "alarm_name": "cpu [high]", "alarm_id": "a-1", "severity": "low", "previous": "ok",
    "current": "alarm", "reason": "Transition to alarm due to 1 samples outside threshold",
    "reason_data": {},
}  # fmt: skip
BODY = json.dumps(MESSAGE).encode()


class Running:
    def __init__(self, behaviour: Behaviour) -> None:
        self._out = io.StringIO()
        self.server = Receiver(0, behaviour, console(self._out))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def send(self, body: bytes = BODY, method: str = "POST", **headers: str) -> tuple[int, str]:
        """Status and text of the answer; `Idempotency_Key` is sent as ``Idempotency-Key``."""
        connection = http.client.HTTPConnection(*self.server.server_address, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, "/hook?x=1", body, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    @property
    def printed(self) -> str:
        return self._out.getvalue()


Receiving = Callable[..., Running]


@pytest.fixture
def receiving() -> Iterator[Receiving]:
    started: list[Running] = []

    def start(**behaviour: Any) -> Running:
        started.append(Running(Behaviour(**behaviour)))
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.server.server_close()


def signed(secrets: list[str], at: int, body: bytes = BODY) -> str:
    made = [
        hmac.new(one.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest() for one in secrets
    ]
    return ",".join([f"t={at}", *(f"v1={one}" for one in made)])


def test_a_message_is_three_lines(receiving: Receiving) -> None:
    one = receiving()
    assert one.send(Idempotency_Key="k-1", X_Telemetry_Attempt="2")[0] == 200
    first, second, third = one.printed.strip().splitlines()
    assert first.endswith("  ok → alarm  cpu [high]")
    assert second.strip() == MESSAGE["reason"]
    assert third.strip() == "attempt 2, key k-1, answer 200"


def test_a_test_message_is_told_apart(receiving: Receiving) -> None:
    one = receiving()
    one.send(X_Alarm_Test="true")
    assert "a test" in one.printed


def test_any_other_request_is_shown_whole(receiving: Receiving) -> None:
    one = receiving()
    assert one.send(b'{"a": ["[bold]"]}', "PUT", X_Some="thing") == (200, "received 17 bytes\n")
    for part in ("PUT /hook?x=1", "X-Some: thing", '"[bold]"', "answer 200"):
        assert part in one.printed


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null", b"\xff\x00", b'{"alarm_name": 1}'])
def test_a_body_that_is_no_message_is_taken_all_the_same(receiving: Receiving, body: bytes) -> None:
    assert receiving().send(body)[0] == 200


def test_the_first_attempts_at_each_key_fail(receiving: Receiving) -> None:
    one = receiving(fail=2, status=202)
    answers = [one.send(Idempotency_Key=key)[0] for key in ("a", "b", "a", "a", "b", "b", "a")]
    assert answers == [500, 500, 500, 202, 500, 202, 202]
    assert "answer 500" in one.printed


def test_the_status_is_the_answer(receiving: Receiving) -> None:
    assert receiving(status=410).send()[0] == 410
    assert receiving(status=204).send() == (204, "")


def test_the_answer_is_delayed(receiving: Receiving) -> None:
    one = receiving(delay_s=0.3)
    began = time.monotonic()
    one.send()
    assert time.monotonic() - began >= 0.3


def test_signatures_are_checked(receiving: Receiving) -> None:
    one = receiving(secret="new")
    at = int(time.time())
    cases = {
        signed(["new"], at): "valid",
        signed(["other", "new"], at): "valid",
        signed(["old"], at): "invalid",
        signed(["new"], at, b"{}"): "invalid",
        signed(["new"], at - 301): "invalid",
        signed(["new"], at + 301): "invalid",
        signed(["new"], at).replace(f"t={at}", f"t={at - 1}"): "invalid",
        f"t={at}": "invalid",
        "nonsense": "invalid",
        f"t={at},v1=\xe9": "invalid",
    }
    for header, verdict in cases.items():
        before = len(one.printed)
        assert one.send(X_Telemetry_Signature=header)[0] == 200
        assert f"signature {verdict}," in one.printed[before:], header
    one.send()
    assert "signature missing" in one.printed


def test_a_length_that_is_none_is_refused(receiving: Receiving) -> None:
    one = receiving()
    assert one.send(b"", Content_Length="-1")[0] == 400
    assert one.send(b"", Content_Length=str(2 << 20))[0] == 400


@pytest.mark.parametrize(
    "options",
    [{"status": 100}, {"status": 600}, {"fail": -1}, {"delay": -1.0}, {"delay": float("nan")},
     {"port": 70000}],
)  # fmt: skip
def test_options_out_of_bounds_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=str(next(iter(options.values())))):
        call_command("webhook_receiver", **options)


def test_ctrl_c_ends_it_cleanly() -> None:
    process = subprocess.Popen(
        [sys.executable, paths.ROOT / "manage.py", "webhook_receiver", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Listening on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0
