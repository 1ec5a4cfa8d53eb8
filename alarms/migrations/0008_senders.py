from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0007_silences'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='template',
            field=models.JSONField(blank=True, null=True),
        ),
    ]
