import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    """For lists of resources and meters, which no longer load all of them."""

    dependencies = [("meters", "0011_points")]

    operations = [
        migrations.RemoveIndex(model_name="chunk", name="chunk_start"),
        migrations.AddIndex(
            model_name="chunk",
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["start", "last"], name="chunk_times", pages_per_range=32),
        ),
        migrations.AddIndex(
            model_name="metric",
            index=models.Index(fields=["name", "type", "unit"], name="metric_kind"),
        ),
        migrations.RemoveIndex(model_name="metric", name="metric_name"),
        migrations.AddIndex(
            model_name="resourcerevision",
            index=models.Index(fields=["project_id"], name="revision_project"),
        ),
    ]
