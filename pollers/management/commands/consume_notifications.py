"""Run the notification consumer."""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from pollers.agent import current_agent
from pollers.notification.bus import buses
from pollers.notification.process import ConsumerProcess


class Command(BaseCommand):
    help = "Take notifications from the buses of TELEMETRY_NOTIFICATION_URLS until stopped."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            known = buses()
        except ImproperlyConfigured as error:
            raise CommandError(f"TELEMETRY_NOTIFICATION_URLS: {error}", returncode=2) from error
        if not known:
            raise CommandError(
                "No bus to listen to: set "
                "TELEMETRY_NOTIFICATION_URLS=amqp://user:password@host:5672/vhost",
                returncode=2,
            )
        process = ConsumerProcess(
            known,
            current_agent(),
            settings.TELEMETRY_NOTIFICATION_PREFETCH,
            settings.TELEMETRY_POLL_INTERVAL,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        sys.exit(process.run())
