"""`manage.py create_alarm`: an alarm on one metric, in one line: a threshold, or its absence."""

from __future__ import annotations

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from alarms import lifecycle
from alarms.choices import Severity, Type
from alarms.definition import parse_series_rule
from alarms.definition.words import sentence
from alarms.errors import AlarmingError
from alarms.evaluator.selection import Subject, find


class Command(BaseCommand):
    help = "Make an alarm on a metric of one resource (of this machine unless told)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--meter", help="such as hardware.cpu.util")
        parser.add_argument(
            "--resource", default=settings.TELEMETRY_HOST, help="resource id (default: %(default)s)"
        )
        side = parser.add_mutually_exclusive_group(required=True)
        side.add_argument("--above", type=float, metavar="VALUE")
        side.add_argument("--below", type=float, metavar="VALUE")
        side.add_argument(
            "--absent", metavar="METER", help="fires when this meter has no samples any more"
        )
        parser.add_argument(
            "--for", type=int, default=0, metavar="SECONDS",
            help="how long it must have lasted before it fires (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument("--method", default="mean", help="default: %(default)s")
        parser.add_argument(
            "--granularity", type=int, default=60, metavar="SECONDS", help="default: %(default)s"
        )
        parser.add_argument("--periods", type=int, default=1, help="default: %(default)s")
        parser.add_argument(
            "--url", action="append", default=[],
            help="who is told that it went to alarm, and that it is ok again; may be repeated",
        )  # fmt: skip
        parser.add_argument("--name", help="default: the meter, the resource and the threshold")
        parser.add_argument("--severity", choices=Severity.values, default=Severity.LOW)
        parser.add_argument("--project", help="whose it is (default: the installation's)")

    def handle(self, *_: Any, **options: Any) -> None:
        project: str | None = options["project"] or None
        try:
            if project:
                lifecycle.check_name("project", project)
            fields = lifecycle.check(_definition(options))
            _check_urls(options["url"], project)
            alarm = lifecycle.create(fields, project, getpass.getuser())
        except AlarmingError as error:
            raise CommandError(str(error)) from error
        rule = parse_series_rule(alarm.type, alarm.rule)
        words = sentence(rule)
        if options["absent"]:
            words = f"no samples of {options['absent']} of {options['resource']} any more"
        lasting = f" for {options['for']} s" if options["for"] else ""
        self.stdout.write(f"Made alarm {alarm.pk}: {words}{lasting}.")
        (found,) = find([Subject(rule, project)])
        if found.problem:
            self.stdout.write(f"It has no data so far: {found.problem}.")
        page = reverse("alarms:alarm", args=[alarm.pk])
        self.stdout.write(f"Its page: {settings.SITE_URL.rstrip('/')}{page}")


def _check_urls(urls: list[str], project: str | None) -> None:
    for _, place, words in lifecycle.action_faults({"alarm_actions": urls}, project, is_admin=True):
        raise CommandError(f"--url {urls[place]}: {words}")


def _definition(options: dict[str, Any]) -> dict[str, Any]:
    definition = _absence(options) if options["absent"] else _threshold(options)
    urls = {"alarm_actions": options["url"], "ok_actions": options["url"]}
    name = options["name"] or definition["name"][: lifecycle.MAX_NAME]
    own = {"name": name, "type": Type.RESOURCE_THRESHOLD, "severity": options["severity"]}
    return definition | own | urls


def _threshold(options: dict[str, Any]) -> dict[str, Any]:
    if not options["meter"]:
        raise CommandError("--above and --below want a --meter.")
    is_above = options["above"] is not None
    threshold = options["above"] if is_above else options["below"]
    side = "above" if is_above else "below"
    rule = {
        "metric": options["meter"],
        "aggregation_method": options["method"],
        "comparison_operator": "gt" if is_above else "lt",
        "threshold": threshold,
    }
    return {
        "name": f"{options['meter']} of {options['resource']} {side} {threshold:g}",
        "rule": rule | _where(options),
        "policy": {"for": options["for"]},
    }


def _absence(options: dict[str, Any]) -> dict[str, Any]:
    """The number of samples is never below 0, so that only missing ones raise the alarm."""
    if options["meter"]:
        raise CommandError("--absent names the meter itself: leave --meter out.")
    rule = {
        "metric": options["absent"],
        "aggregation_method": "count",
        "comparison_operator": "lt",
        "threshold": 0,
    }
    return {
        "name": f"{options['absent']} of {options['resource']} is absent",
        "rule": rule | _where(options),
        "policy": {"no_data": "alarm", "no_data_for": options["for"]},
    }


def _where(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource_id": options["resource"],
        "granularity": options["granularity"],
        "evaluation_periods": options["periods"],
    }
