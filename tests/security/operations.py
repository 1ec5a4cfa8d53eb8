"""The operations of the native door, read from its URL configuration and its OpenAPI schema."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from alarms.api.urls import urlpatterns as alarming
from meters.api.urls import urlpatterns as metering

METHODS = ("get", "post", "put", "patch", "delete")
#: Addresses that describe the door and so are not described themselves.
UNDESCRIBED = {"/api/schema", "/api/docs"}


@cache
def schema() -> dict[str, Any]:
    generated: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return generated


def routes() -> set[tuple[str, str]]:
    """(METHOD, path) of every view; converters stand as ``{name}``."""
    found = set()
    for pattern in [*alarming, *metering]:
        if pattern.name == "no-such-page":
            continue
        path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        for method in METHODS:
            if hasattr(pattern.callback.cls, method):  # type: ignore[attr-defined]
                found.add((method.upper(), path))
    return found


def described() -> set[tuple[str, str]]:
    """(METHOD, path) of the schema, ids under the names that the routes give them."""
    return {
        (method.upper(), path.replace("{id}", "{pk}"))
        for path, operations in schema()["paths"].items()
        for method in operations
    }


def query_parameters() -> list[tuple[str, str]]:
    """(path, name) of every query parameter of every list without an id in its path."""
    return [
        (path, parameter["name"].replace("{name}", "x"))
        for path, operations in schema()["paths"].items()
        if "{" not in path and "get" in operations
        for parameter in operations["get"].get("parameters", [])
        if parameter["in"] == "query"
    ]
