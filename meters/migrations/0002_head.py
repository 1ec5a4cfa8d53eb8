"""The head's first slot, the view over the slots, and the one row of the catalogue epoch."""

from django.db import migrations, models

SLOT = """
CREATE TABLE meters_head_0 (
    series_id bigint NOT NULL,
    timestamp timestamptz NOT NULL,
    value double precision NOT NULL
);
CREATE INDEX head_0_time ON meters_head_0 USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE VIEW meters_head AS SELECT series_id, timestamp, value FROM meters_head_0;
"""
DROP_SLOT = "DROP VIEW meters_head; DROP TABLE meters_head_0;"


class Migration(migrations.Migration):
    dependencies = [("meters", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="HeadSample",
            fields=[
                ("pk", models.CompositePrimaryKey("series_id", "timestamp", blank=True, editable=False, primary_key=True, serialize=False)),
                ("series_id", models.BigIntegerField()),
                ("timestamp", models.DateTimeField()),
                ("value", models.FloatField()),
            ],
            options={"db_table": "meters_head", "managed": False},
        ),
        migrations.RunSQL(SLOT, DROP_SLOT),
        migrations.RunSQL(
            "INSERT INTO meters_catalogueepoch (id, epoch) VALUES (1, 1)",
            "DELETE FROM meters_catalogueepoch",
        ),
    ]
