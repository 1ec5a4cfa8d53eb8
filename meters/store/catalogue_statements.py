"""What the catalogue of resources and series asks the database (`meters.store.catalogue`)."""

from __future__ import annotations

#: Key of the advisory lock; any number that nothing else uses.
CATALOGUE_LOCK = 0x63617461
LOCK_CATALOGUE = "SELECT pg_advisory_xact_lock(%s)"

SELECT_RESOURCES = """
SELECT id, original_id, revision_digest, revision_start, ended_at
FROM meters_resource WHERE creator = %s AND original_id = ANY(%s)
"""

_ASKED = """
unnest(%(names)s::text[], %(uuids)s::uuid[], %(types)s::text[], %(projects)s::text[],
       %(users)s::text[], %(sources)s::text[], %(metadata)s::text[], %(digests)s::bytea[],
       %(starts)s::timestamptz[])
AS asked (name, uuid, type, project_id, user_id, source, metadata, digest, start)
"""

#: With their first revisions. A resource that another collector makes meanwhile gets its revision
#: from that one, which may have moved it since. No conflict target: of two that insert the same
#: resource at once, the second may meet the first at the unique `uuid` before it meets it at
#: (original_id, creator).
INSERT_RESOURCES = f"""
WITH made AS (
    INSERT INTO meters_resource (uuid, original_id, creator, type, project_id, user_id, source,
                                 metadata, revision_digest, revision_start, started_at)
    SELECT uuid, name, %(creator)s, type, project_id, user_id, source, metadata::jsonb, digest,
           start, start
    FROM {_ASKED}
    ON CONFLICT DO NOTHING
    RETURNING *
)
INSERT INTO meters_resourcerevision (resource_id, valid_from, project_id, user_id, type, source,
                                     metadata, digest)
SELECT id, revision_start, project_id, user_id, type, source, metadata, revision_digest FROM made
"""

#: In the order of their names: two collectors never wait for each other crosswise. A statement of
#: its own, so that the next one sees what the other collector has committed meanwhile. NO KEY:
#: a plain FOR UPDATE blocks the foreign-key checks that another collector makes at its commit.
LOCK_RESOURCES = """
SELECT id FROM meters_resource WHERE creator = %s AND original_id = ANY(%s)
ORDER BY original_id FOR NO KEY UPDATE
"""

#: File a revision at its own time, unless the one valid there says the same; where the next later
#: one says the same, that one is valid from here on instead, or gives way to one of just this time.
#: The newest describes the resource.
#: Answers how many were filed and how many resources are described anew.
CHANGE_REVISIONS = f"""
WITH asked AS (
    SELECT resource.id, resource.revision_start, resource.revision_digest, asked.*,
           prior.digest AS prior_digest, later.id AS later_id, later.digest AS later_digest,
           prior.valid_from IS NOT DISTINCT FROM asked.start AS changes,
           later.valid_from = resource.revision_start AND later.digest = asked.digest AS newest
    FROM {_ASKED}
    JOIN meters_resource AS resource
        ON resource.original_id = asked.name AND resource.creator = %(creator)s
    LEFT JOIN LATERAL (
        SELECT digest, valid_from FROM meters_resourcerevision
        WHERE resource_id = resource.id AND valid_from <= asked.start
        ORDER BY valid_from DESC LIMIT 1
    ) AS prior ON true
    LEFT JOIN LATERAL (
        SELECT id, digest, valid_from FROM meters_resourcerevision
        WHERE resource_id = resource.id AND valid_from > asked.start
        ORDER BY valid_from LIMIT 1
    ) AS later ON true
),
news AS (SELECT * FROM asked WHERE digest IS DISTINCT FROM prior_digest),
extended AS (
    UPDATE meters_resourcerevision AS revision SET valid_from = news.start
    FROM news
    WHERE revision.id = news.later_id AND news.later_digest = news.digest AND NOT news.changes
),
absorbed AS (
    DELETE FROM meters_resourcerevision AS revision USING news
    WHERE revision.id = news.later_id AND news.later_digest = news.digest AND news.changes
),
filed AS (
    INSERT INTO meters_resourcerevision (resource_id, valid_from, project_id, user_id, type,
                                         source, metadata, digest)
    SELECT id, start, project_id, user_id, type, source, metadata::jsonb, digest
    FROM news WHERE changes OR later_digest IS DISTINCT FROM digest
    ON CONFLICT (resource_id, valid_from) DO UPDATE
    SET project_id = EXCLUDED.project_id, user_id = EXCLUDED.user_id, type = EXCLUDED.type,
        source = EXCLUDED.source, metadata = EXCLUDED.metadata, digest = EXCLUDED.digest
    RETURNING 1
),
moved AS (
    UPDATE meters_resource AS resource
    SET type = asked.type, project_id = asked.project_id, user_id = asked.user_id,
        source = asked.source, metadata = asked.metadata::jsonb,
        revision_digest = asked.digest, revision_start = asked.start
    FROM asked
    WHERE resource.id = asked.id AND asked.start >= asked.revision_start
        AND asked.digest <> asked.revision_digest
    RETURNING 1
),
backdated AS (
    UPDATE meters_resource AS resource
    SET started_at = LEAST(resource.started_at, asked.start),
        revision_start = CASE WHEN asked.newest THEN asked.start ELSE resource.revision_start END
    FROM asked
    WHERE resource.id = asked.id AND asked.start < asked.revision_start
        AND (asked.newest OR asked.start < resource.started_at)
)
SELECT (SELECT count(*) FROM filed), (SELECT count(*) FROM moved)
"""

REVIVE = """
UPDATE meters_resource AS resource SET ended_at = NULL
FROM unnest(%(ids)s::bigint[], %(moments)s::timestamptz[]) AS asked (id, moment)
WHERE resource.id = asked.id AND resource.ended_at < asked.moment
"""

SELECT_EPOCH = "SELECT epoch FROM meters_catalogueepoch"
RAISE_EPOCH = "UPDATE meters_catalogueepoch SET epoch = epoch + 1"

UPSERT_SERIES = """
INSERT INTO meters_metric (uuid, resource_id, name, unit, type, archive_policy_id)
SELECT gen_random_uuid(), resource_id, asked.name, unit, type,
    COALESCE(own.id, (SELECT id FROM meters_archivepolicy WHERE name = %(policy)s))
FROM unnest(%(resources)s::bigint[], %(names)s::text[], %(units)s::text[], %(types)s::text[],
            %(policies)s::text[]) WITH ORDINALITY
    AS asked (resource_id, name, unit, type, policy, place)
LEFT JOIN meters_archivepolicy AS own ON own.name = asked.policy
ORDER BY asked.place
ON CONFLICT (resource_id, name) DO UPDATE SET unit = EXCLUDED.unit, type = EXCLUDED.type
WHERE meters_metric.unit <> EXCLUDED.unit OR meters_metric.type <> EXCLUDED.type
"""

SELECT_SERIES = """
SELECT metric.id, metric.resource_id, metric.name, metric.unit, metric.type
FROM meters_metric AS metric
JOIN unnest(%(resources)s::bigint[], %(names)s::text[]) AS asked (resource_id, name)
    ON metric.resource_id = asked.resource_id AND metric.name = asked.name
"""
