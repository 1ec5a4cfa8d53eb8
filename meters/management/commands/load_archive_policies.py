"""`manage.py load_archive_policies FILE`: make the archive policies that a resource file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import voluptuous
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from meters.archive_policies import PolicyError, define
from meters.metric_api.errors import ApiError
from meters.metric_api.policy_schemas import POLICY
from meters.models import ArchivePolicy
from telemetry_site.yamlfile import Mapping, Sequence, read_yaml


class Command(BaseCommand):
    help = (
        "Make the archive policies of FILE, a gnocchi_resources.yaml, that are not there yet. "
        "Agents name them with their samples but have no database to make them in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *_: Any, file: Path, **options: Any) -> None:
        wanted = [_policy(file, written, line) for written, line in _entries(file)]
        with transaction.atomic():
            known = set(ArchivePolicy.objects.values_list("name", flat=True))
            new = [policy for policy in wanted if policy.name not in known]
            ArchivePolicy.objects.bulk_create(new, ignore_conflicts=True)
        for policy in wanted:
            self.stdout.write(f"{policy.name}: {'made' if policy in new else 'is there already'}")


def _entries(file: Path) -> list[tuple[Any, int]]:
    content, faults = read_yaml(file)
    if faults:
        raise CommandError("\n".join(map(str, faults)))
    listed = content.get("archive_policies") if isinstance(content, Mapping) else None
    if not isinstance(listed, Sequence):
        raise CommandError(f"{file}: must be a mapping with a list 'archive_policies'")
    return list(zip(listed, listed.lines, strict=True))


def _policy(file: Path, written: Any, line: int) -> ArchivePolicy:
    """Not saved."""
    try:
        # Plain ones: voluptuous makes what it gives of the same classes.
        body = POLICY(msgspec.to_builtins(written))
        return ArchivePolicy(
            name=body["name"],
            back_window=body.get("back_window", 0),
            definition=define(body["definition"]),
            aggregation_methods=body["aggregation_methods"],
        )
    except (voluptuous.Invalid, PolicyError) as error:
        raise CommandError(f"{file}:{line}: {error}") from error
    except ApiError as error:
        raise CommandError(f"{file}:{line}: {error.args[-1]}") from error
