"""Send batches from a command and wait until the database has them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from meters import wire
from pollers.agent import Agent
from pollers.errors import PollersError


class NotStoredError(PollersError):
    """Some batches have no receipt; they stay in the command's spool for the next time."""


def send_and_wait(
    agent_id: str, batches: Sequence[wire.Batch], within_s: float
) -> list[wire.Receipt]:
    """Spool and publish `batches`; return their receipts, in any order.

    Raises `NotStoredError` when the collector has not confirmed all of them `within_s`.
    """
    waiting = {batch.batch_id for batch in batches}
    receipts: list[wire.Receipt] = []
    done = threading.Event()

    def note(receipt: wire.Receipt) -> None:
        if receipt.batch_id in waiting:
            waiting.discard(receipt.batch_id)
            receipts.append(receipt)
        if not waiting:
            done.set()

    agent = Agent(agent_id)
    agent.on_receipt(note)
    agent.submit(batches)
    agent.start()
    try:
        if not done.wait(within_s):
            raise NotStoredError(
                f"{len(waiting)} of {len(batches)} batches are not confirmed after {within_s:g} s: "
                "is a collector running on this broker? They stay in the spool of this command "
                "and are sent again with its next --send."
            )
    finally:
        agent.stop()
    return receipts
