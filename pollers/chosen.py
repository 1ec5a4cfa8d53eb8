"""What a poll's report says of the rules that chose its meters (docs/reference/wire.md). Pure.

The API server has no polling file: whoever asks there why a meter is missing learns it from this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pollers.polling_file import PollingSource

#: Names of one list at the most, and characters of one sentence, so that a report stays small.
MOST_NAMES = 300
LONGEST_RULE = 1000


def selection(
    able: Iterable[str], sources: Sequence[PollingSource], unknown: Sequence[str] = ()
) -> dict[str, Any]:
    """``{"selection": {"meters", "left_out", "rules", "unknown"}}``; empty lists are left out.

    `able` are the meters that this agent could measure there, of which `sources` choose; without
    any of these all are measured. `unknown` are sentences about names that no pollster has.
    """
    names = list(able)
    wanted = [name for name in names if not sources or any(map(_chooses(name), sources))]
    said: Mapping[str, list[str]] = {
        "meters": wanted,
        "left_out": [name for name in names if name not in set(wanted)],
        "rules": [_rule(source) for source in sources],
        "unknown": [sentence[:LONGEST_RULE] for sentence in unknown],
    }
    return {"selection": {key: value[:MOST_NAMES] for key, value in said.items() if value}}


def _chooses(meter: str) -> Any:
    return lambda source: source.meters.accepts(meter)


def _rule(source: PollingSource) -> str:
    listed = ", ".join(map(str, source.meters.names))
    return f"{source.place}: source {source.name!r} takes {listed}"[:LONGEST_RULE]
