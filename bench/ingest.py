"""What the collector stores a second against PostgreSQL's raw binary COPY of the same rows.

`make bench NAME=ingest`. In one run, in turn, several rounds: (a) COPY of the rows into a table
without index, a commit each batch; (b) the collector's `collect` on encoded batches, one message a
transaction; (c) the same, sixteen folded into one, as when it is behind; (d) the whole broker path,
agent's spool to receipt, with a collector worker of its own. Medians, and the ratio pair by pair.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from bench.stage import clocked, servers, write

ROUNDS = 7
BATCHES = 40
SERIES = 5_000
RAW = "bench_raw"


def bodies(start_us: int) -> list[bytes]:
    """Encoded batches: the same series each time, as polls bring them."""
    from meters import wire
    from pollers.batch import BatchBuilder

    made = []
    for number in range(BATCHES):
        builder = BatchBuilder("bench")
        for row in range(SERIES // 10):
            one = wire.Resource(f"r{row}", "p", "u", "instance", {"display_name": f"vm {row}"})
            for meter in range(10):
                builder.add(one, f"meter.{meter}", row + meter / 7, start_us + number, "B")
        (batch,) = builder.batches()
        made.append(wire.encode(batch))
    return made


def raw_copy() -> None:
    import numpy as np
    from django.db import connection, transaction

    from meters.store.copy_format import encode_rows

    rng = np.random.default_rng(1)
    columns = np.arange(SERIES, dtype=np.int64), np.full(SERIES, 10**15), rng.random(SERIES)
    statement = f"COPY {RAW} FROM STDIN (FORMAT BINARY)"
    for _ in range(BATCHES):
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(encode_rows(*columns))


def collected(payloads: list[bytes], at_once: int) -> None:
    """As the collector does it, but for the receipts' publication (see the broker path)."""
    from meters.collector import _collect
    from meters.deliveries import Delivery

    for first in range(0, len(payloads), at_once):
        _collect([Delivery(payload) for payload in payloads[first : first + at_once]], {})


def empty_tables() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {RAW} "
                       "(series_id bigint, timestamp timestamptz, value float8)")  # fmt: skip
        cursor.execute(f"TRUNCATE {RAW}, meters_head_0")
        cursor.execute("CHECKPOINT")


def broker_path(payloads: list[bytes]) -> dict[str, float]:
    """Seconds a batch from `submit` to receipt: one at a time, and all at once."""
    from meters import wire
    from pollers.agent import Agent

    worker = subprocess.Popen(
        [sys.executable, "manage.py", "role", "collector"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    agent = Agent("bench")
    agent.start()
    try:
        singly = []
        for number, payload in enumerate(payloads):
            seconds = clocked(lambda body=payload: _sent(agent, [wire.decode_batch(body)]))
            if number >= 5:  # the first wait for the worker's start
                singly.append(seconds)
        anew = [renamed(wire.decode_batch(payload)) for payload in payloads]
        together = clocked(lambda: _sent(agent, anew))
    finally:
        agent.stop()
        worker.terminate()
        worker.wait(60)
    return {
        "broker_one_batch_ms": statistics.median(singly) * 1000,
        "broker_samples_s": len(payloads) * SERIES / together,
    }


def renamed(batch: Any) -> Any:
    import msgspec

    from meters import wire

    return msgspec.structs.replace(batch, batch_id=wire.new_batch_id())


def _sent(agent: Any, batches: list[Any]) -> None:
    agent.submit(batches)
    while len(agent.spool):
        time.sleep(0.0005)


def main() -> None:
    with servers():
        from telemetry_site.clock import now_us

        payloads = bodies(now_us())
        empty_tables()
        collected(payloads[:1], 1)  # makes resources and series, outside the clock
        raw, single, folded = [], [], []
        for _ in range(ROUNDS):
            empty_tables()
            raw.append(clocked(raw_copy))
            single.append(clocked(lambda: collected(payloads, 1)))
            folded.append(clocked(lambda: collected(payloads, 16)))
        result = broker_path(payloads)
    rows = BATCHES * SERIES
    result |= {
        "copy_rows_s": rows / statistics.median(raw),
        "collector_rows_s": rows / statistics.median(single),
        "collector_folded_rows_s": rows / statistics.median(folded),
        "ratio": statistics.median(a / b for a, b in zip(raw, single, strict=True)),
        "ratio_folded": statistics.median(a / b for a, b in zip(raw, folded, strict=True)),
        "rounds": ROUNDS,
        "batch": SERIES,
    }
    write("ingest", result)
    if result["ratio"] < 0.5:
        sys.exit("The collector falls below half of raw COPY.")


if __name__ == "__main__":
    main()
