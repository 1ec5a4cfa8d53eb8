"""Addresses of buses: what is said of slips holds no part of a password."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from pollers.notification.bus import Layout, bus

LAYOUT = Layout(("nova",), ("notifications",))


@pytest.mark.parametrize(
    "url",
    [
        "user:se/cret@host:5672", "amqp://user:se/cret@host:5672/v", "rabbit://user:se#cret@host/v",
        "amqp://user:12#34@host/v", "amqps://user:se?cret@host:5672/v", "amqp://u:se@h:cret/v",
        "amqp://u:secret@", "amqp://u:secret@host:99999/v", "amqp://u:secret@[::1/v", "secret",
        "amqp://u:secret@h1:5672,u:se/cret@h2/v",
    ],
)  # fmt: skip
def test_a_url_that_can_not_be_read_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        bus(url, LAYOUT)

    said = str(caught.value).replace("user:password", "")
    assert "notification URL" in said
    assert not any(part in said for part in ("se", "cret", "12", "34"))


def test_of_a_url_in_oslos_form_hosts_and_virtual_host_are_shown() -> None:
    made = bus("rabbit://u:p@h1:5673,u:p@[::1]/v", LAYOUT)

    assert made.name == "amqp://h1:5673,::1:5672/v"
    assert made.url == "amqp://u:p@h1:5673/v;amqp://u:p@[::1]/v"
