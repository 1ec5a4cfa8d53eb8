"""`manage.py why RESOURCE METER`: why there is no data, in words."""

from __future__ import annotations

import json
import sys
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meters.why.answer import Answer, explain
from meters.why.findings import Finding, Weight
from meters.why.gather import gather
from meters.why.plain import plain
from telemetry_site.auth.principal import Principal
from telemetry_site.texts import visible

MARKS = {Weight.CAUSE: "!!", Weight.CLUE: " ?", Weight.FINE: "ok"}
WIDTH = 100
LONGEST = 255


class Command(BaseCommand):
    help = (
        "Say why there is no data of a meter of a resource: discovered, polled, filtered, refused, "
        "late? Exits with 1 where there is none and no cause was found, else with 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("resource", help="id, uuid or name of the resource")
        parser.add_argument("meter", help="name of the meter, e.g. cpu")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("resource", "meter"):
            text = options[name]
            if not text or len(text) > LONGEST or not text.isprintable():
                raise CommandError(f"{name}: 1 to {LONGEST} printable characters")
        operator = Principal(user_id="", name="manage.py", is_admin=True)
        answer = explain(gather(operator, options["resource"], options["meter"]))
        if options["format"] == "json":
            self.stdout.write(json.dumps(plain(answer), indent=2))
        else:
            self.stdout.write(visible("\n".join(lines(answer))))
        if not answer.explained:
            sys.exit(1)


def lines(answer: Answer) -> Iterator[str]:
    """The answer first, then what it stands on."""
    yield f"{answer.meter} of {answer.resource}"
    yield ""
    for place, finding in enumerate(answer.findings):
        yield from _finding(finding)
        if place + 1 < len(answer.findings) and answer.findings[place + 1].weight != finding.weight:
            yield ""


def _finding(finding: Finding) -> Iterator[str]:
    yield from _wrapped(f"{MARKS[finding.weight]} ", finding.verdict)
    for one in finding.evidence:
        yield from _wrapped("     - ", one)
    if finding.action:
        yield from _wrapped("     → ", finding.action)
    if finding.command:
        yield f"       {finding.command}"


def _wrapped(start: str, text: str) -> list[str]:
    following = " " * len(start)
    return textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=following,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
