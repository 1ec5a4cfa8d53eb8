"""What a target refuses, into the quarantine: as a batch, so that a replay can deliver it again."""

from __future__ import annotations

from collections.abc import Sequence

from meters import wire
from pollers.agent import Agent
from pollers.batch import BatchBuilder, clean
from pollers.publishers.items import Sample
from telemetry_site.clock import now_us

REASON = "refused"
#: The header that says whose refusal it is (`meters.replay` reads it).
PUBLISHER = "publisher"


class Refusals:
    """Thread-safe, as the agent's spool is."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def put(
        self,
        publisher: str,
        samples: Sequence[Sample],
        events: Sequence[wire.Event],
        why: str,
        payload: bytes = b"",
    ) -> None:
        """Returns when the spool has it. `payload` where it is not even a batch."""
        bodies = [payload] if payload else self._bodies(samples, events)
        rejects = [
            wire.Reject(
                reason=REASON,
                detail=clean(f"{publisher}: {why}", 1000),
                body=body,
                source=f"publisher {publisher}",
                headers={PUBLISHER: publisher},
            )
            for body in bodies
        ]
        batch = wire.Batch(
            v=wire.VERSION,
            batch_id=wire.new_batch_id(),
            agent_id=self._agent.agent_id,
            created_at=now_us(),
            rejects=rejects,
        )
        self._agent.submit([batch])

    def _bodies(self, samples: Sequence[Sample], events: Sequence[wire.Event]) -> list[bytes]:
        builder = BatchBuilder(self._agent.agent_id)
        for one in samples:
            builder.add(one.resource, one.meter, one.volume, one.timestamp_us, one.unit, one.type)
        for event in events:
            builder.event(event)
        return [wire.encode(batch) for batch in builder.batches()]
