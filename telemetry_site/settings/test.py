"""Settings of the tests: the server's, on the embedded servers that the fixtures start."""

from __future__ import annotations

import os
import tempfile

# Each pytest process has a state directory of its own, and its children inherit it. The choice
# must be made before the other settings are read, hence here and not in conftest.py.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
if os.environ.get("TELEMETRY_TEST_HOME_OF") != _worker:
    os.environ["TELEMETRY_TEST_HOME_OF"] = _worker
    os.environ["TELEMETRY_HOME"] = tempfile.mkdtemp(prefix="telemetry-test-")
    for _name in ("DATABASE_URL", "BROKER_URL", "TELEMETRY_ROLE"):
        os.environ.pop(_name, None)

from telemetry_site.settings.server import *  # noqa: E402, F403

SECRET_KEY = "tests only"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405 (whitenoise warns without it)
#: Static files are looked for when one is asked for: each test client would read all their folders.
WHITENOISE_AUTOREFRESH = True
