"""What ceilometer 9.0.7 answers: its own storage on PostgreSQL, its own WSGI application.

Runs in an environment that has it. Reads from stdin

    {"database": URL, "folder": path, "seeds": {seed: [[sample, …], [question, …]]}}

where a question is [title, path], and writes to stdout {seed: [[status, answer], …]}; the answer of
a refusal is null.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import webob

sys.path.insert(0, str(Path(__file__).parents[3]))
from bench.peers.ceilometer_app import application, configured, connected

HEADERS = {
    "X-Roles": "admin", "X-User-Id": "admin", "X-Project-Id": "admin",
    "Accept": "application/json",
}  # fmt: skip


def main() -> None:
    logging.disable()
    wanted = json.load(sys.stdin)
    conf = configured(Path(wanted["folder"]), wanted["database"])
    connection, api = connected(conf), application(conf)
    gave = {}
    for seed, (samples, questions) in wanted["seeds"].items():
        connection.clear()
        for sample in samples:
            connection.record_metering_data(as_message(sample))
        gave[seed] = [ask(api, path) for _, path in questions]
    json.dump(gave, sys.stdout)


def as_message(sample: dict[str, Any]) -> dict[str, Any]:
    """As its collector hands it to its storage."""
    moment = datetime.fromtimestamp(sample["timestamp_us"] // 1_000_000, UTC)
    micros = sample["timestamp_us"] % 1_000_000
    return {name: value for name, value in sample.items() if name != "timestamp_us"} | {
        "timestamp": moment.replace(microsecond=micros, tzinfo=None), "message_id": str(uuid4()),
        "message_signature": "", "monotonic_time": None,
    }  # fmt: skip


def ask(api: Any, path: str) -> tuple[int, Any]:
    answer = webob.Request.blank(path, headers=HEADERS).get_response(api)
    return answer.status_int, answer.json if answer.status_int == 200 else None


if __name__ == "__main__":
    main()
