"""Callers with tokens of Keystone's, at a door that says who called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.api.alarming.people import AlarmingClient
from tests.api.people import Client, error_of
from tests.keystone import ADMIN_PASSWORD, SERVICE_PASSWORD, KeystoneServer

#: name → (password, what the token is for)
PEOPLE: dict[str, tuple[str, dict[str, str]]] = {
    "admin": (ADMIN_PASSWORD, {"project_name": "admin"}),
    "service": (SERVICE_PASSWORD, {"project_name": "service"}),
    "member": ("", {"project_name": "p1"}),
    "reader": ("", {"project_name": "p1"}),
    "stranger": ("", {"project_name": "p2"}),
    "of the domain": ("", {"domain_name": "Default"}),
    "of the system": ("", {"system_scope": "all"}),
    "of nothing": ("", {}),
}
LOGINS = {"service": "telemetry"}
NO_PROJECT = ("of the domain", "of the system", "of nothing")


class Caller(AlarmingClient):
    """Of the alarming API, with a token of Keystone's."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.sent["X-Auth-Token"] = token


def ask(token: str) -> Any:
    return Client().get("/who", headers={"X-Auth-Token": token})


def who(token: str) -> Any:
    answer = ask(token)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(token: str, status: int) -> str:
    """What is said. A Retry-After would be the end of gnocchiclient."""
    answer = ask(token)
    assert "Retry-After" not in answer
    return str(error_of(answer, status)["detail"])


@contextmanager
def away(server: KeystoneServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def revoke(server: KeystoneServer, token: str) -> None:
    headers = {"X-Subject-Token": token}
    server.admin.delete(f"{server.url}/auth/tokens", headers=headers)


def logged(log: list[Any], text: str) -> int:
    return sum(text in (entry["event"], entry.get("reason")) for entry in log)
