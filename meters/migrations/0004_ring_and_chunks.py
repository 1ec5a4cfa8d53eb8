"""The ring of head slots, the function by which a writer enters it, and the chunks."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models

SLOTS = 6

NEW_SLOT = """
CREATE TABLE meters_head_{0} (LIKE meters_head_0);
CREATE INDEX head_{0}_place ON meters_head_{0}
    USING brin (series_id, timestamp) WITH (pages_per_range = 8, autosummarize = on);
"""
OLD_SLOT = """
DROP INDEX head_0_time;
CREATE INDEX head_0_place ON meters_head_0
    USING brin (series_id, timestamp) WITH (pages_per_range = 8, autosummarize = on);
"""
VIEW = "CREATE OR REPLACE VIEW meters_head AS " + " UNION ALL ".join(
    f"SELECT series_id, timestamp, value, {number}::smallint AS slot FROM meters_head_{number}"
    for number in range(SLOTS)
)
RING = f"""
CREATE TABLE meters_headslot (
    number smallint PRIMARY KEY,
    sequence bigint NOT NULL UNIQUE,
    state varchar(8) NOT NULL CHECK (state IN ('free', 'open', 'closed')),
    opened_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_open_slot ON meters_headslot (state) WHERE state = 'open';
INSERT INTO meters_headslot (number, sequence, state) SELECT 0, 1, 'open';
INSERT INTO meters_headslot (number, sequence, state)
    SELECT number, number - {SLOTS}, 'free' FROM generate_series(1, {SLOTS - 1}) AS number;
"""
#: First the lock, then the look whether the slot is still the open one: who closed it meanwhile
#: waits, before he empties it, until the writers that hold its lock have ended.
ENTER = """
CREATE FUNCTION meters_enter_head(OUT epoch bigint, OUT clock timestamptz, OUT slot smallint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    opened smallint;
BEGIN
    SELECT number INTO STRICT opened FROM meters_headslot WHERE state = 'open';
    LOOP
        slot := opened;
        EXECUTE format('LOCK TABLE meters_head_%s IN ROW EXCLUSIVE MODE', slot);
        SELECT number INTO STRICT opened FROM meters_headslot WHERE state = 'open';
        EXIT WHEN opened = slot;
    END LOOP;
    SELECT one.epoch, now() INTO STRICT epoch, clock FROM meters_catalogueepoch AS one;
END
$$;
"""
BACK = f"""
DROP FUNCTION meters_enter_head();
DROP VIEW meters_head;
{"".join(f"INSERT INTO meters_head_0 SELECT * FROM meters_head_{n};" for n in range(1, SLOTS))}
{"".join(f"DROP TABLE meters_head_{number};" for number in range(1, SLOTS))}
DROP TABLE meters_headslot;
DROP INDEX head_0_place;
CREATE INDEX head_0_time ON meters_head_0 USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE VIEW meters_head AS SELECT series_id, timestamp, value FROM meters_head_0;
"""
FORWARD = OLD_SLOT + "".join(NEW_SLOT.format(n) for n in range(1, SLOTS)) + VIEW + ";" + RING + ENTER
#: What is compressed is not compressed again, and of a row past 2 kB all data go into pieces that
#: fill their pages.
STORAGE = """
ALTER TABLE meters_chunk ALTER data SET STORAGE EXTERNAL;
ALTER TABLE meters_chunk SET (toast_tuple_target = 512);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0003_posted_once")]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.CreateModel(
            name="HeadSlot",
            fields=[
                ("number", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("sequence", models.BigIntegerField(unique=True)),
                ("state", models.CharField(choices=[("free", "free"), ("open", "open"), ("closed", "closed")], max_length=8)),
                ("opened_at", models.DateTimeField()),
            ],
            options={"db_table": "meters_headslot", "managed": False},
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                ("pk", models.CompositePrimaryKey("series_id", "start", "sequence", blank=True, editable=False, primary_key=True, serialize=False)),
                ("series_id", models.BigIntegerField()),
                ("start", models.DateTimeField()),
                ("sequence", models.BigIntegerField()),
                ("last", models.DateTimeField()),
                ("count", models.IntegerField()),
                ("merged", models.BooleanField()),
                ("time_bytes", models.IntegerField()),
                ("data", models.BinaryField()),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("merged", False)), fields=["start", "series_id"], name="chunk_unmerged"),
                    BrinIndex(fields=["start"], name="chunk_start", pages_per_range=32, autosummarize=True),
                ],
            },
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
