"""How long it takes from a sample's commit until the alarm's message is at its receiver.

`make bench NAME=alarm_delay`. A whole house (`manage.py up`) with default settings but for the
receivers' ports takes in samples by the agents' way, a batch of 5 000 each 0.2 s. Meanwhile the
measured samples are stored one by one, each over or under the threshold of one of 200 alarms in
turn. `decided` is the part from the commit to the transition's own: mostly the wait for the
alarm's turn, which comes every 10 s here. `sent` is the rest, up to the receiver: one of the ten
receivers takes each message and never answers, and the other nine are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.ingest import SERIES, bodies, renamed
from bench.stage import write

ALARMS = 200
RECEIVERS = 10
#: The number of the one that never answers.
HANGING = 7
GRANULARITY_S = 10
FLIPS = 1_000
#: An alarm's next flip comes after two of its turns.
FLIP_EVERY_S = 2.5 * GRANULARITY_S / ALARMS
BATCH_EVERY_S = 0.2
UP_WITHIN_S = 120
#: A transition comes within the evaluation interval and so much; its message within the second.
GOAL_DECIDED_S = GRANULARITY_S + 2.0
GOAL_SENT_S = 1.0
ROLES = "collector,evaluator,notifier,beat"

Arrivals = dict[tuple[str, str], list[float]]


@contextmanager
def receivers(arrivals: Arrivals) -> Iterator[list[int]]:
    """Note when each alarm's message of each state came; gives their ports."""
    over = threading.Event()

    def serve(number: int) -> ThreadingHTTPServer:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                at = time.time()
                if number == HANGING:
                    over.wait()
                    return
                message = json.loads(body)
                arrivals.setdefault((message["alarm_id"], message["current"]), []).append(at)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    servers = [serve(number) for number in range(RECEIVERS)]
    try:
        yield [server.server_address[1] for server in servers]
    finally:
        over.set()
        for server in servers:
            server.shutdown()
            server.server_close()


@contextmanager
def house(ports: list[int]) -> Iterator[None]:
    """A running house; Django is set up in this process on the same one."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        for name in ("DATABASE_URL", "BROKER_URL"):
            os.environ.pop(name, None)
        os.environ["TELEMETRY_HOME"] = home
        os.environ["TELEMETRY_AGENT_ID"] = "bench"
        os.environ["TELEMETRY_NOTIFICATIONS_PER_MINUTE"] = "0"
        os.environ["TELEMETRY_WEBHOOK_ALLOW"] = ",".join(f"127.0.0.1:{port}" for port in ports)
        os.environ["DJANGO_SETTINGS_MODULE"] = "telemetry_site.settings.server"
        log = Path(home) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--roles", ROLES], stdout=output, stderr=output
            )
        try:
            _wait_for(log, process)
            import django

            django.setup()
            yield
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(log: Path, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + UP_WITHIN_S
    while "Up after" not in log.read_text():
        if process.poll() is not None or time.monotonic() > ends:
            sys.exit(log.read_text())
        time.sleep(0.2)


@contextmanager
def load() -> Iterator[None]:
    """Batches by the agents' way until the end."""
    from meters import wire
    from pollers.agent import Agent
    from telemetry_site.clock import now_us

    agent, stop = Agent("bench"), threading.Event()
    batches = [wire.decode_batch(body) for body in bodies(now_us())]

    def send() -> None:
        number = 0
        while not stop.wait(BATCH_EVERY_S):
            agent.submit([renamed(batches[number % len(batches)])])
            number += 1

    agent.start()
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()
        agent.stop()


def make_alarms(ports: list[int]) -> list[str]:
    from alarms import lifecycle

    made = []
    for number in range(ALARMS):
        rule = {
            "metric": "load", "resource_id": f"vm-{number}", "aggregation_method": "last",
            "comparison_operator": "gt", "threshold": 80.0, "granularity": GRANULARITY_S,
        }  # fmt: skip
        url = f"http://127.0.0.1:{ports[number % RECEIVERS]}/"
        fields = {
            "name": f"load of vm-{number}", "type": "gnocchi_resources_threshold", "rule": rule,
            "alarm_actions": [url], "ok_actions": [url],
        }  # fmt: skip
        made.append(str(lifecycle.create(lifecycle.check(fields), None, "").pk))
    return made


def flip(number: int, value: float) -> float:
    """Store one sample; the time of its commit."""
    from meters import wire
    from meters.store.write import store_batches
    from pollers.batch import BatchBuilder
    from telemetry_site.clock import now_us

    builder = BatchBuilder("bench")
    builder.add(wire.Resource(f"vm-{number}", None, None, "instance", {}), "load", value, now_us())
    store_batches(builder.batches())
    return time.time()


def flips(alarms: list[str]) -> list[tuple[str, str, float]]:
    """Alarm, the state it must come to, and the commit of the sample that makes it so."""
    made = []
    began = time.monotonic()
    for count in range(FLIPS):
        number = count % ALARMS
        is_over = (count // ALARMS) % 2 == 0
        committed = flip(number, 90.0 if is_over else 20.0)
        made.append((alarms[number], "alarm" if is_over else "ok", committed))
        time.sleep(max(0.0, began + (count + 1) * FLIP_EVERY_S - time.monotonic()))
    return made


def decisions(alarms: list[str]) -> dict[tuple[str, str], list[float]]:
    from alarms.models import AlarmHistory

    found: dict[tuple[str, str], list[float]] = {}
    rows = AlarmHistory.objects.filter(alarm_id__in=alarms, type="state transition")
    for alarm, state, at in rows.order_by("id").values_list("alarm_id", "to_state", "timestamp"):
        found.setdefault((str(alarm), state), []).append(at.timestamp())
    return found


def first_after(times: list[float], start: float) -> float:
    return next((at for at in times if at >= start), float("nan"))


def percentiles(values: Any) -> dict[str, float]:
    import numpy as np

    return {f"p{p}_s": float(np.percentile(values, p)) for p in (50, 99)}


def main() -> None:
    arrivals: Arrivals = {}
    with receivers(arrivals) as ports, house(ports):
        alarms = make_alarms(ports)
        with load():
            made = flips(alarms)
            time.sleep(3 * GRANULARITY_S)
        decided = decisions(alarms)
    import numpy as np

    answered = [one for one in made if alarms.index(one[0]) % RECEIVERS != HANGING]
    committed = np.array([at for _, _, at in answered])
    chosen = np.array([first_after(decided[alarm, state], at) for alarm, state, at in answered])
    arrived = np.array([first_after(arrivals[alarm, state], at) for alarm, state, at in answered])
    came = sum(map(len, arrivals.values()))
    if np.isnan(arrived).any() or came != len(answered):
        sys.exit(f"{came} messages for {len(answered)} flips, {np.isnan(arrived).sum()} have none.")
    result: dict[str, Any] = {
        "whole": percentiles(arrived - committed),
        "decided": percentiles(chosen - committed),
        "sent": percentiles(arrived - chosen),
        "flips": FLIPS,
        "alarms": ALARMS,
        "receivers": RECEIVERS,
        "hanging_receivers": 1,
        "granularity_s": GRANULARITY_S,
        "load_samples_s": SERIES / BATCH_EVERY_S,
    }
    write("alarm_delay", result)
    if result["decided"]["p99_s"] > GOAL_DECIDED_S or result["sent"]["p99_s"] > GOAL_SENT_S:
        sys.exit(f"Wanted: decided within {GOAL_DECIDED_S} s and sent within {GOAL_SENT_S} s.")


if __name__ == "__main__":
    main()
