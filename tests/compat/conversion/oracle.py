"""What ceilometer makes of notifications: its own pipelines, endpoints, definitions and publishers.

Runs in ceilometer's environment, one process for all. Reads from stdin

    {run: {"meters": directory, "events": file, "pipeline": file, "event_pipeline": file,
           "messages": [envelope, …]}}

where an absent or null file means ceilometer's own, and writes to stdout what each message gave:

    {"ceilometer": directory, "runs": {run: [{"samples": […], "events": […], "requeued": …}, …]}}

A message goes the way from the driver on: it is taken out of oslo's envelope, dispatched by
oslo.messaging's batch dispatcher to ceilometer's endpoints, and comes out of its `test://`
publisher, which takes the place of every publisher that a pipeline file names.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ceilometer
import yaml
from ceilometer import service
from ceilometer.pipeline.event import EventPipelineManager
from ceilometer.pipeline.sample import SamplePipelineManager
from oslo_messaging._drivers.amqp import unpack_context
from oslo_messaging._drivers.common import deserialize_msg
from oslo_messaging.notify.dispatcher import BatchNotificationDispatcher

HOME = Path(ceilometer.__file__).parent


@dataclass(eq=False)
class Incoming:
    """A message as a driver hands it on."""

    ctxt: dict[str, Any]
    message: dict[str, Any]


class Run:
    """ceilometer as one set of files configures it."""

    def __init__(self, files: dict[str, Any], folder: Path) -> None:
        conf = service.prepare_service(["ceilometer"], [])
        sys.excepthook = sys.__excepthook__  # ceilometer's goes to its log, which is off
        meters = files.get("meters") or str(HOME / "data" / "meters.d")
        conf.set_override("meter_definitions_dirs", [meters], group="meter")
        if files.get("events"):
            conf.set_override("definitions_cfg_file", files["events"], group="event")
        for option, key in (("pipeline_cfg_file", "pipeline"),
                            ("event_pipeline_cfg_file", "event_pipeline")):  # fmt: skip
            path = files.get(key) or HOME / "pipeline" / "data" / f"{key}.yaml"
            conf.set_override(option, str(_testing(Path(path), folder)))
        managers = [SamplePipelineManager(conf), EventPipelineManager(conf)]
        endpoints = [one for manager in managers for one in manager.get_main_endpoints()]
        pipelines = [pipeline for manager in managers for pipeline in manager.pipelines]
        self._publishers = {id(one): one for line in pipelines for one in line.publishers}.values()
        self._dispatcher = BatchNotificationDispatcher(endpoints, None)

    def gave(self, envelope: dict[str, Any]) -> dict[str, Any]:
        message = deserialize_msg(envelope)
        context = unpack_context(message)
        incoming = Incoming(context.to_dict(), message)
        requeued = bool(self._dispatcher.dispatch([incoming]))
        samples = [_sample(one) for publisher in self._publishers for one in publisher.samples]
        events = [one.serialize() for publisher in self._publishers for one in publisher.events]
        for publisher in self._publishers:
            publisher.samples.clear()
            publisher.events.clear()
        return {"samples": samples, "events": events, "requeued": requeued}


def _testing(path: Path, folder: Path) -> Path:
    """The file with publishers in memory, one a sink."""
    content = yaml.safe_load(path.read_text())
    for sink in content["sinks"]:
        sink["publishers"] = [f"test://{sink['name']}"]
    made = folder / path.name
    made.write_text(yaml.safe_dump(content))
    return made


def _sample(sample: Any) -> dict[str, Any]:
    found: dict[str, Any] = sample.as_dict()
    return found


def main() -> None:
    # What libraries print must not stand among the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    wanted = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    runs = {}
    for name, files in wanted.items():
        with tempfile.TemporaryDirectory() as folder:
            run = Run(files, Path(folder))
            runs[name] = [run.gave(envelope) for envelope in files["messages"]]
    json.dump({"ceilometer": str(HOME), "runs": runs}, answers, default=str)


if __name__ == "__main__":
    main()
