"""How often people may have messages sent by hand: tests, and sending again (S27).

Kept in the memory of each web process, like the limits of posting samples. Administrators are
not counted.
"""

from __future__ import annotations

import math
import time

from alarms.errors import TooOftenError
from meters.api.admission import Buckets
from telemetry_site.auth.caller import Caller
from telemetry_site.auth.principal import Principal

A_MINUTE = 10
_asked = Buckets(A_MINUTE / 60, A_MINUTE)


def take(principal: Principal | Caller, project_id: str | None) -> None:
    """Take one of the project's ten a minute. Raises `TooOftenError`."""
    if principal.is_admin:
        return
    wait_s = math.ceil(_asked.take(project_id or "", 1, time.monotonic()))
    if wait_s:
        raise TooOftenError(
            f"A project may have {A_MINUTE} messages a minute sent by hand: try again in "
            f"{wait_s} s.",
            wait_s,
        )
