"""Runs in ceilometer's virtual environment: its own polling agent, a cycle a line of stdin.

Argument: its configuration file. Answers each line with a line of JSON: seconds by the
wall and of CPU, and how many samples its notifier was given.
"""

import json
import sys
import time

from ceilometer import service
from ceilometer.polling import manager


def main(file: str) -> None:
    conf = service.prepare_service(["ceilometer-polling"], [file])
    agent = manager.AgentManager(0, conf, namespaces=["compute"])
    agent.polling_manager = manager.PollingManager(conf)
    (task,) = agent.setup_polling_tasks().values()
    samples = 0
    send = agent.notifier.sample

    def counting(context: object, event: str, payload: dict[str, list[object]]) -> None:
        nonlocal samples
        samples += len(payload["samples"])
        send(context, event, payload)

    agent.notifier.sample = counting
    print("ready", flush=True)
    for _ in sys.stdin:
        samples = 0
        wall, cpu = time.perf_counter(), time.process_time()
        task.poll_and_notify()
        cost = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        print(json.dumps(cost | {"samples": samples}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
