"""What a raw batch's messages gave, packed into the one batch that answers for them all."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from meters import wire
from pollers.batch import CATALOGUE_BYTES_A_BATCH, SAMPLES_A_BATCH, BatchBuilder
from pollers.notification.samples import Outcome, Sample, Unusable
from pollers.scrub import Notes, scrubbed

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
    #: {sender: messages of its whose signature is not theirs}.
    unsigned: Counter[str] = field(default_factory=Counter)


class Packing:
    """One raw batch on its way: the builder, and what still fits into one batch."""

    def __init__(self, raw: wire.RawBatch) -> None:
        self.raw = raw
        self.tally = Tally()
        self._builder = BatchBuilder(raw.agent_id)
        self._samples_left = SAMPLES_A_BATCH
        self._bytes_left = CATALOGUE_BYTES_A_BATCH
        self._published: dict[str, BatchBuilder] = {}

    def take(self, message: wire.RawMessage, outcome: Outcome) -> None:
        for event in outcome.events:
            self._builder.event(event)
        failures = list(outcome.failures)
        samples = 0
        if self._fits(outcome.samples):
            samples = sum(
                _add(self._builder, sample, failures) for sample in _distinct(outcome.samples)
            )
        else:
            text = f"{len(outcome.samples)} samples in one message do not fit a batch"
            failures.append(Unusable(text, "payload", "item_too_large"))
        is_handed_on = self._publish(outcome, failures)
        self._reject_failures(message, failures)
        self.tally.samples += samples
        self.tally.empty += outcome.empty
        if failures:
            self.tally.results["rejected"] += 1
        else:
            is_converted = outcome.events or samples or is_handed_on
            self.tally.results["converted" if is_converted else "ignored"] += 1

    def reject(self, message: wire.RawMessage, reason: str, detail: str, path: str = "") -> None:
        self._append(message, reason, detail, path)
        self.tally.results["rejected"] += 1

    def batch(self) -> wire.Batch:
        (made,) = self._builder.batches(self.raw.batch_id)
        return msgspec.structs.replace(made, created_at=self.raw.created_at)

    def published(self) -> dict[str, list[wire.Batch]]:
        """Batches for single publishers. Their ids follow from the raw batch's: a raw batch that
        comes again gives the same ones."""
        return {
            name: [
                msgspec.structs.replace(
                    batch, batch_id=self._id_for(name, number), created_at=self.raw.created_at
                )
                for number, batch in enumerate(builder.batches())
            ]
            for name, builder in self._published.items()
        }

    def _id_for(self, publisher: str, number: int) -> str:
        return str(uuid.uuid5(uuid.UUID(self.raw.batch_id), f"{publisher}/{number}"))

    def _publish(self, outcome: Outcome, failures: list[Unusable]) -> bool:
        """Whether anything of it is for a publisher. What breaks the format is told once, whether
        it was to be stored as well or not."""
        for name, samples in outcome.published.items():
            for one in _distinct(samples):
                _add(self._builder_for(name), one, failures)
        for name, events in outcome.published_events.items():
            builder = self._builder_for(name)
            for event in events:
                builder.event(event)
            self._builder.rejects += [
                one for one in builder.rejects if one not in self._builder.rejects
            ]
            builder.rejects.clear()
        return bool(outcome.published or outcome.published_events)

    def _builder_for(self, publisher: str) -> BatchBuilder:
        return self._published.setdefault(publisher, BatchBuilder(self.raw.agent_id))

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


def _add(builder: BatchBuilder, sample: Sample, failures: list[Unusable]) -> bool:
    added = builder.add(
        sample.resource,
        sample.meter,
        sample.volume,
        sample.timestamp_us,
        unit=sample.unit,
        type=sample.type,
        policy=sample.policy,
    )
    if not added:
        # The builder rejects the value alone; here the whole message is kept instead.
        reject = builder.rejects.pop()
        failure = Unusable(reject.detail, sample.meter, reject.reason)
        if not any(_is_same(failure, other) for other in failures):
            failures.append(failure)
    return added


def _is_same(one: Unusable, other: Unusable) -> bool:
    """A sample that goes to several places is told once."""
    return (str(one), one.path, one.reason) == (str(other), other.path, other.reason)


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
