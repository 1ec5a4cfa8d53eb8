"""Runs in aodh's virtual environment: its own evaluation service, a cycle at a time.

    python -m bench.peers.aodh_evaluator FOLDER DATABASE GNOCCHI_DATABASE POSTGRES_PID ALARMS ROUNDS

`evaluation_interval` is so long that the service's own timer fires once only, at its start, when
there is no alarm yet. Alarms are `ok` from the start and their measures keep them so: a quiet
cycle, one UPDATE and one GET an alarm. Costs are printed as JSON.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
from aodh import evaluator, service, storage
from aodh.storage import models

from bench.peers.gnocchi import METRIC, gnocchi
from bench.stage import Cost, cost, costs

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
log_file = {folder}/aodh.log
[database]
connection = {database}
[service_credentials]
auth_type = gnocchi-basic
user = admin
endpoint = {gnocchi}
interface = public
[evaluator]
evaluation_interval = 1000000
"""
LONG_AGO = datetime.datetime(2000, 1, 1)


def configured(folder: Path, database: str, url: str) -> Any:
    path = folder / "aodh.conf"
    path.write_text(CONFIGURATION.format(folder=folder, database=database, gnocchi=url))
    return service.prepare_service(argv=[], config_files=[str(path)])


def fill(connection: Any, resources: Sequence[str]) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for resource in resources:
        rule = {
            "resource_type": "generic", "resource_id": resource, "metric": METRIC,
            "granularity": 60, "aggregation_method": "mean", "comparison_operator": "gt",
            "threshold": 80.0, "evaluation_periods": 3,
        }  # fmt: skip
        connection.create_alarm(
            models.Alarm(
                alarm_id=str(uuid.uuid4()), type="gnocchi_resources_threshold", enabled=True,
                name=f"load of {resource}", description="", timestamp=now, user_id="u",
                project_id="p", state="ok", state_timestamp=now, state_reason="", severity="low",
                ok_actions=["log://"], alarm_actions=["log://"], insufficient_data_actions=[],
                repeat_actions=False, rule=rule, time_constraints=[], evaluate_timestamp=LONG_AGO,
            )
        )  # fmt: skip


def make_due(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alarm SET evaluate_timestamp = %s", [LONG_AGO])


def cycle(evaluation: Any, connection: Any, others: Sequence[psutil.Process]) -> Cost:
    """One cycle; each alarm must have been evaluated, with data."""
    spent = cost(evaluation._evaluate_assigned_alarms, *others)
    alarms = list(connection.get_alarms())
    if {one.state for one in alarms} != {"ok"} or min(
        one.evaluate_timestamp for one in alarms
    ) == LONG_AGO:
        sys.exit("Not every alarm of aodh was evaluated and is ok.")
    return spent


def cycles(folder: Path, aodh: str, measures: str, postgres: int, count: int, rounds: int) -> Any:
    with gnocchi(folder, measures) as metrics:
        conf = configured(folder, aodh, metrics.url)
        connection = storage.get_connection_from_config(conf)
        connection.upgrade()
        evaluation = evaluator.AlarmEvaluationService(0, conf)
        time.sleep(1)  # its timer's only cycle
        resources = [str(uuid.uuid4()) for _ in range(count)]
        metrics.fill(resources, 20.0)
        fill(connection, resources)
        spent = []
        for _ in range(rounds):
            make_due(aodh)
            spent.append(cycle(evaluation, connection, [psutil.Process(postgres), metrics.api]))
    return costs(spent)


if __name__ == "__main__":
    folder, aodh, measures, *numbers = sys.argv[1:]
    print(json.dumps(cycles(Path(folder), aodh, measures, *map(int, numbers))))
