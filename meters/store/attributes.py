"""Attributes of a resource type in what is stored of its resources, past revisions too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

# What is filled takes the place of nothing, of null and of values of another kind.
_CHANGED = """
    metadata - %(removed)s::text[] || COALESCE((
        SELECT jsonb_object_agg(fill.key, fill.value)
        FROM jsonb_each(%(fills)s::jsonb) AS fill
        WHERE jsonb_typeof(metadata -> fill.key) IS DISTINCT FROM jsonb_typeof(fill.value)
    ), '{}')
"""
CHANGE_RESOURCES = f"UPDATE meters_resource SET metadata = {_CHANGED} WHERE type = %(type)s"
CHANGE_REVISIONS = f"""
    UPDATE meters_resourcerevision SET metadata = {_CHANGED}
    WHERE resource_id IN (SELECT id FROM meters_resource WHERE type = %(type)s)
"""


def change_attributes(type: str, removed: Sequence[str], fills: Mapping[str, Any]) -> None:
    """Take some away from all resources of the type, and set others where they have no value.

    The caller holds the catalogue's lock: collectors change the same rows in another order.
    """
    if not removed and not fills:
        return
    values: dict[str, Any] = {"type": type, "removed": list(removed), "fills": json.dumps(fills)}
    with connection.cursor() as cursor:
        cursor.execute(CHANGE_RESOURCES, values)
        cursor.execute(CHANGE_REVISIONS, values)
