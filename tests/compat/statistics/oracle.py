"""What ceilometer 9.0.7 answers: its own storage on PostgreSQL, its own WSGI application; and what
its transformers make.

Runs in an environment that has it. Reads from stdin

    {"database": URL, "folder": path, "seeds": {seed: [[sample, …], [question, …]]},
     "pipeline": path, "series": {seed: [sample, …]}}

where a question is [title, path], and writes to stdout {"answers": {seed: [[status, answer], …]},
"made": {seed: [sample, …]}}; the answer of a refusal is null.
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
import yaml
from ceilometer.sample import Sample
from ceilometer.transformer.conversions import DeltaTransformer, RateOfChangeTransformer

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
    pipeline = yaml.safe_load(Path(wanted["pipeline"]).read_text())
    made = {seed: transformed(pipeline, samples) for seed, samples in wanted["series"].items()}
    json.dump({"answers": gave, "made": made}, sys.stdout)


def as_message(sample: dict[str, Any]) -> dict[str, Any]:
    """As its collector hands it to its storage."""
    moment = datetime.fromtimestamp(sample["timestamp_us"] // 1_000_000, UTC)
    micros = sample["timestamp_us"] % 1_000_000
    return {name: value for name, value in sample.items() if name != "timestamp_us"} | {
        "timestamp": moment.replace(microsecond=micros, tzinfo=None), "message_id": str(uuid4()),
        "message_signature": "", "monotonic_time": None,
    }  # fmt: skip


TRANSFORMERS = {"rate_of_change": RateOfChangeTransformer, "delta": DeltaTransformer}


def transformed(pipeline: Any, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each sink's only transformer makes of what its sources take."""
    made = {
        sink["name"]: TRANSFORMERS[one["name"]](**one["parameters"])
        for sink in pipeline["sinks"]
        for one in sink["transformers"]
    }
    found = []
    for written in samples:
        for source in pipeline["sources"]:
            for name in source["sinks"] if written["counter_name"] in source["meters"] else ():
                one = made[name].handle_sample(as_sample(written))
                if one is not None:
                    found.append(one.as_dict())
    return found


def as_sample(written: dict[str, Any]) -> Sample:
    """As an agent hands it to its pipeline."""
    names = ("name", "type", "unit", "volume")
    return Sample(
        *(written[f"counter_{name}"] for name in names), written["user_id"],
        written["project_id"], written["resource_id"],
        timestamp=as_message(written)["timestamp"].isoformat(),
        resource_metadata=written["resource_metadata"], source=written["source"],
    )  # fmt: skip


def ask(api: Any, path: str) -> tuple[int, Any]:
    answer = webob.Request.blank(path, headers=HEADERS).get_response(api)
    return answer.status_int, answer.json if answer.status_int == 200 else None


if __name__ == "__main__":
    main()
