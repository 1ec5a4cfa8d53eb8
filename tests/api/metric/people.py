"""Who asks in the metric API's tests, by the clients' basic mode: a name that is believed."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.http import HttpResponse

from tests.support.doors import DoorClient

PREFIX = "/metric/v1"
ROOT = f"http://testserver{PREFIX}"


class MetricClient(DoorClient):
    """Speaks as gnocchiclient does; "" is nobody."""

    prefix = PREFIX

    def __init__(self, name: str = "") -> None:
        credentials = base64.b64encode(f"{name}:".encode()).decode()
        super().__init__(Authorization=f"basic {credentials}" if name else "")

    def make(self, path: str, body: Any) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code == 201, answer.content
        return answer.json()


def error_of(answer: HttpResponse, status: int) -> Any:
    """The description of an error in JSON."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert "Retry-After" not in answer
    body = json.loads(answer.content)
    assert set(body) == {"code", "title", "description"}
    assert body["code"] == status
    return body["description"]
