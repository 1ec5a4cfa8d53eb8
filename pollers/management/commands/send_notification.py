"""Send notifications to a bus, as an OpenStack service does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pollers.notification.bus import Bus, bus, buses, default_layout
from pollers.notification.producer import SendError, fresh, send
from pollers.notification.published import signed_inside


class Command(BaseCommand):
    help = (
        "Send the notification (or list of them) in FILE, which holds JSON, to a bus. Samples and "
        "events in it are signed where TELEMETRY_NOTIFICATION_SECRET is set."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--url", help="amqp://…; the first of TELEMETRY_NOTIFICATION_URLS if not given"
        )
        parser.add_argument("--exchange", default="nova", help="default: nova")
        parser.add_argument("--topic", default="notifications", help="default: notifications")
        parser.add_argument(
            "--fresh",
            action="store_true",
            help="with a new message_id and the present time: a new event, not the same again",
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        messages = _read(file)
        if options["fresh"]:
            messages = [fresh(message) for message in messages]
        if settings.TELEMETRY_NOTIFICATION_SECRET:
            messages = [
                signed_inside(message, settings.TELEMETRY_NOTIFICATION_SECRET)
                for message in messages
            ]
        target = _bus(options["url"])
        try:
            send(target, messages, options["exchange"], options["topic"])
        except SendError as error:
            raise CommandError(f"{target.name}: {error}") from error
        self.stdout.write(f"{len(messages)} sent to {target.name}, exchange {options['exchange']}")


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{file} is not JSON: {error}") from error
    messages = content if isinstance(content, list) else [content]
    if not all(isinstance(message, dict) for message in messages):
        raise CommandError(f"{file}: a notification is a JSON object")
    return messages


def _bus(url: str | None) -> Bus:
    try:
        known = [bus(url, default_layout())] if url else buses()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    if not known:
        raise CommandError("No bus: give --url amqp://… or set TELEMETRY_NOTIFICATION_URLS")
    return known[0]
