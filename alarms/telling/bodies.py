"""The body of a message that tells several alarms: ``{"group": {…}, "alarms": [payload, …]}``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from alarms.choices import Severity, State

#: The worst last.
_SEVERITIES = (Severity.LOW, Severity.MODERATE, Severity.CRITICAL)
_STATES = (State.OK, State.INSUFFICIENT_DATA, State.ALARM)
LONGEST_TITLE = 255


def grouped(labels: Mapping[str, str], payloads: str) -> str:
    """`payloads` are aodh's bodies, with commas between."""
    return f'{{"group": {json.dumps(labels)}, "alarms": [{payloads}]}}'


def title(labels: Mapping[str, str], alarms: int) -> str:
    """``3 alarms, severity critical``."""
    agreed = "".join(f", {name.replace('_', ' ')} {value}" for name, value in labels.items())
    return f"{alarms} alarm{'' if alarms == 1 else 's'}{agreed}"[:LONGEST_TITLE]


def worst_severity(found: Sequence[str]) -> str:
    return str(max(found, key=[str(one) for one in _SEVERITIES].index))


def worst_state(found: Sequence[str]) -> str:
    return str(max(found, key=[str(one) for one in _STATES].index))
