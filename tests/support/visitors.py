"""Django's test client as one of the people of `tests.browser.seed`."""

from __future__ import annotations

from typing import Any

from django.test import Client


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password="correct horse battery")
    return client


def text(client: Client, page: str, **query: Any) -> str:
    answer = client.get(page, query)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def told(client: Client, page: str, fields: dict[str, Any], status: int = 200) -> str:
    """What the page says after a form was sent."""
    answer = client.post(page, fields, follow=True)
    assert answer.status_code == status, answer.content
    return answer.content.decode()
