"""What events say of resources: that they are there, are others now, or have ended.

Applied in the transaction that stores the events, for new events only, under the catalogue's lock.
Only the system's own resources are meant: no event makes or ends what a tenant posted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from django.db.backends.utils import CursorWrapper

from meters import wire
from meters.store.catalogue import Asked, make_resources, revision_digest
from meters.store.catalogue_statements import RAISE_EPOCH
from telemetry_site.clock import from_us


class _Wanted(NamedTuple):
    change: wire.ResourceChange
    generated: int


def has_changes(batch: wire.Batch) -> bool:
    """Whether storing the batch needs the catalogue's lock from the beginning."""
    events = batch.events.events if batch.events else []
    return any(event.change is not None for event in events)


def apply(cursor: CursorWrapper, events: Sequence[wire.Event]) -> bool:
    """Apply the changes of new events, in order; whether anything is otherwise now.

    The caller holds the catalogue's lock. What was made is made first: an event of the same batch
    may end it.
    """
    wanted = [_Wanted(event.change, event.generated) for event in events if event.change]
    by_kind = {kind: [one for one in wanted if one.change.kind == kind] for kind in KINDS}
    changed = 0
    if by_kind["create"]:
        make_resources(cursor, [_asked(one) for one in by_kind["create"]])
        changed += cursor.rowcount
    for kind, sql in (("update", UPDATE), ("end", END)):
        if by_kind[kind]:
            last = {one.change.id: one for one in by_kind[kind]}
            ordered = [last[name] for name in sorted(last)]
            cursor.execute(sql, _columns(ordered, _associated(cursor, ordered)))
            changed += cursor.rowcount
    if changed:  # most events say what is known: collectors need not forget all for them
        cursor.execute(RAISE_EPOCH)
    return changed > 0


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


def _associated(cursor: CursorWrapper, wanted: Iterable[_Wanted]) -> list[tuple[int, str]]:
    """(primary key, the name it gives) of resources that name one of these by an attribute.

    One look through the resources of a type for all: a thousand instances may go at once.
    """
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in wanted:
        for pair in one.change.associated:
            named[pair].append(one.change.id)
    found: list[tuple[int, str]] = []
    for (kind, key), names in named.items():
        cursor.execute(SELECT_ASSOCIATED, {"kind": kind, "key": key, "names": names})
        found += cursor.fetchall()
    return found


def _columns(ordered: Sequence[_Wanted], associated: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """Parallel arrays; the associated have arrays of their own."""
    return {
        "names": [one.change.id for one in ordered],
        "projects": [one.change.project_id for one in ordered],
        "users": [one.change.user_id for one in ordered],
        "attributes": [msgspec.json.encode(one.change.attributes).decode() for one in ordered],
        "moments": [from_us(one.generated) for one in ordered],
        "ids": [pk for pk, _ in associated],
        "of": [name for _, name in associated],
    }


SELECT_ASSOCIATED = """
SELECT id, metadata ->> %(key)s FROM meters_resource
WHERE type = %(kind)s AND creator = '' AND metadata ->> %(key)s = ANY(%(names)s::text[])
"""

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
    SELECT pair.id, asked.*, false
    FROM unnest(%(ids)s::bigint[], %(of)s::text[]) AS pair (id, name)
    JOIN asked ON asked.name = pair.name
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

#: The time of the event, not that at which we heard of it. One that has ended stays so, until it is
#: measured again (`meters.store.catalogue`).
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
