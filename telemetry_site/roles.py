"""The one table of roles: what runs, with which settings, and in which order it stops.

Adding a role is adding a row. Nothing heavy may be imported here: `manage.py` reads it before
Django's settings are chosen.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Literal

from telemetry_site import paths

Kind = Literal["web", "beat", "worker", "command"]


@dataclass(frozen=True)
class Role:
    """One kind of process; more of them may run on one machine or many."""

    name: str
    about: str
    kind: Kind = "worker"
    #: "agent" has a broker and no database.
    settings: Literal["server", "agent"] = "server"
    #: Celery queues, comma separated; {host} is this machine's name.
    queues: str = ""
    pool: str = "prefork"
    concurrency: int = 1
    #: A management command, for `kind="command"`.
    command: str = ""
    #: Started only where one of these environment variables is set.
    needs: tuple[str, ...] = ()
    #: Runs an `pollers.agent.Agent` (spool, receipts) and the fallback timer.
    polls: bool = False
    #: Sends itself a heartbeat task where nothing else comes regularly (rule X7).
    heartbeat: bool = False
    #: `up` stops low numbers first: what makes work before what does it.
    stop_stage: int = 0


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("web", "API, pages and admin", kind="web"),
        Role("beat", "sends the periodic tasks", kind="beat"),
        Role(
            "compute", "polls this machine and its hypervisor", settings="agent",
            queues="compute.{host}", pool="threads", polls=True,
        ),
        Role(
            "central", "polls services over the network", settings="agent",
            queues="central", pool="threads", concurrency=4, polls=True,
        ),
        Role(
            "notification", "takes OpenStack notifications from their bus", kind="command",
            settings="agent", command="consume_notifications",
            needs=("TELEMETRY_NOTIFICATION_URLS",),
        ),
        Role(
            "notification-worker", "makes events and samples of notifications", settings="agent",
            queues="notification", heartbeat=True, stop_stage=1,
        ),
        Role(
            "collector", "stores batches in the database", queues="collector,maintenance",
            concurrency=2, heartbeat=True, stop_stage=1,
        ),
        Role(
            "publisher", "hands samples and events on to other systems", kind="command",
            settings="agent", command="publish", stop_stage=1,
            needs=("TELEMETRY_PUBLISHERS", "TELEMETRY_METER_PIPELINE", "TELEMETRY_EVENT_PIPELINE"),
        ),
        Role("evaluator", "decides the states of alarms", queues="evaluator", stop_stage=1),
        Role(
            "notifier", "sends what alarms ask to be sent", queues="notifier", pool="threads",
            concurrency=32, stop_stage=2,
        ),
    )
}  # fmt: skip


def wanted(names: str = "") -> list[Role]:
    """The roles to run: those named (comma separated), else all whose need is met.

    Raises `KeyError` with the unknown name.
    """
    if names:
        return [ROLES[name.strip()] for name in names.split(",") if name.strip()]
    return [
        role
        for role in ROLES.values()
        if not role.needs or any(os.environ.get(name) for name in role.needs)
    ]


def settings_module(kind: str) -> str:
    return f"telemetry_site.settings.{kind}"


def instance(role_name: str) -> str:
    """Name of this process among several of one role on one machine: `collector.2`."""
    number = os.environ.get("TELEMETRY_INSTANCE", "")
    return f"{role_name}.{number}" if number else role_name


def prepare_environment(role: Role) -> None:
    """What must be in the environment before Django or prometheus_client is imported."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(role.settings))
    adopt(role.name)


def adopt(name: str) -> None:
    """Take the name of a role, and an empty directory for the metrics of its processes.

    prometheus_client's multiprocess mode is on for every role: one way for those that fork and
    those that do not.
    """
    os.environ["TELEMETRY_ROLE"] = name
    os.environ["TZ"] = "UTC"
    directory = paths.run_dir() / "metrics" / instance(name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
