"""Checks of addresses: wrong ones are told in one sentence, without the password."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

DATABASE_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp")
TAKEN_PATHS = ("admin", "api", "metrics", "static")
EXAMPLES = {
    "DATABASE_URL": "postgresql://user:password@host:5432/name",
    "DATABASE_REPLICA_URL": "postgresql://user:password@host:5432/name",
    "BROKER_URL": "amqp://user:password@host:5672/vhost or redis://:password@host:6379/0",
}


def check_address(name: str, url: str, schemes: tuple[str, ...]) -> str:
    """Returns the URL. Raises `ImproperlyConfigured` when it cannot be one of these schemes."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in schemes:
        what = f"begins with {scheme}://" if separator else "is no URL"
        raise ImproperlyConfigured(f"{name} {what}; it looks like {EXAMPLES[name]}.")
    try:
        host_and_port(url)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} has a wrong port; it looks like {EXAMPLES[name]}."
        ) from error
    return url


def check_prefix(name: str, path: str) -> str:
    """A part of the site's own paths, without slashes around it. Raises `ImproperlyConfigured`."""
    path = path.strip("/")
    if not re.fullmatch(r"[\w-]+(/[\w-]+)*", path, re.ASCII) or path.split("/")[0] in TAKEN_PATHS:
        taken = ", ".join(TAKEN_PATHS)
        raise ImproperlyConfigured(
            f"{name} is {path!r}; it is a path like metric, and none of {taken}."
        )
    return path


def host_and_port(url: str) -> tuple[str, int] | None:
    """Where to connect by TCP; None for a unix socket. Raises `ValueError` for a wrong port."""
    parts = urlsplit(url)
    defaults = {"amqps": 5671, "amqp": 5672, "pyamqp": 5672, "sentinel": 26379}
    default = defaults.get(parts.scheme, 6379 if parts.scheme.startswith("redis") else 5432)
    port = parts.port or default
    if not parts.hostname or parts.scheme == "redis+socket":
        return None
    return parts.hostname, port
