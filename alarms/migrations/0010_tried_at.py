from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0009_telling'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='tried_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
