"""Columns for what aodh's API keeps beside what we had: time constraints, quotas, counts of evaluations,
whose an unlimited alarm is, and for which project somebody acted."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0003_notification_dead'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlarmQuota',
            fields=[
                ('project_id', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('limit', models.IntegerField(default=-1)),
            ],
        ),
        migrations.CreateModel(
            name='EvaluationCount',
            fields=[
                ('alarm', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='counts', serialize=False, to='alarms.alarm')),
                ('insufficient_data', models.BigIntegerField(default=0)),
                ('ok', models.BigIntegerField(default=0)),
                ('alarming', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name='alarm',
            name='evaluated_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name='alarm',
            name='is_unscoped',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='alarm',
            name='time_constraints',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='alarmhistory',
            name='user_project_id',
            field=models.CharField(blank=True, default='', max_length=255),
        ),
        migrations.AlterField(
            model_name='alarm',
            name='type',
            field=models.CharField(choices=[('gnocchi_resources_threshold', 'threshold on one metric'), ('gnocchi_aggregation_by_metrics_threshold', 'threshold on several metrics together'), ('gnocchi_aggregation_by_resources_threshold', 'threshold on a metric over a group of resources'), ('threshold', "threshold on a meter's statistics"), ('composite', 'several rules combined'), ('event', 'event'), ('prometheus', 'PromQL expression'), ('loadbalancer_member_health', "health of a load balancer's members")], max_length=64),
        ),
    ]
