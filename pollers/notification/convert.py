"""Conversion of one raw batch into one batch: a pure function of its messages.

A message that is delivered twice gives the identical batch, so the collector's identities (the
event's message id; resource, meter and timestamp of a sample) make the second one harmless.

What cannot be converted becomes a `wire.Reject` with the whole message: one message spoils
nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from meters import wire
from pollers.notification import metrics
from pollers.notification.builtin import apply_builtin
from pollers.notification.envelope import Notification, Unreadable, decode
from pollers.notification.events import EventDefinitions
from pollers.notification.meters import MeterDefinitions
from pollers.notification.packing import Packing, Tally
from pollers.notification.pipelines import Pipelines
from pollers.notification.published import EVENT_TYPES, SAMPLE_TYPES, apply_events, apply_samples
from pollers.notification.resource_rules import ResourceRules
from pollers.notification.samples import Outcome
from pollers.scrub import Notes

log = structlog.get_logger(__name__)


class Converted(NamedTuple):
    """`batch` is for the collector; `published` are {publisher: batches for it alone}."""

    batch: wire.Batch
    tally: Tally
    published: dict[str, list[wire.Batch]]


@dataclass
class Converter:
    """The definitions in use, and the conversion by them.

    With a `secret`, samples and events that another's publisher sends must be signed by it. Without
    pipelines everything is kept as it comes.
    """

    events: EventDefinitions
    meters: MeterDefinitions
    secret: str = ""
    meter_pipelines: Pipelines | None = None
    event_pipelines: Pipelines | None = None
    resources: ResourceRules = field(default_factory=lambda: ResourceRules({}))

    def convert(self, raw: wire.RawBatch) -> Converted:
        """The batch keeps the raw batch's id, agent and time of creation."""
        packing = Packing(raw)
        for message in raw.messages:
            self._one(message, packing)
        return Converted(packing.batch(), packing.tally, packing.published())

    def _one(self, message: wire.RawMessage, packing: Packing) -> None:
        try:
            notification = decode(message)
            outcome = Outcome()
            self._convert(notification, outcome, packing.tally)
            self._select(outcome)
            self._describe(outcome, packing.tally.notes)
            packing.take(message, outcome)
        except Unreadable as error:
            packing.reject(message, error.reason, str(error), error.path)
        except RecursionError:
            packing.reject(message, "bad_json", "is nested too deep to be converted")
        except Exception as error:
            # Our own mistake must not hold up the others: the message waits in the quarantine.
            metrics.UNKNOWN_ERRORS.labels("message").inc()
            log.exception("a notification could not be converted", source=packing.raw.source)
            packing.reject(message, "unknown", f"{type(error).__name__}: {error}")

    def _convert(self, notification: Notification, outcome: Outcome, tally: Tally) -> None:
        if notification.event_type in SAMPLE_TYPES:
            apply_samples(notification, outcome, tally, self.secret)
        elif notification.event_type in EVENT_TYPES:
            apply_events(notification, outcome, tally, self.secret)
        else:
            event = self.events.event(notification, tally.notes)
            outcome.events += [event] if event is not None else []
            self.meters.apply(notification, outcome, tally.notes)
            apply_builtin(notification, outcome, tally.notes)

    def _select(self, outcome: Outcome) -> None:
        """What the pipelines take of it, and for whom."""
        if self.meter_pipelines is not None:
            self.meter_pipelines.pass_through(outcome)
        if self.event_pipelines is not None:
            pipelines = self.event_pipelines
            for event in outcome.events:
                for target in pipelines.targets_of(event.event_type):
                    outcome.published_events.setdefault(target, []).append(event)
            outcome.events = [one for one in outcome.events if pipelines.stores(one.event_type)]

    def _describe(self, outcome: Outcome, notes: Notes) -> None:
        """What the samples are of, and what the events say of resources."""
        outcome.samples = self.resources.apply(outcome.samples, notes)
        outcome.events = [self.resources.with_change(event, notes) for event in outcome.events]
