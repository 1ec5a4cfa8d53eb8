from django.db import migrations


class Migration(migrations.Migration):
    """Each evaluation writes each alarm: half a page is left free, so that the new version of a row
    fits beside the old one and no index has to learn of it."""

    dependencies = [("alarms", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE alarms_alarm SET (fillfactor = 50)",
            "ALTER TABLE alarms_alarm RESET (fillfactor)",
        )
    ]
