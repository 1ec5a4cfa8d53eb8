"""F59: one target is away for a while, others are not; the publisher is killed in the middle.

The others get everything at once, the dead one everything after it is back: nothing lost, what
waits for it counted meanwhile, and the collector knows nothing of it (issue 8, publishers).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from telemetry_site.clock import from_us
from tests.faults.cluster import Cluster
from tests.faults.ledger import SampleKey
from tests.faults.load import under_load
from tests.support.ports import free_port

DELIVERED = "telemetry_publisher_items_total"
POINT = "publisher.after_delivery"
NAMES = ("alive", "dead", "file")


class Target(ThreadingHTTPServer):
    """Takes arrays of samples and of events, and keeps what each is known by."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.got: set[str] = set()
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got |= {known_by(one) for one in json.loads(body)}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""


def known_by(one: dict[str, Any]) -> str:
    if "event_type" in one:
        return str(one["message_id"])
    return f"{one['resource_id']} {one['name']} {one['timestamp']}"


def in_file(path: Path) -> set[str]:
    """The lines that are whole; a kill may leave a piece of one, and the last is being written."""
    found = set()
    for line in path.read_text().splitlines():
        with suppress(json.JSONDecodeError):
            found.add(known_by(json.loads(line)))
    return found


def promised(cluster: Cluster) -> set[str]:
    book = cluster.book().ok
    return set(map(of_key, book.samples)) | book.events


def of_key(key: SampleKey) -> str:
    moment = from_us(key.timestamp).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{key.resource} {key.meter} {moment}"


def waiting(cluster: Cluster) -> dict[str, int]:
    return {name: cluster.broker.waiting(f"publisher.{name}") for name in NAMES}


def at_work(cluster: Cluster, key: str) -> int:
    """Targets whose queues are filled from now on."""
    return sum("publisher at work" in line for line in cluster.processes.log_lines(key))


def lacking(wanted: Iterable[str], got: Iterable[str]) -> str:
    missing = set(wanted) - set(got)
    return f"{len(missing)} are missing: {sorted(missing)[:3]}"


def test_one_dead_target_among_others(cluster: Cluster, tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "samples"
    alive = Target(0)
    urls = (f"http://127.0.0.1:{alive.server_port}/", f"http://127.0.0.1:{port}/", f"file://{file}")
    written = ",".join(f"{name}={url}" for name, url in zip(NAMES, urls, strict=True))
    key = cluster.start_role("publisher", TELEMETRY_PUBLISHERS=written)
    cluster.wait(lambda: at_work(cluster, key) == len(NAMES), 20.0, lambda: "no queues")
    with under_load(cluster, rate=10.0):
        cluster.wait_receipted(40)
        # Killed when a delivery was made and not acknowledged.
        cluster.arm(POINT)
        cluster.wait_hit(POINT)
        cluster.processes.wait_death(key)
        cluster.start_again(key)
        sofar = promised(cluster)
        cluster.wait(lambda: sofar <= alive.got, 30.0, lambda: lacking(sofar, alive.got))
        cluster.wait(lambda: sofar <= in_file(file), 30.0, lambda: lacking(sofar, in_file(file)))
        assert waiting(cluster)["dead"] >= 40
        dead = Target(port)
    wanted = promised(cluster)
    cluster.wait(lambda: not any(waiting(cluster).values()), 90.0, lambda: str(waiting(cluster)))
    cluster.wait(lambda: wanted <= alive.got, 10.0, lambda: lacking(wanted, alive.got))
    cluster.wait(lambda: wanted <= dead.got, 10.0, lambda: lacking(wanted, dead.got))
    cluster.wait(lambda: wanted <= in_file(file), 10.0, lambda: lacking(wanted, in_file(file)))
    assert cluster.counted("telemetry_publisher_dropped_batches_total") == 0
    assert cluster.counted("telemetry_publisher_refused_total") == 0
    assert cluster.counted(DELIVERED, publisher="dead") >= len(wanted)
    for target in (alive, dead):
        target.shutdown()
        target.server_close()
