"""`export` in the form that `import_samples` reads."""

from __future__ import annotations

from django.core.management.base import CommandParser

from meters.management.commands import export


class Command(export.Command):
    help = "Write stored samples into a file that import_samples reads, or with FILE - to stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(format="samples")
