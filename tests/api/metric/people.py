"""Who asks in the metric API's tests, by the clients' basic mode: a name that is believed."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

PREFIX = "/metric/v1"
ROOT = f"http://testserver{PREFIX}"


class MetricClient(Client):
    """Speaks as gnocchiclient does; "" is nobody."""

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.sent = {"Accept": "application/json"}
        if name:
            credentials = base64.b64encode(f"{name}:".encode()).decode()
            self.sent["Authorization"] = f"basic {credentials}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        """An answer to a request under ``/v1``; a header given as "" is not sent."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**self.sent, **names}.items() if value}
        data = b"" if body is None else json.dumps(body).encode()
        return self.generic(
            method, f"{PREFIX}{path}", data, headers=sent, CONTENT_TYPE=content_type
        )

    def fetch(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()

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
