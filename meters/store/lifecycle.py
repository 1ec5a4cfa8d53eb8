"""What events say of resources: that they are there, are others now, or have ended.

Applied in the transaction that stores the events, for new events only, under the catalogue's lock.
Only the system's own resources are meant: no event makes or ends what a tenant posted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.db.backends.utils import CursorWrapper

from meters import wire
from meters.store.catalogue import RAISE_EPOCH, Asked, make_resources, revision_digest
from telemetry_site.clock import from_us


class _Wanted(NamedTuple):
    change: wire.ResourceChange
    generated: int


def has_changes(batch: wire.Batch) -> bool:
    """Whether storing the batch needs the catalogue's lock from the beginning."""
    events = batch.events.events if batch.events else []
    return any(event.change is not None for event in events)


def apply(cursor: CursorWrapper, events: Sequence[wire.Event]) -> bool:
    """Apply the changes of new events, in order; whether there were any.

    The caller holds the catalogue's lock. What was made is made first: an event of the same batch
    may end it.
    """
    wanted = [_Wanted(event.change, event.generated) for event in events if event.change]
    by_kind = {kind: [one for one in wanted if one.change.kind == kind] for kind in KINDS}
    if by_kind["create"]:
        make_resources(cursor, [_asked(one) for one in by_kind["create"]])
    for kind, sql in (("update", UPDATE), ("end", END)):
        if by_kind[kind]:
            cursor.execute(sql, _columns(by_kind[kind]))
    if wanted:
        cursor.execute(RAISE_EPOCH)
    return bool(wanted)


KINDS = ("create", "update", "end")


def _asked(one: _Wanted) -> Asked:
    change = one.change
    resource = wire.Resource(
        id=change.id,
        project_id=change.project_id,
        user_id=change.user_id,
        type=change.type,
        metadata=change.attributes,
    )
    return Asked(resource, revision_digest(resource), from_us(one.generated))


def _columns(wanted: Sequence[_Wanted]) -> dict[str, Any]:
    """Parallel arrays; the last change of a resource counts. Pairs have arrays of their own."""
    last = {one.change.id: one for one in wanted}
    ordered = [last[name] for name in sorted(last)]
    pairs = [(one, *pair) for one in ordered for pair in one.change.associated]
    return {
        "names": [one.change.id for one in ordered],
        "projects": [one.change.project_id for one in ordered],
        "users": [one.change.user_id for one in ordered],
        "attributes": [msgspec.json.encode(one.change.attributes).decode() for one in ordered],
        "moments": [from_us(one.generated) for one in ordered],
        "of": [one.change.id for one, _, _ in pairs],
        "kinds": [kind for _, kind, _ in pairs],
        "keys": [key for _, _, key in pairs],
    }


#: The resources named, and those that name them by an attribute.
_MEANT = """
WITH asked AS (
    SELECT * FROM unnest(%(names)s::text[], %(projects)s::text[], %(users)s::text[],
                         %(attributes)s::jsonb[], %(moments)s::timestamptz[])
        AS asked (name, project_id, user_id, attributes, moment)
),
meant AS (
    SELECT resource.id, asked.*, true AS itself
    FROM asked JOIN meters_resource AS resource
        ON resource.original_id = asked.name AND resource.creator = ''
    UNION ALL
    SELECT resource.id, asked.*, false
    FROM unnest(%(of)s::text[], %(kinds)s::text[], %(keys)s::text[]) AS pair (name, type, key)
    JOIN asked ON asked.name = pair.name
    JOIN meters_resource AS resource
        ON resource.type = pair.type AND resource.creator = ''
        AND resource.metadata ->> pair.key = pair.name
),
"""
_FILE = """
INSERT INTO meters_resourcerevision (resource_id, valid_from, project_id, user_id, type, source,
                                     metadata, digest, ended_at)
SELECT id, revision_start, project_id, user_id, type, source, metadata, revision_digest, ended_at
FROM changed
ON CONFLICT (resource_id, valid_from) DO UPDATE
SET project_id = EXCLUDED.project_id, user_id = EXCLUDED.user_id, metadata = EXCLUDED.metadata,
    digest = EXCLUDED.digest, ended_at = EXCLUDED.ended_at
"""

#: The time of the event, not that at which we heard of it. One that has ended stays so.
END = f"""
{_MEANT}
changed AS (
    UPDATE meters_resource AS resource
    SET ended_at = GREATEST(meant.moment, resource.started_at),
        revision_start = GREATEST(meant.moment, resource.revision_start)
    FROM (SELECT DISTINCT ON (id) * FROM meant ORDER BY id, moment) AS meant
    WHERE resource.id = meant.id AND resource.ended_at IS NULL
    RETURNING resource.*
)
{_FILE}
"""

#: Without a digest the next sample that says otherwise files a revision of its own.
UPDATE = f"""
{_MEANT}
changed AS (
    UPDATE meters_resource AS resource
    SET project_id = COALESCE(meant.project_id, resource.project_id),
        user_id = COALESCE(meant.user_id, resource.user_id),
        metadata = resource.metadata
            || CASE WHEN meant.itself THEN meant.attributes ELSE '{{}}' END,
        revision_start = GREATEST(meant.moment, resource.revision_start), revision_digest = ''
    FROM (SELECT DISTINCT ON (id) * FROM meant ORDER BY id, itself DESC, moment DESC) AS meant
    WHERE resource.id = meant.id
        AND (COALESCE(meant.project_id, resource.project_id) IS DISTINCT FROM resource.project_id
            OR COALESCE(meant.user_id, resource.user_id) IS DISTINCT FROM resource.user_id
            OR (meant.itself AND NOT resource.metadata @> meant.attributes))
    RETURNING resource.*
)
{_FILE}
"""
