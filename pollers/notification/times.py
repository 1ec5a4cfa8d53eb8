"""Times as they stand in other people's messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from meters.wire import EARLIEST_US, LATEST_US
from telemetry_site.clock import to_us

_LEAP_SECOND = re.compile(r"(:\d\d):60(\.\d*)?")


def parse_time(text: object) -> int:
    """Microseconds since the epoch of an ISO 8601 text; a time without zone is UTC.

    Takes a blank for the T, `Z`, `+00:00` and `+0000`, any number of decimals (cut to six) and a
    date alone. A leap second becomes the last microsecond before it (rule K3). Raises `ValueError`
    for anything else, and for years outside 1970…2200.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.80} is not a time")
    try:
        moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59.999999", text.strip()))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        micros = to_us(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:80]!r} is not a time") from error
    if not EARLIEST_US <= micros <= LATEST_US:
        raise ValueError(f"{text[:80]!r} is not in 1970…2200")
    return micros
