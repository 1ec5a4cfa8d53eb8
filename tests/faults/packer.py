"""Packs and merges without a pause, as the collector's periodic task does every ten seconds.

    python -m tests.faults.packer

A database that is away costs it a line of the log, as the task.
"""

from __future__ import annotations

import time

import django

from telemetry_site.worker import configure_logs

if __name__ == "__main__":
    django.setup()
    configure_logs()
    from django.db import close_old_connections

    from meters.tasks import compact_store

    while True:
        close_old_connections()  # as Celery does before a task
        compact_store()
        time.sleep(0.3)
