"""What must be done once before the server roles start: tables, schedule, first administrator.

Runs in a fork of the nursery and tells `manage.py up` by one JSON line on its standard output.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from meters.default_policies import make_default_policies
from telemetry_site import durability
from telemetry_site.embedded.postgres import EmbeddedPostgres
from telemetry_site.errors import SiteError
from telemetry_site.schedule import sync_schedule


@dataclass
class Prepared:
    """`error` is a sentence for the operator; `password` is set when `admin` was created."""

    error: str = ""
    password: str = ""
    migrations: int = 0


def prepare() -> None:
    """Print what was done. The database has its own time limits switched off for migrations."""
    done = Prepared()
    try:
        _prepare(done)
    except SiteError as error:
        done.error = str(error)
    print(json.dumps(asdict(done)), flush=True)


def _prepare(done: Prepared) -> None:
    refuse_unreachable_broker()
    if settings.EMBEDDED_DATABASE:
        EmbeddedPostgres().ensure_database()
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        reason = durability.first_line(error)
        raise SiteError(f"DATABASE_URL: the database gives no answer: {reason}") from error
    executor = MigrationExecutor(connection)
    done.migrations = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if done.migrations:
        call_command("migrate", verbosity=0, interactive=False)
    sync_schedule()
    if settings.TELEMETRY_DEFAULT_ARCHIVE_POLICIES:
        make_default_policies()
    done.password = make_admin()


def refuse_unreachable_broker() -> None:
    try:
        durability.broker_findings()
    except durability.UnreachableError as error:
        raise SiteError(f"BROKER_URL: {error}") from error


def make_admin() -> str:
    """Create `admin` where there is no administrator; returns the password, "" otherwise."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(18)
    users.create_superuser("admin", password=password)
    return password
