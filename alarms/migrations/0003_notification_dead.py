"""Counting dead messages reads them alone; attempts come in their order."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alarms", "0002_room_for_updates")]

    operations = [
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(condition=models.Q(("status", "dead")), fields=["status"], name="notification_dead"),
        ),
        migrations.AlterModelOptions(name="notificationattempt", options={"ordering": ("number",)}),
    ]
