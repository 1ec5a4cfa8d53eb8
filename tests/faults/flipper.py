"""Load that makes alarms flip: an agent's process that sends a square wave for each resource.

    python -m tests.faults.flipper RESOURCES PERIOD_S

Resource ``flip-N``, meter ``load``: 100 in one half of the period and 0 in the other, each
resource shifted against the next. On SIGTERM it waits for every
batch's receipt, and ends.
"""

from __future__ import annotations

import signal
import sys
import threading

import django

from meters import wire
from telemetry_site.clock import now_us
from telemetry_site.worker import configure_logs

SAMPLES_A_SECOND = 4


def value(resource: int, seconds: float, period_s: float) -> float:
    return 100.0 if (seconds / period_s + resource / 7) % 1 < 0.5 else 0.0


def main(resources: int, period_s: float) -> None:
    from pollers.agent import current_agent
    from pollers.batch import BatchBuilder

    agent = current_agent()
    agent.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    while not stopped.wait(1 / SAMPLES_A_SECOND):
        builder = BatchBuilder(agent.agent_id)
        now = now_us()
        for number in range(resources):
            one = wire.Resource(f"flip-{number}", "p1")
            builder.add(one, "load", value(number, now / 1e6, period_s), now)
        agent.submit(builder.batches())
    while len(agent.spool):
        stopped.wait(0.05)
    agent.stop()


if __name__ == "__main__":
    django.setup()
    configure_logs()
    main(int(sys.argv[1]), float(sys.argv[2]))
