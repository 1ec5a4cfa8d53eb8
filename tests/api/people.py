"""Who asks in the tests: two projects with equal names in them, and people with each role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from telemetry_site.auth import tokens
from telemetry_site.auth.models import Membership
from telemetry_site.auth.principal import ALL_SCOPES

P1, P2 = "p1", "p2"
CANARY = "CANARY-p2"
#: name → (superuser, role in which project)
PEOPLE: dict[str, tuple[bool, dict[str, str]]] = {
    "admin": (True, {}),
    "member": (False, {P1: "member"}),
    "reader": (False, {P1: "reader"}),
    "stranger": (False, {P2: "member"}),
    "nobody": (False, {}),
    "both": (False, {P1: "member", P2: "member"}),
}
PASSWORD = "correct horse battery"


class Client(APIClient):
    """A test client that says what came back, and gives the decoded body as `.json()`."""

    def fetch(self, path: str, **query: Any) -> Any:
        """GET that must succeed."""
        answer = self.get(path, query)
        assert answer.status_code == 200, (answer.status_code, answer.content[:500])
        return answer.json()

    def refused(self, path: str, status: int = 400, **query: Any) -> Any:
        """GET that must be refused in the door's one shape."""
        return error_of(self.get(path, query), status)


def error_of(answer: Any, status: int) -> Any:
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    body = answer.json()
    assert set(body) == {"code", "title", "detail", "errors", "request_id"}
    assert all(set(one) == {"field", "detail"} for one in body["errors"])
    return body


def make_people() -> dict[str, User]:
    made = {}
    for name, (is_admin, roles) in PEOPLE.items():
        user = User.objects.create_user(name, password=PASSWORD, is_superuser=is_admin)
        for project, role in roles.items():
            Membership.objects.create(user=user, project_id=project, role=role)
        made[name] = user
    return made


def token_of(user: User, scopes: Iterable[str] = ALL_SCOPES, project: str = "") -> str:
    return tokens.issue(user.pk, "test", frozenset(scopes), project)[1]  # type: ignore[arg-type]


def with_token(text: str) -> Client:
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client
