"""Run the publisher."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pollers.agent import current_agent
from pollers.publishers.configured import configured
from pollers.publishers.process import PublisherProcess
from telemetry_site.publishing import queue_name
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = (
        "Hand samples and events on to the targets of TELEMETRY_PUBLISHERS and of the pipeline "
        "files, until stopped."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        targets, wrong = configured()
        if wrong:
            raise CommandError(f"TELEMETRY_PUBLISHERS: {'; '.join(wrong)}", returncode=2)
        if not targets:
            _wait_for_the_end()
            return
        reporter.set(queues=[queue_name(target.name) for target in targets])
        process = PublisherProcess(targets, current_agent(), settings.TELEMETRY_POLL_INTERVAL)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        sys.exit(process.run())


def _wait_for_the_end() -> None:
    """A pipeline file that names no target of ours is none to fail for."""
    log.info("no targets: neither TELEMETRY_PUBLISHERS nor a pipeline file names one")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
