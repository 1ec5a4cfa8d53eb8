from __future__ import annotations

from django.db import migrations, models

#: The rest of what fills no piece of 1996 bytes stays in the row, as it is.
FORWARD = """
ALTER TABLE meters_chunk ADD tail bytea NOT NULL DEFAULT '';
ALTER TABLE meters_chunk ALTER tail DROP DEFAULT;
ALTER TABLE meters_chunk ALTER tail SET STORAGE PLAIN;
"""
BACK = """
UPDATE meters_chunk SET data = data || tail WHERE tail <> '';
ALTER TABLE meters_chunk DROP tail;
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0009_store_survey")]

    operations = [
        migrations.RunSQL(
            FORWARD,
            BACK,
            state_operations=[migrations.AddField("chunk", "tail", models.BinaryField())],
        ),
    ]
