"""`manage.py send_sample`: one sample on the agents' way (spool, broker, collector, receipt)."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime
from typing import Any, get_args

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from meters import wire
from pollers.agent import Agent
from pollers.batch import BatchBuilder
from telemetry_site import clock


class Command(BaseCommand):
    help = "Send one sample as an agent would and wait until the database has it."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--resource", required=True, help="resource id")
        parser.add_argument("--meter", required=True)
        parser.add_argument("--value", required=True, type=float)
        parser.add_argument("--unit", default="")
        parser.add_argument("--type", default="gauge", choices=get_args(wire.SampleType))
        parser.add_argument("--project", default="", help="project id")
        parser.add_argument("--timestamp", default="", help="ISO 8601; without zone it is UTC")
        parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait")

    def handle(self, *_: Any, **options: Any) -> None:
        agent = Agent(f"command.{settings.TELEMETRY_HOST}")
        batch = build(agent.agent_id, options)
        receipts: list[wire.Receipt] = []
        arrived = threading.Event()

        def note(receipt: wire.Receipt) -> None:
            if receipt.batch_id == batch.batch_id:
                receipts.append(receipt)
                arrived.set()

        agent.on_receipt(note)
        agent.start()
        try:
            agent.submit([batch])
            self.stdout.write(f"Spooled as batch {batch.batch_id}, publishing …")
            arrived.wait(options["timeout"])
        finally:
            agent.stop()
        self.stdout.write(outcome(receipts, agent.broker_away, options["timeout"]))


def build(agent_id: str, options: dict[str, Any]) -> wire.Batch:
    """The batch of one sample. Raises `CommandError` where the sample cannot be stored."""
    builder = BatchBuilder(agent_id)
    resource = wire.Resource(id=options["resource"], project_id=options["project"] or None)
    timestamp = clock.to_us(parse_time(options["timestamp"]))
    if not math.isfinite(options["value"]):
        raise CommandError(f"--value {options['value']} is not finite.")
    taken = builder.add(
        resource, options["meter"], options["value"], timestamp, options["unit"], options["type"]
    )
    if not taken:
        raise CommandError(builder.rejects[0].detail)
    return builder.batches()[0]


def parse_time(text: str) -> datetime:
    if not text:
        return clock.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--timestamp {text}: not an ISO 8601 time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def outcome(receipts: list[wire.Receipt], broker_away: bool, timeout_s: float) -> str:
    """The sentence to print. Raises `CommandError` unless the sample is in the database."""
    if not receipts:
        where = "the broker gives no answer" if broker_away else "is a collector running?"
        raise CommandError(
            f"No receipt within {timeout_s:.0f} s ({where}). The sample stays in the spool "
            "and is sent by the next `send_sample`."
        )
    status = receipts[0].status
    if status in ("stored", "duplicate"):
        return f"Receipt: {status}. The sample is in the database."
    raise CommandError(f"Receipt: {status}; `manage.py quarantine list` tells why.")
