"""The periodic tasks: entries live in code (`CELERY_BEAT_SCHEDULE`), rows follow them."""

from __future__ import annotations

from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from telemetry_site.celery import app

#: Marks rows that came from code, so that one that left the code is taken out of the table.
FROM_CODE = "from the code; interval and arguments are rewritten at each start"


def sync_schedule() -> int:
    """Write each entry to its row, drop rows of entries that are gone; returns the entries.

    Whether a row is enabled is the operator's and stays.
    """
    entries = app.conf.beat_schedule
    for name, entry in entries.items():
        ModelEntry.from_entry(name, app=app, **entry, description=FROM_CODE)
    gone = PeriodicTask.objects.filter(description=FROM_CODE).exclude(name__in=list(entries))
    if gone.delete()[0]:
        PeriodicTasks.update_changed()  # bulk deletes send no signal (row 34)
    return len(entries)
