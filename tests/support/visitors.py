"""Django's test client as one of the people of `tests.browser.seed`."""

from __future__ import annotations

from django.test import Client


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password="correct horse battery")
    return client
