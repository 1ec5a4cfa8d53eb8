from __future__ import annotations

from django.db import migrations

#: Which series have points in a time, and when the newest one there is; of the head, then of the
#: chunks, each in a statement with a snapshot of its own and with the settings of `meters_points`
#: (0011), an opening of a slot as it was listed (0014). One row a table. Where `held`, the number
#: of points, or of chunks that end in the time, is more than `most` (null: any number), they were
#: not all looked at, and nothing comes of that table: a fraction of the work of summing them up.
#: `spanning`: chunks that end later, too, of which nobody knows whether they have points there.
FORWARD = """
CREATE FUNCTION meters_newest(
    since timestamptz, until timestamptz, most bigint, spanning boolean)
RETURNS TABLE (ids bytea, times bytea, held bigint)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET max_parallel_workers_per_gather = 0
SET synchronize_seqscans = off
SET work_mem = '128MB'
AS $$
DECLARE
    slot record;
BEGIN
    FOR slot IN SELECT number, sequence FROM meters_headslot WHERE state <> 'free' LOOP
        RETURN QUERY EXECUTE format(
            'WITH few AS MATERIALIZED (
                SELECT series_id, timestamp FROM meters_head_%s
                WHERE timestamp >= $1 AND timestamp < $2
                    AND (SELECT sequence FROM meters_headslot WHERE number = %s) = %s
                LIMIT $3 + 1),
            counted AS MATERIALIZED (SELECT count(*) AS rows FROM few)
            SELECT string_agg(int8send(series_id), ''''),
                string_agg(timestamptz_send(newest), ''''), (SELECT rows FROM counted)
            FROM (
                SELECT series_id, max(timestamp) AS newest FROM few
                WHERE (SELECT rows <= $3 OR $3 IS NULL FROM counted)
                GROUP BY series_id) AS found',
            slot.number, slot.number, slot.sequence) USING since, until, most;
    END LOOP;
    RETURN QUERY
    WITH few AS MATERIALIZED (
        SELECT chunk.series_id, chunk.last FROM meters_chunk AS chunk
        WHERE chunk.start > since - interval '1 day' AND chunk.start < until
            AND chunk.last >= since AND chunk.last < until
        LIMIT most + 1),
    counted AS MATERIALIZED (SELECT count(*) AS rows FROM few)
    SELECT string_agg(int8send(found.series_id), ''),
        string_agg(timestamptz_send(found.newest), ''), (SELECT rows FROM counted)
    FROM (
        SELECT ends.series_id, max(ends.last) AS newest FROM (
            SELECT few.series_id, few.last FROM few
            UNION ALL
            SELECT chunk.series_id, until - interval '1 microsecond' FROM meters_chunk AS chunk
            WHERE spanning AND chunk.start > since - interval '1 day' AND chunk.start < until
                AND chunk.last >= until) AS ends
        WHERE (SELECT rows <= most OR most IS NULL FROM counted)
        GROUP BY ends.series_id) AS found;
END $$;
"""
BACK = "DROP FUNCTION meters_newest(timestamptz, timestamptz, bigint, boolean);"


class Migration(migrations.Migration):
    dependencies = [("meters", "0014_points_of_one_opening")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
