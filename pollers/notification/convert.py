"""Conversion of one raw batch into one batch: a pure function of its messages.

A message that is delivered twice gives the identical batch, so the collector's identities (the
event's message id; resource, meter and timestamp of a sample) make the second one harmless.

What cannot be converted becomes a `wire.Reject` with the whole message: one message spoils
nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import structlog
from django.conf import settings

from meters import wire
from pollers.batch import CATALOGUE_BYTES_A_BATCH, SAMPLES_A_BATCH, BatchBuilder
from pollers.notification import metrics, polling
from pollers.notification.envelope import Notification, Unreadable, decode
from pollers.notification.events import EventDefinitions, load_events
from pollers.notification.fields import Notes
from pollers.notification.meters import MeterDefinitions, Options, load_meters, meter_files
from pollers.notification.samples import Outcome, Sample, Unusable
from pollers.notification.scrub import scrubbed
from telemetry_site.yamlfile import Fault

log = structlog.get_logger(__name__)

STOCK = Path(__file__).resolve().parent.parent / "definitions"

#: What one message may cost at the most, so that a group of them always fits one batch.
SAMPLES_A_MESSAGE = 1_000
MAX_DETAIL = 1_000


@dataclass
class Tally:
    """What a conversion counted. `results`: {what became of a message: how many}."""

    results: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Counter)
    samples: int = 0
    empty: int = 0


@dataclass
class Converter:
    """The definitions in use, and the conversion by them."""

    events: EventDefinitions
    meters: MeterDefinitions

    def convert(self, raw: wire.RawBatch) -> tuple[wire.Batch, Tally]:
        """The batch keeps the raw batch's id, agent and time of creation."""
        work = _Work(raw)
        for message in raw.messages:
            self._one(message, work)
        return work.batch(), work.tally

    def _one(self, message: wire.RawMessage, work: _Work) -> None:
        try:
            self._convert(decode(message), message, work)
        except Unreadable as error:
            work.reject(message, error.reason, str(error), error.path)
        except Exception as error:
            # Our own mistake must not hold up the others: the message waits in the quarantine.
            metrics.UNKNOWN_ERRORS.labels("message").inc()
            log.exception("a notification could not be converted", source=work.raw.source)
            work.reject(message, "unknown", f"{type(error).__name__}: {error}")

    def _convert(self, notification: Notification, message: wire.RawMessage, work: _Work) -> None:
        outcome = Outcome()
        notes = work.tally.notes
        event = None
        if notification.event_type in polling.EVENT_TYPES:
            polling.apply_polling(notification, outcome, notes)
        else:
            event = self.events.event(notification, notes)
            self.meters.apply(notification, outcome, notes)
        work.take(message, event, outcome)


class _Work:
    """One raw batch on its way: the builder, and what still fits into one batch."""

    def __init__(self, raw: wire.RawBatch) -> None:
        self.raw = raw
        self.tally = Tally()
        self._builder = BatchBuilder(raw.agent_id)
        self._samples_left = SAMPLES_A_BATCH
        self._bytes_left = CATALOGUE_BYTES_A_BATCH

    def take(self, message: wire.RawMessage, event: wire.Event | None, outcome: Outcome) -> None:
        if event is not None:
            self._builder.event(event)
        failures = list(outcome.failures)
        samples = 0
        if self._fits(outcome.samples):
            samples = sum(self._add(sample, failures) for sample in _distinct(outcome.samples))
        else:
            text = f"{len(outcome.samples)} samples in one message do not fit a batch"
            failures.append(Unusable(text, "payload", "item_too_large"))
        self._reject_failures(message, failures)
        self.tally.samples += samples
        self.tally.empty += outcome.empty
        if failures:
            self.tally.results["rejected"] += 1
        else:
            self.tally.results["converted" if event or samples else "ignored"] += 1

    def reject(self, message: wire.RawMessage, reason: str, detail: str, path: str = "") -> None:
        self._append(message, reason, detail, path)
        self.tally.results["rejected"] += 1

    def batch(self) -> wire.Batch:
        (made,) = self._builder.batches(self.raw.batch_id)
        return msgspec.structs.replace(made, created_at=self.raw.created_at)

    def _fits(self, samples: list[Sample]) -> bool:
        """Whether a message's samples fit; if so, their room is taken."""
        if not samples:
            return True
        resources = {msgspec.msgpack.encode(sample.resource) for sample in samples}
        size = sum(map(len, resources))
        size += sum(len(sample.meter) + len(sample.unit) + 16 for sample in samples)
        fits = (
            len(samples) <= min(SAMPLES_A_MESSAGE, self._samples_left) and size < self._bytes_left
        )
        if fits:
            self._samples_left -= len(samples)
            self._bytes_left -= size
        return fits

    def _add(self, sample: Sample, failures: list[Unusable]) -> bool:
        rejects = self._builder.rejects
        added = self._builder.add(
            sample.resource,
            sample.meter,
            sample.volume,
            sample.timestamp_us,
            unit=sample.unit,
            type=sample.type,
        )
        if not added:
            # The builder rejects the value alone; here the whole message is kept instead.
            reject = rejects.pop()
            failures.append(Unusable(reject.detail, sample.meter, reject.reason))
        return added

    def _reject_failures(self, message: wire.RawMessage, failures: list[Unusable]) -> None:
        """One reject a reason, so that a message does not lie in the quarantine many times."""
        by_reason: dict[str, list[Unusable]] = {}
        for failure in failures:
            by_reason.setdefault(failure.reason, []).append(failure)
        for reason, alike in by_reason.items():
            detail = "; ".join(str(failure) for failure in alike)
            self._append(message, reason, detail, alike[0].path)

    def _append(self, message: wire.RawMessage, reason: str, detail: str, path: str) -> None:
        self._builder.rejects.append(
            wire.Reject(
                reason=reason,
                detail=_plain(detail, MAX_DETAIL),
                body=message.body,
                source=_plain(self.raw.source, wire.MAX_NAME),
                path=_plain(path, wire.MAX_NAME),
                headers=_all_but_body(message),
            )
        )


def _all_but_body(message: wire.RawMessage) -> dict[str, Any]:
    """What the quarantine must keep beside the body to hand the message in again."""
    fields = msgspec.structs.asdict(message)
    del fields["body"]
    return scrubbed(fields, Counter())


def _plain(text: str, limit: int) -> str:
    return text.replace("\x00", "\\x00")[:limit]


def _distinct(samples: Iterable[Sample]) -> Iterable[Sample]:
    """Two deltas of one meter in one message are both usage: the later gets the next microsecond.

    Else they would share their identity, and the last one alone would count.
    """
    seen: Counter[tuple[str, str, int]] = Counter()
    for sample in samples:
        identity = (sample.resource.id, sample.meter, sample.timestamp_us)
        if sample.type == "delta" and seen[identity]:
            yield replace(sample, timestamp_us=sample.timestamp_us + seen[identity])
        else:
            yield sample
        seen[identity] += 1


def load_converter() -> tuple[Converter, list[Fault]]:
    """The stock definitions and the operator's files, as the settings name them."""
    events, event_faults = load_events(
        [STOCK / "events.yaml", *map(Path, settings.TELEMETRY_EVENT_DEFINITIONS)],
        drop_unmatched=settings.TELEMETRY_DROP_UNMATCHED_NOTIFICATIONS,
        store_raw=settings.TELEMETRY_STORE_RAW,
    )
    options = Options(
        user_metadata_prefixes=tuple(settings.TELEMETRY_USER_METADATA_PREFIXES),
        user_metadata_keys=tuple(settings.TELEMETRY_USER_METADATA_KEYS),
        user_metadata_length=settings.TELEMETRY_USER_METADATA_LENGTH,
    )
    files = meter_files([*map(Path, settings.TELEMETRY_METER_DEFINITIONS), STOCK / "meters.yaml"])
    meters, meter_faults = load_meters(files, options)
    return Converter(events, meters), event_faults + meter_faults


@lru_cache(maxsize=1)
def current_converter() -> Converter:
    """The process's converter; each fault of the files is said once, in the log."""
    converter, faults = load_converter()
    for fault in faults:
        log.error("definition file", fault=str(fault))
    return converter
