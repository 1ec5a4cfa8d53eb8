"""Who asks in the alarming API's tests, by the clients' noauth mode: headers that are believed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse

from tests.support.doors import DoorClient

PREFIX = "/alarming/v2"
RULE = "gnocchi_resources_threshold_rule"
LEAST_RULE = {
    "metric": "cpu", "resource_id": "r1", "resource_type": "instance", "threshold": 50,
    "aggregation_method": "mean",
}  # fmt: skip


def body(**fields: Any) -> dict[str, Any]:
    """The least that makes an alarm, changed; a field that is `...` is left out."""
    whole = {"name": "a", "type": "gnocchi_resources_threshold", RULE: LEAST_RULE} | fields
    return {name: value for name, value in whole.items() if value is not ...}


def rule(**fields: Any) -> dict[str, Any]:
    """A body whose rule is changed."""
    changed = {k: v for k, v in (LEAST_RULE | fields).items() if v is not ...}
    return body(**{RULE: changed})


def simple(*terms: tuple[str, ...], **more: Any) -> str:
    """A query string of triples: (field, value[, op[, type]])."""
    pairs: list[tuple[str, str]] = []
    for term in terms:
        names = ("q.field", "q.value", "q.op", "q.type")
        pairs += zip(names, term, strict=False)
    return urlencode([*pairs, *more.items()])


class AlarmingClient(DoorClient):
    """Speaks as aodhclient does."""

    prefix = PREFIX

    def __init__(self, user: str = "", project: str = "", roles: str = "") -> None:
        super().__init__(X_User_Id=user, X_Project_Id=project, X_Roles=roles)

    def make(self, **fields: Any) -> Any:
        answer = self.ask("POST", "/alarms", body(**fields))
        assert answer.status_code == 201, answer.content
        return answer.json()

    def query(self, path: str = "", **asked: Any) -> Any:
        """The complex query of alarms, or of their history."""
        sent = {k: json.dumps(v) if k != "limit" else v for k, v in asked.items()}
        answer = self.ask("POST", f"/query/alarms{path}", sent)
        assert answer.status_code == 200, answer.content
        return answer.json()


def fault_of(answer: HttpResponse, status: int) -> str:
    """The sentence of an error, which always has the one shape."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Openstack-Request-Id"].startswith("req-")
    found = json.loads(answer.content)
    assert set(found) == {"error_message"}
    assert set(found["error_message"]) == {"faultcode", "faultstring", "debuginfo"}
    assert found["error_message"]["faultcode"] == ("Client" if status < 500 else "Server")
    assert found["error_message"]["debuginfo"] is None
    text: str = found["error_message"]["faultstring"]
    return text
