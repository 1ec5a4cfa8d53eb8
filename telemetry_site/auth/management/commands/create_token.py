"""`manage.py create_token USER`: make an API token and print it once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from telemetry_site.auth import tokens
from telemetry_site.auth.principal import ALL_SCOPES, principal_of_user


class Command(BaseCommand):
    help = "Make an API token for a user and print it. It can't be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the user it belongs to")
        parser.add_argument("--project", default="", help="good for this project only")
        parser.add_argument(
            "--scopes", default="read", help="comma separated, out of read,ingest,alarms,admin"
        )
        parser.add_argument(
            "--days", type=int, default=tokens.DEFAULT_DAYS, help="days until it expires (1…365)"
        )
        parser.add_argument("--name", default="made by create_token")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        project, days = options["project"], options["days"]
        scopes = frozenset(filter(None, options["scopes"].split(",")))
        self._check(principal_of_user(user), project, scopes, days)
        try:
            token, text = tokens.issue(user.pk, options["name"], scopes, project, days)
        except tokens.QuotaError as error:
            raise CommandError(f"{options['user']}: {error}.") from error
        self.stdout.write(text)
        self.stderr.write(f"Expires {token.expires_at:%Y-%m-%d}. It can't be shown again.")

    def _check(self, principal: Any, project: str, scopes: frozenset[str], days: int) -> None:
        if not 1 <= days <= tokens.MAX_DAYS:
            raise CommandError(f"--days {days}: must be between 1 and {tokens.MAX_DAYS}.")
        if not scopes or not scopes <= ALL_SCOPES:
            wrong = ", ".join(sorted(scopes - ALL_SCOPES)) or "none given"
            raise CommandError(f"--scopes: {wrong}; known are {', '.join(sorted(ALL_SCOPES))}.")
        if project and not principal.is_admin and project not in principal.projects:
            raise CommandError(f"{principal.name} is not a member of {project}.")
        beyond = scopes - tokens.allowed_scopes(principal, project)
        if beyond:
            raise CommandError(f"{principal.name} has no right to {', '.join(sorted(beyond))}.")
