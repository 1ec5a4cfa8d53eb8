"""What every OpenStack door's addresses are asked: who gets in, and what its code may not do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

#: What stands in a path where nothing else is wanted.
ANY = "00000000-0000-4000-8000-000000000000"


def routes(
    patterns: Iterable[Any],
    open_routes: Collection[str],
    names: Mapping[str, str] = MappingProxyType({}),
    other: str = ANY,
) -> Iterator[tuple[str, str, Any]]:
    """(METHOD, path with something in each place, view) of all that is not open."""
    for pattern in patterns:
        route = str(pattern.pattern)
        if route in open_routes:
            continue
        view = pattern.callback.view_class
        path = re.sub(r"<\w+:(\w+)>", lambda match: names.get(match[1], other), route)
        for method in view.http_method_names:
            if hasattr(view, method):
                yield method.upper(), path, view


def check_queries(file: Path, executes: str = r"execute\(") -> None:
    """No SQL of its own, and no client's dictionary expanded into a query."""
    text = file.read_text()
    for forbidden in (r"\.extra\(", "RawSQL", r"\.raw\(", executes):
        assert not re.findall(forbidden, text), forbidden
    assert not re.findall(r"\.(?:filter|exclude|annotate|alias|values|order_by|get)\(\*\*", text)
