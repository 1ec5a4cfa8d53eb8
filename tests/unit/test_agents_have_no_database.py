"""A hypervisor holds no database password (architecture.md §2)."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import pkgutil, sys
import django
django.setup()
from django.conf import settings
import pollers
for module in pkgutil.walk_packages(pollers.__path__, "pollers."):
    if not module.name.endswith("compute.child"):  # needs libvirt-python
        __import__(module.name)
used = [name for name in ("psycopg", "django.db.backends.postgresql.base") if name in sys.modules]
named = [name for name in dir(settings) if "DATABASE_URL" in name]
print(settings.DATABASES, used, named)
"""


def test_every_module_of_the_agents_runs_without_a_database() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("{} [] []", 0), done.stderr
